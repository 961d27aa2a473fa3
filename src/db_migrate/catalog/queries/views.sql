-- Views and materialized views with their options.
--when EXISTS (SELECT FROM pg_rewrite WHERE oid >= 16384)
SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized_view' END AS kind,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, NULL AS parent, 0 AS position,
       'CREATE ' || CASE c.relkind WHEN 'v' THEN 'VIEW ' ELSE 'MATERIALIZED VIEW ' END
         || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
         || CASE WHEN am.amname <> 'heap' THEN ' USING ' || quote_ident(am.amname) ELSE '' END
         || coalesce(' WITH (' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o WHERE o !~ '^check_option=') || ')', '')
         || coalesce(' TABLESPACE ' || (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = c.reltablespace), '')
         || E' AS\n' || rtrim(pg_get_viewdef(c.oid), ';')
         || coalesce(E'\n  WITH ' || upper((SELECT substr(o, 14) FROM unnest(c.reloptions) o WHERE o ~ '^check_option=')) || ' CHECK OPTION', '') AS definition
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am am ON am.oid = c.relam
 WHERE c.relkind IN ('v', 'm')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
UNION ALL
-- What ALTER VIEW … ALTER COLUMN SET DEFAULT left on a view.
SELECT 'column', quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname),
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attnum::int, pg_get_expr(f.adbin, f.adrelid)
  FROM pg_attrdef f JOIN pg_class c ON c.oid = f.adrelid AND c.relkind = 'v'
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
