-- Scans of relations and rows written to them since the statistics began, as far as they have been counted.
SELECT coalesce(json_agg(json_build_array(c.oid::bigint, a.scans, a.writes)), '[]')::text
  FROM pg_class c
 CROSS JOIN LATERAL (
       SELECT pg_stat_get_numscans(c.oid),
              pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)) AS a (scans, writes)
 WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm', 'i') AND a.scans + a.writes > 0
