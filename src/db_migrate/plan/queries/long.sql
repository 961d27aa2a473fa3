-- Clients of this database whose transaction has been open for some seconds, the longest first: what is built or dropped
-- CONCURRENTLY waits for each of them that has a snapshot or has written.
SELECT a.pid, coalesce(a.usename, '')::text, coalesce(a.application_name, ''), '', '',
       extract(epoch FROM clock_timestamp() - a.xact_start)::float, coalesce(a.state, ''), false
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
   AND a.xact_start < clock_timestamp() - make_interval(secs => %(seconds)s) AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
 ORDER BY 6 DESC, 1
