-- Prepared transactions of this database that nobody has ended, oldest first: name, owner, age in seconds, relations
-- that they hold locks on. (Of relations in other databases there are no names.)
SELECT p.gid, p.owner::text, extract(epoch FROM clock_timestamp() - p.prepared)::float8,
       coalesce((SELECT array_agg(DISTINCT l.relation::regclass::text)
                   FROM pg_locks x
                   JOIN pg_locks l ON l.pid IS NULL AND l.virtualtransaction = x.virtualtransaction
                   JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm')
                  WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.transactionid = p.transaction), '{}')
  FROM pg_prepared_xacts p
 WHERE p.database = current_database()
 ORDER BY p.prepared
