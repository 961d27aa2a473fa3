-- What the current transaction of this backend holds and has done so far, as one JSON document.
-- Counters are pg_stat_xact_*: those of the current transaction, and of earlier ones not yet flushed.
SELECT json_build_object(
    'transaction', pg_current_xact_id_if_assigned()::text,
    'search_path', current_setting('search_path'),
    'locks', (SELECT coalesce(json_agg(json_build_array(l.relation::bigint, l.mode)), '[]')
                FROM pg_locks l
               WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
                 AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                 AND l.relation >= 16384),
    'activity', (SELECT coalesce(json_agg(json_build_array(t.relid::bigint, t.seq_scan + coalesce(t.idx_scan, 0),
                                                           t.n_tup_ins + t.n_tup_upd + t.n_tup_del, t.seq_scan)), '[]')
                   FROM pg_stat_xact_user_tables t
                  WHERE t.seq_scan + coalesce(t.idx_scan, 0) + t.n_tup_ins + t.n_tup_upd + t.n_tup_del > 0),
    'catalogs', (SELECT coalesce(json_object_agg(s.relname, s.n_tup_ins + s.n_tup_upd + s.n_tup_del), '{}')
                   FROM pg_stat_xact_sys_tables s
                  WHERE s.schemaname = 'pg_catalog' AND s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0),
    'events', current_setting('db_migrate_scratch.events', true),
    'cleared', set_config('db_migrate_scratch.events', '', false))::text
