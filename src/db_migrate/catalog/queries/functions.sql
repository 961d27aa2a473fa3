-- Functions, procedures and aggregates.
--when EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
--when WHERE p.oid >= 16384 AND n.nspname NOT IN ('db_migrate', 'db_migrate_kept'))
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
       quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' AS name, NULL AS parent, 0 AS position,
       CASE WHEN p.prokind <> 'a' THEN rtrim(pg_get_functiondef(p.oid), E'\n')
       ELSE 'CREATE AGGREGATE ' || quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_arguments(p.oid) || ') ('
            || 'SFUNC = ' || g.aggtransfn::regproc::text || ', STYPE = ' || format_type(g.aggtranstype, NULL)
            || CASE WHEN g.aggtransspace <> 0 THEN ', SSPACE = ' || g.aggtransspace ELSE '' END
            || CASE WHEN g.aggfinalfn <> 0 THEN ', FINALFUNC = ' || g.aggfinalfn::regproc::text
                 || CASE WHEN g.aggfinalextra THEN ', FINALFUNC_EXTRA' ELSE '' END
                 || CASE WHEN g.aggfinalmodify <> 'r' THEN ', FINALFUNC_MODIFY = ' || CASE g.aggfinalmodify WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END ELSE '' END
               ELSE '' END
            || CASE WHEN g.aggcombinefn <> 0 THEN ', COMBINEFUNC = ' || g.aggcombinefn::regproc::text ELSE '' END
            || CASE WHEN g.aggserialfn <> 0 THEN ', SERIALFUNC = ' || g.aggserialfn::regproc::text || ', DESERIALFUNC = ' || g.aggdeserialfn::regproc::text ELSE '' END
            || coalesce(', INITCOND = ' || quote_literal(g.agginitval), '')
            || CASE WHEN g.aggmtransfn <> 0 THEN ', MSFUNC = ' || g.aggmtransfn::regproc::text || ', MINVFUNC = ' || g.aggminvtransfn::regproc::text
                 || ', MSTYPE = ' || format_type(g.aggmtranstype, NULL)
                 || CASE WHEN g.aggmfinalfn <> 0 THEN ', MFINALFUNC = ' || g.aggmfinalfn::regproc::text ELSE '' END
                 || coalesce(', MINITCOND = ' || quote_literal(g.aggminitval), '') ELSE '' END
            || CASE WHEN g.aggsortop <> 0 THEN ', SORTOP = ' || g.aggsortop::regoper::text ELSE '' END
            || CASE WHEN g.aggkind = 'h' THEN ', HYPOTHETICAL' ELSE '' END
            || CASE p.proparallel WHEN 's' THEN ', PARALLEL = SAFE' WHEN 'r' THEN ', PARALLEL = RESTRICTED' ELSE '' END || ')' END AS definition
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN pg_aggregate g ON g.aggfnoid = p.oid
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype IN ('e', 'i'))
