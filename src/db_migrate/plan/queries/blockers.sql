-- Other sessions that hold a lock on one of the named relations now, the longest transaction first.
SELECT l.pid, coalesce(a.usename, '')::text, coalesce(a.application_name, ''), wanted.name,
       upper(regexp_replace(regexp_replace(l.mode, 'Lock$', ''), '(?<!^)([A-Z])', ' \1', 'g')),
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start)), 0)::float,
       coalesce(a.state, ''), coalesce(a.backend_type = 'autovacuum worker', false)
  FROM (SELECT name, to_regclass(name)::oid AS oid FROM unnest(%(relations)s::text[]) AS name) AS wanted
  JOIN pg_locks l ON l.relation = wanted.oid AND l.granted AND l.locktype = 'relation' AND l.pid <> pg_backend_pid()
   AND l.mode <> 'SIReadLock'
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 ORDER BY 6 DESC, 1, 4, 5
