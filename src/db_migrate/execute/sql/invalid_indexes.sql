-- Indexes that a CONCURRENTLY did not finish. Those of partitioned tables are invalid until all partitions have theirs.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname NOT LIKE 'pg\_%'
   AND n.nspname NOT IN ('db_migrate', 'db_migrate_kept')
 ORDER BY 1
