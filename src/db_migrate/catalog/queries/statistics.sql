-- Extended statistics objects.
--when EXISTS (SELECT FROM pg_statistic_ext)
SELECT 'statistics' AS kind, quote_ident(n.nspname) || '.' || quote_ident(s.stxname) AS name,
       quote_ident(tn.nspname) || '.' || quote_ident(c.relname) AS parent, 0 AS position,
       pg_get_statisticsobjdef(s.oid)
         || CASE WHEN s.stxstattarget >= 0 -- since 13
                 THEN ';' || chr(10) || 'ALTER STATISTICS ' || quote_ident(n.nspname) || '.' || quote_ident(s.stxname) || ' SET STATISTICS ' || s.stxstattarget -- since 13
                 ELSE '' END -- since 13
         AS definition
  FROM pg_statistic_ext s
  JOIN pg_namespace n ON n.oid = s.stxnamespace
  JOIN pg_class c ON c.oid = s.stxrelid
  JOIN pg_namespace tn ON tn.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_statistic_ext'::regclass AND x.objid = s.oid AND x.deptype = 'e')
