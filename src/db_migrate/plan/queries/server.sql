-- The server around the tables. What the role may not see comes back as NULL or 0, as PostgreSQL shows it.
SELECT (SELECT count(*) FROM pg_stat_replication)::int,
       (SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication)::float,
       (SELECT count(*) FROM pg_replication_slots)::int,
       (SELECT max(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                                   restart_lsn))
          FROM pg_replication_slots)::bigint,
       (SELECT json_object_agg(name, setting) FROM pg_settings
         WHERE name IN ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'maintenance_work_mem',
                        'wal_level', 'default_toast_compression', 'TimeZone', 'max_wal_size', 'temp_file_limit')),
       -- What a session of this role begins with here: ours have set it anew (ALTER ROLE: the most specific one counts).
       (SELECT split_part(c, '=', 2) FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS c
         WHERE starts_with(c, 'lock_timeout=')
           AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
           AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
         ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1)
