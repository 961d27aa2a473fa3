-- Rows, bytes and traffic of the named relations; of a partitioned table the sums of its partitions. Traffic is an
-- average since the statistics began; over less than ten minutes it says nothing (a table just filled is not busy).
SELECT wanted.name,
       sum(greatest(c.reltuples, 0))::bigint AS rows,
       sum(pg_total_relation_size(c.oid))::bigint AS bytes,
       sum(pg_table_size(c.oid))::bigint AS table_bytes,
       sum(s.seq_tup_read + coalesce(s.idx_tup_fetch, 0)) / max(d.seconds) AS reads_per_second,
       sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del) / max(d.seconds) AS writes_per_second,
       has_table_privilege(wanted.oid, 'SELECT') AS readable,
       (SELECT json_object_agg(n.attname, n.null_frac)
          FROM (SELECT p.attname, max(p.null_frac) AS null_frac
                  FROM pg_stats p JOIN pg_class x ON x.oid = wanted.oid JOIN pg_namespace y ON y.oid = x.relnamespace
                 WHERE p.schemaname = y.nspname AND p.tablename = x.relname GROUP BY p.attname) AS n) AS null_fractions
  FROM (SELECT name, to_regclass(name)::oid AS oid FROM unnest(%(relations)s::text[]) AS name) AS wanted
  JOIN pg_class w ON w.oid = wanted.oid AND w.relkind IN ('r', 'p', 'm', 'f')
 CROSS JOIN LATERAL (SELECT relid AS oid FROM pg_partition_tree(wanted.oid) UNION SELECT wanted.oid) AS part
  JOIN pg_class c ON c.oid = part.oid
  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
 CROSS JOIN (SELECT CASE WHEN age >= 600 THEN age END AS seconds
               FROM pg_stat_database,
            LATERAL extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time())) AS age
              WHERE datname = current_database()) AS d
 GROUP BY wanted.name, wanted.oid
 ORDER BY wanted.name
