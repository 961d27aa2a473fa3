-- Run on the session of the revision itself: its transaction, and the locks on user relations that say what it did.
-- A relation that it has dropped has no name here any more.
SELECT pg_catalog.txid_current_if_assigned()::text,
       (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
                   l.relation::bigint,
                   pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind, l.mode)), '[]')
          FROM pg_catalog.pg_locks l
          LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
          LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
           AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
           AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'SIReadLock')
           AND (n.nspname IS NULL OR n.nspname NOT LIKE 'pg\_%'))::text
