-- Triggers that users made; the enabled state is part of the definition.
--when EXISTS (SELECT FROM pg_trigger WHERE oid >= 16384 AND NOT tgisinternal)
--when OR EXISTS (SELECT FROM pg_rewrite WHERE oid >= 16384 AND rulename <> '_RETURN') OR EXISTS (SELECT FROM pg_policy)
--when OR EXISTS (SELECT FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
--when WHERE n.nspname NOT IN ('db_migrate', 'db_migrate_scratch'))
SELECT 'trigger' AS kind,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(g.tgname) AS name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS parent, 0 AS position,
       pg_get_triggerdef(g.oid)
         || CASE g.tgenabled WHEN 'O' THEN '' ELSE ';' || chr(10) || 'ALTER TABLE ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
              || CASE g.tgenabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA' ELSE ' ENABLE ALWAYS' END
              || ' TRIGGER ' || quote_ident(g.tgname) END AS definition
  FROM pg_trigger g
  JOIN pg_class c ON c.oid = g.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT g.tgisinternal
   AND g.tgparentid = 0 -- since 13
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_trigger'::regclass AND x.objid = g.oid AND x.deptype = 'e')
UNION ALL
SELECT 'rule', quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(r.rulename),
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), 0,
       rtrim(pg_get_ruledef(r.oid), ';')
         || CASE r.ev_enabled WHEN 'O' THEN '' ELSE ';' || chr(10) || 'ALTER TABLE ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
              || CASE r.ev_enabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA' ELSE ' ENABLE ALWAYS' END
              || ' RULE ' || quote_ident(r.rulename) END
  FROM pg_rewrite r
  JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.rulename <> '_RETURN'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
UNION ALL
SELECT 'policy', quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(p.polname),
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), 0,
       'CREATE POLICY ' || quote_ident(p.polname) || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname)
         || CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END
         || CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' ELSE '' END
         || CASE WHEN p.polroles = '{0}' THEN '' ELSE ' TO ' || (
              SELECT string_agg(CASE WHEN u.role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(u.role)) END, ', ' ORDER BY pg_get_userbyid(u.role))
                FROM unnest(p.polroles) AS u (role)) END
         || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
         || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
  FROM pg_policy p
  JOIN pg_class c ON c.oid = p.polrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
UNION ALL
SELECT 'event_trigger', quote_ident(e.evtname), NULL, 0,
       'CREATE EVENT TRIGGER ' || quote_ident(e.evtname) || ' ON ' || e.evtevent
         || coalesce(' WHEN TAG IN (' || (SELECT string_agg(quote_literal(t), ', ' ORDER BY t) FROM unnest(e.evttags) t) || ')', '')
         || ' EXECUTE FUNCTION ' || e.evtfoid::regproc::text || '()'
         || CASE e.evtenabled WHEN 'O' THEN '' ELSE ';' || chr(10) || 'ALTER EVENT TRIGGER ' || quote_ident(e.evtname)
              || CASE e.evtenabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA' ELSE ' ENABLE ALWAYS' END END
  FROM pg_event_trigger e
  JOIN pg_proc p ON p.oid = e.evtfoid
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname NOT IN ('db_migrate', 'db_migrate_scratch')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_event_trigger'::regclass AND x.objid = e.oid AND x.deptype = 'e')
