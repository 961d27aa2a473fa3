-- How far the statement of one session has come, as the progress views tell: command, phase, done, total, their unit;
-- whom it waits for. A session that is in no such view has one row with what it waits for, or none. What older servers
-- have not is left out for them as in the catalog's queries.
WITH views (pid, command, phase, done, total, unit, waits_for) AS (
    SELECT pid, command, phase,
           CASE WHEN tuples_total > 0 THEN tuples_done WHEN blocks_total > 0 THEN blocks_done ELSE lockers_done END,
           CASE WHEN tuples_total > 0 THEN tuples_total WHEN blocks_total > 0 THEN blocks_total ELSE lockers_total END,
           CASE WHEN tuples_total > 0 THEN 'rows' WHEN blocks_total > 0 THEN 'blocks' ELSE 'transactions' END,
           nullif(current_locker_pid, 0)::integer
      FROM pg_stat_progress_create_index WHERE datname = current_database()
    UNION ALL
    SELECT pid, command, phase, heap_blks_scanned, nullif(heap_blks_total, 0), 'blocks', NULL
      FROM pg_stat_progress_cluster WHERE datname = current_database()
    UNION ALL
    SELECT pid, 'VACUUM', phase, heap_blks_scanned, nullif(heap_blks_total, 0), 'blocks', NULL
      FROM pg_stat_progress_vacuum WHERE datname = current_database()
    UNION ALL -- since 13
    SELECT pid, 'ANALYZE', phase, sample_blks_scanned, nullif(sample_blks_total, 0), 'blocks', NULL -- since 13
      FROM pg_stat_progress_analyze WHERE datname = current_database() -- since 13
    UNION ALL -- since 14
    SELECT pid, command, 'copying', tuples_processed, NULL, 'rows', NULL -- since 14
      FROM pg_stat_progress_copy WHERE datname = current_database() -- since 14
)
SELECT coalesce(v.command, ''), coalesce(v.phase, ''), v.done, v.total, coalesce(v.unit, ''),
       coalesce(v.waits_for, (pg_blocking_pids(a.pid))[1]),
       coalesce(b.usename, ''), coalesce(b.application_name, ''),
       extract(epoch FROM clock_timestamp() - b.xact_start)::float8, coalesce(b.state, ''), coalesce(b.query, '')
  FROM pg_stat_activity a
  LEFT JOIN views v ON v.pid = a.pid
  LEFT JOIN pg_stat_activity b ON b.pid = coalesce(v.waits_for, (pg_blocking_pids(a.pid))[1])
 WHERE a.pid = %(pid)s
 LIMIT 1
