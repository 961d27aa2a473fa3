-- Owners, grants and default privileges; read only when they are asked for.
WITH objects AS (
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS type,
       CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS grant_type,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, c.relowner AS owner, c.relacl AS acl,
       acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner) AS usual, n.nspname, 'pg_class'::regclass AS classid, c.oid,
       c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.deptype IN ('a', 'i')
                                      AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0) AS owned
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
       quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')', p.proowner, p.proacl,
       acldefault('f', p.proowner), n.nspname, 'pg_proc'::regclass, p.oid, false
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
UNION ALL
SELECT 'SCHEMA', 'SCHEMA', quote_ident(n.nspname), n.nspowner, n.nspacl, acldefault('n', n.nspowner), n.nspname, 'pg_namespace'::regclass, n.oid, false
  FROM pg_namespace n
UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, 'TYPE', quote_ident(n.nspname) || '.' || quote_ident(t.typname), t.typowner, t.typacl,
       acldefault('T', t.typowner), n.nspname, 'pg_type'::regclass, t.oid, false
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')
UNION ALL
SELECT 'SERVER', 'FOREIGN SERVER', quote_ident(s.srvname), s.srvowner, s.srvacl, acldefault('S', s.srvowner), '', 'pg_foreign_server'::regclass, s.oid, false
  FROM pg_foreign_server s
UNION ALL
SELECT 'FOREIGN DATA WRAPPER', 'FOREIGN DATA WRAPPER', quote_ident(w.fdwname), w.fdwowner, w.fdwacl, acldefault('F', w.fdwowner), '',
       'pg_foreign_data_wrapper'::regclass, w.oid, false
  FROM pg_foreign_data_wrapper w
), listed AS (
SELECT * FROM objects o
 WHERE o.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept', 'db_migrate_scratch') AND o.nspname !~ '^pg_(toast|temp_)'
   AND o.oid >= 2200
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = o.classid AND x.objid = o.oid AND x.deptype = 'e')
)
SELECT 'owner' AS kind, l.name, NULL AS parent, 0 AS position,
       'ALTER ' || l.type || ' ' || l.name || ' OWNER TO ' || quote_ident(pg_get_userbyid(l.owner)) AS definition
  FROM listed l WHERE l.oid >= 16384 AND NOT l.owned
UNION ALL
SELECT 'grant', l.name || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, NULL, 0,
       'GRANT ' || string_agg(DISTINCT a.privilege_type, ', ' ORDER BY a.privilege_type) || ' ON ' || l.grant_type || ' ' || l.name
         || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
         || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
  FROM listed l CROSS JOIN LATERAL aclexplode(coalesce(l.acl, l.usual)) a
 WHERE a.grantee <> l.owner
 GROUP BY l.name, l.grant_type, a.grantee, a.is_grantable
UNION ALL
-- What PUBLIC usually has and was taken from it, and likewise the owner.
SELECT 'grant', l.name || ' TO ' || CASE u.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(u.grantee)) END, NULL, 0,
       'REVOKE ' || string_agg(DISTINCT u.privilege_type, ', ' ORDER BY u.privilege_type) || ' ON ' || l.grant_type || ' ' || l.name
         || ' FROM ' || CASE u.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(u.grantee)) END
  FROM listed l CROSS JOIN LATERAL aclexplode(l.usual) u
 WHERE l.acl IS NOT NULL AND l.oid >= 16384
   AND NOT EXISTS (SELECT FROM aclexplode(l.acl) a WHERE a.grantee = u.grantee AND a.privilege_type = u.privilege_type)
 GROUP BY l.name, l.grant_type, u.grantee
UNION ALL
SELECT 'grant', n.name || '.' || quote_ident(a.attname) || ' TO ' || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, NULL, 0,
       'GRANT ' || string_agg(DISTINCT x.privilege_type || ' (' || quote_ident(a.attname) || ')', ', '
                              ORDER BY x.privilege_type || ' (' || quote_ident(a.attname) || ')') || ' ON TABLE ' || n.name
         || ' TO ' || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
         || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
  FROM pg_attribute a JOIN listed n ON n.classid = 'pg_class'::regclass AND n.oid = a.attrelid
  CROSS JOIN LATERAL aclexplode(a.attacl) x
 WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
 GROUP BY n.name, a.attname, x.grantee, x.is_grantable
UNION ALL
SELECT 'default_privilege', quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' IN SCHEMA ' || quote_ident(n.nspname), '') || ' ON '
         || CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END
         || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, NULL, 0,
       'ALTER DEFAULT PRIVILEGES FOR ROLE ' || quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' IN SCHEMA ' || quote_ident(n.nspname), '')
         || ' GRANT ' || string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) || ' ON '
         || CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END
         || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
         || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  CROSS JOIN LATERAL aclexplode(d.defaclacl) a
 WHERE n.nspname IS NOT NULL OR a.grantee <> d.defaclrole
 GROUP BY d.defaclrole, n.nspname, d.defaclobjtype, a.grantee, a.is_grantable
