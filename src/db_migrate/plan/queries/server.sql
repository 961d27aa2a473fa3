-- The server around the tables. What the role may not see comes back as NULL or 0, as PostgreSQL shows it.
SELECT (SELECT count(*) FROM pg_stat_replication)::int,
       (SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication)::float,
       (SELECT count(*) FROM pg_replication_slots)::int,
       (SELECT max(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                                   restart_lsn))
          FROM pg_replication_slots)::bigint,
       (SELECT json_object_agg(name, setting) FROM pg_settings
         WHERE name IN ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'maintenance_work_mem',
                        'wal_level', 'default_toast_compression', 'TimeZone', 'max_wal_size', 'temp_file_limit'))
