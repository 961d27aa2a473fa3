-- What the current transaction of this backend holds and has done so far, as one JSON document.
-- Counters are pg_stat_xact_*: those of the current transaction, since each look has them flushed when its transaction
-- ends. Whatever the transaction has read or written it holds a lock on, so that nothing else needs to be asked for;
-- but for what a rollback to a savepoint has let go of: then all relations are asked about (`given` is not NULL).
WITH held AS MATERIALIZED (
SELECT l.relation, l.mode, l.virtualtransaction, l.locktype
  FROM pg_locks l
 WHERE l.pid = pg_backend_pid() AND l.granted AND l.mode <> 'SIReadLock' -- which stops nobody
)
SELECT json_build_object(
    'transaction', (SELECT h.virtualtransaction FROM held h LIMIT 1),
    'locks', (SELECT coalesce(json_agg(json_build_array(h.relation::bigint, h.mode)), '[]')
                FROM held h
               WHERE h.locktype = 'relation' AND h.relation >= 16384),
    'activity', (SELECT coalesce(json_agg(json_build_array(a.relation::bigint, a.scans, a.writes)), '[]')
                   FROM (SELECT h.relation FROM held h WHERE h.locktype = 'relation' AND h.relation >= 16384
                          UNION
                         SELECT c.oid FROM pg_class c
                          WHERE given IS NOT NULL AND c.oid >= 16384 AND c.relkind IN ('r', 'm', 'i')) AS each
                  CROSS JOIN LATERAL (
                        SELECT each.relation, pg_stat_get_xact_numscans(each.relation),
                               pg_stat_get_xact_tuples_inserted(each.relation) + pg_stat_get_xact_tuples_updated(each.relation)
                                 + pg_stat_get_xact_tuples_deleted(each.relation)) AS a (relation, scans, writes)
                  WHERE a.scans + a.writes > 0),
    'catalogs', (SELECT coalesce(json_object_agg(each.relname, json_build_array(a.inserted, a.updated, a.deleted)), '{}')
                   FROM pg_class AS each
                  CROSS JOIN LATERAL (
                        SELECT pg_stat_get_xact_tuples_inserted(each.oid), pg_stat_get_xact_tuples_updated(each.oid),
                               pg_stat_get_xact_tuples_deleted(each.oid)) AS a (inserted, updated, deleted)
                  WHERE each.oid < 16384 AND each.relkind = 'r' AND each.relnamespace = 'pg_catalog'::regnamespace
                    AND a.inserted + a.updated + a.deleted > 0),
    'counted', pg_stat_force_next_flush()::text,
    'lock_timeout', extract(epoch FROM current_setting('lock_timeout')::interval),
    'events', current_setting('db_migrate_scratch.events', true),
    'cleared', set_config('db_migrate_scratch.events', '', false))::text
