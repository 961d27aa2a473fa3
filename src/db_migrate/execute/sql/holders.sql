-- Who holds locks on these relations, and what they are doing. Parameters: relation names, process ids to leave out.
-- What the role may not see of other users' sessions is NULL; autovacuum is then still known by its progress view.
SELECT w.name, l.mode, l.pid, a.usename, a.application_name,
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8,
       a.state, CASE WHEN l.pid IS NULL THEN p.gid ELSE a.query END,
       coalesce(a.backend_type = 'autovacuum worker', v.pid IS NOT NULL AND a.usesysid IS NULL, false),
       coalesce(a.query LIKE '%%(to prevent wraparound)%%', false)
  FROM unnest(%(relations)s::text[]) AS w (name)
  JOIN pg_locks l ON l.relation = to_regclass(w.name)::oid
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_stat_progress_vacuum v ON v.pid = l.pid
  LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
                      AND x.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
 WHERE l.locktype = 'relation' AND l.granted AND l.mode <> 'SIReadLock'
   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
   AND (l.pid IS NULL OR l.pid <> ALL (%(own)s::int[]))
