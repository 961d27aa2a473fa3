-- Foreign-data wrappers and servers; options that may hold a secret are left out, user mappings altogether.
--when EXISTS (SELECT FROM pg_foreign_data_wrapper)
SELECT 'foreign_data_wrapper' AS kind, quote_ident(w.fdwname) AS name, NULL AS parent, 0 AS position,
       'CREATE FOREIGN DATA WRAPPER ' || quote_ident(w.fdwname)
         || CASE WHEN w.fdwhandler <> 0 THEN ' HANDLER ' || w.fdwhandler::regproc::text ELSE '' END
         || CASE WHEN w.fdwvalidator <> 0 THEN ' VALIDATOR ' || w.fdwvalidator::regproc::text ELSE '' END AS definition
  FROM pg_foreign_data_wrapper w
 WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_foreign_data_wrapper'::regclass AND x.objid = w.oid AND x.deptype = 'e')
UNION ALL
SELECT 'foreign_server', quote_ident(s.srvname), NULL, 0,
       'CREATE SERVER ' || quote_ident(s.srvname)
         || coalesce(' TYPE ' || quote_literal(s.srvtype), '') || coalesce(' VERSION ' || quote_literal(s.srvversion), '')
         || ' FOREIGN DATA WRAPPER ' || quote_ident(w.fdwname)
         || coalesce(' OPTIONS (' || (SELECT string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ' ORDER BY option_name)
                                        FROM pg_options_to_table(s.srvoptions) WHERE option_name !~* 'pass|secret|token|key') || ')', '')
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
 WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_foreign_server'::regclass AND x.objid = s.oid AND x.deptype = 'e')
