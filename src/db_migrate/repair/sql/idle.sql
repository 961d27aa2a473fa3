-- Sessions that are idle in a transaction and hold locks which stop what a migration needs: process, role, application,
-- seconds since they last did something, the relations, what they sent last. Ours are left out.
SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''),
       extract(epoch FROM clock_timestamp() - a.state_change)::float8,
       array_agg(DISTINCT l.relation::regclass::text), coalesce(a.query, '')
  FROM pg_stat_activity a
  JOIN pg_locks l ON l.pid = a.pid AND l.granted AND l.locktype = 'relation'
                 AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm')
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
 WHERE a.state LIKE 'idle in transaction%' AND a.pid <> pg_backend_pid()
 GROUP BY a.pid, a.usename, a.application_name, a.state_change, a.query
 ORDER BY 4 DESC
