-- End a session that is in the way, if it is still what it was when we looked: idle, in a transaction that is old.
SELECT pg_terminate_backend(a.pid)
  FROM pg_stat_activity a
 WHERE a.pid = %(pid)s AND a.state LIKE 'idle in transaction%%'
   AND clock_timestamp() - a.xact_start >= make_interval(secs => %(age)s)
