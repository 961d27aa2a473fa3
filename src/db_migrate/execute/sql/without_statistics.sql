-- Those of these tables that have rows, and a column of which the planner knows nothing.
SELECT n.nspname, c.relname
  FROM unnest(%(relations)s::text[]) AS w (name)
  JOIN pg_class c ON c.oid = to_regclass(w.name)::oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'p') AND pg_relation_size(c.oid) > 0
   AND EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND NOT EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname
                                                            AND s.attname = a.attname))
 ORDER BY 1, 2
