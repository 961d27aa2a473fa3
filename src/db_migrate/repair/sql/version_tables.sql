-- Tables that look like version tables of Alembic's, wherever they are and whatever they are called: schema, name,
-- whether the role may read it, whether the schema has other tables.
SELECT n.nspname::text, c.relname::text,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
       EXISTS (SELECT FROM pg_class o WHERE o.relnamespace = n.oid AND o.relkind IN ('r', 'p') AND o.oid <> c.oid)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_temp%' AND n.nspname NOT IN ('db_migrate', 'db_migrate_kept')
   AND (SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) = ARRAY['version_num']
 ORDER BY 1, 2
