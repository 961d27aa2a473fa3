--when EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname NOT IN ('public', 'db_migrate', 'db_migrate_kept'))
SELECT 'schema' AS kind, quote_ident(n.nspname) AS name, NULL AS parent, 0 AS position,
       'CREATE SCHEMA ' || quote_ident(n.nspname) AS definition
  FROM pg_namespace n
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'public', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_namespace'::regclass AND x.objid = n.oid AND x.deptype = 'e')
