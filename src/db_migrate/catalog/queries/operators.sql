-- Operators, casts, collations and text search objects that users made.
--when EXISTS (SELECT FROM pg_operator WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_cast WHERE oid >= 16384)
--when OR EXISTS (SELECT FROM pg_collation WHERE oid >= 16384)
--when OR EXISTS (SELECT FROM pg_ts_config WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_ts_dict WHERE oid >= 16384)
SELECT 'operator' AS kind, quote_ident(n.nspname) || '.' || o.oprname || '(' || coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE') || ', '
         || coalesce(format_type(nullif(o.oprright, 0), NULL), 'NONE') || ')' AS name, NULL AS parent, 0 AS position,
       'CREATE OPERATOR ' || quote_ident(n.nspname) || '.' || o.oprname || ' (FUNCTION = ' || o.oprcode::regproc::text
         || coalesce(', LEFTARG = ' || format_type(nullif(o.oprleft, 0), NULL), '') || coalesce(', RIGHTARG = ' || format_type(nullif(o.oprright, 0), NULL), '')
         || CASE WHEN o.oprcom <> 0 THEN ', COMMUTATOR = OPERATOR(' || cn.nspname || '.' || co.oprname || ')' ELSE '' END
         || CASE WHEN o.oprnegate <> 0 THEN ', NEGATOR = OPERATOR(' || nn.nspname || '.' || no.oprname || ')' ELSE '' END
         || CASE WHEN o.oprrest <> 0 THEN ', RESTRICT = ' || o.oprrest::regproc::text ELSE '' END
         || CASE WHEN o.oprjoin <> 0 THEN ', JOIN = ' || o.oprjoin::regproc::text ELSE '' END
         || CASE WHEN o.oprcanhash THEN ', HASHES' ELSE '' END || CASE WHEN o.oprcanmerge THEN ', MERGES' ELSE '' END || ')' AS definition
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
  LEFT JOIN pg_operator co ON co.oid = o.oprcom LEFT JOIN pg_namespace cn ON cn.oid = co.oprnamespace
  LEFT JOIN pg_operator no ON no.oid = o.oprnegate LEFT JOIN pg_namespace nn ON nn.oid = no.oprnamespace
 WHERE o.oprcode <> 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_operator'::regclass AND x.objid = o.oid AND x.deptype = 'e')
UNION ALL
SELECT 'cast', '(' || format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL) || ')', NULL, 0,
       'CREATE CAST (' || format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL) || ') '
         || CASE k.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || k.castfunc::regprocedure::text WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END
         || CASE k.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END
  FROM pg_cast k
 WHERE k.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_cast'::regclass AND x.objid = k.oid AND x.deptype IN ('e', 'i'))
UNION ALL
SELECT 'collation', quote_ident(n.nspname) || '.' || quote_ident(c.collname), NULL, 0,
       'CREATE COLLATION ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname) || ' (PROVIDER = '
         || CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' ELSE c.collprovider::text END
         || CASE WHEN c.collprovider = 'c' AND c.collcollate <> c.collctype
                 THEN ', LC_COLLATE = ' || quote_literal(c.collcollate) || ', LC_CTYPE = ' || quote_literal(c.collctype)
                 ELSE ', LOCALE = ' || quote_literal(coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate)) END
         || CASE WHEN c.collisdeterministic THEN '' ELSE ', DETERMINISTIC = false' END
         || coalesce(', RULES = ' || quote_literal(c.collicurules), '') -- since 16
         || ')'
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_collation'::regclass AND x.objid = c.oid AND x.deptype = 'e')
UNION ALL
SELECT 'text_search', quote_ident(n.nspname) || '.' || quote_ident(c.cfgname), NULL, 0,
       'CREATE TEXT SEARCH CONFIGURATION ' || quote_ident(n.nspname) || '.' || quote_ident(c.cfgname) || ' (PARSER = ' || quote_ident(pn.nspname) || '.' || quote_ident(p.prsname) || ')'
         || coalesce((SELECT string_agg(';' || chr(10) || 'ALTER TEXT SEARCH CONFIGURATION ' || quote_ident(n.nspname) || '.' || quote_ident(c.cfgname)
                                        || ' ADD MAPPING FOR ' || quote_ident(m.alias) || ' WITH ' || m.dictionaries, '' ORDER BY m.alias)
                        FROM (SELECT t.alias, string_agg(d.mapdict::regdictionary::text, ', ' ORDER BY d.mapseqno) AS dictionaries
                                FROM pg_ts_config_map d JOIN ts_token_type(c.cfgparser) t ON t.tokid = d.maptokentype
                               WHERE d.mapcfg = c.oid GROUP BY t.alias) m), '')
  FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace
  JOIN pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_namespace pn ON pn.oid = p.prsnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_ts_config'::regclass AND x.objid = c.oid AND x.deptype = 'e')
UNION ALL
SELECT 'text_search', quote_ident(n.nspname) || '.' || quote_ident(d.dictname) || ' (dictionary)', NULL, 0,
       'CREATE TEXT SEARCH DICTIONARY ' || quote_ident(n.nspname) || '.' || quote_ident(d.dictname) || ' (TEMPLATE = ' || quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname)
         || coalesce(', ' || d.dictinitoption, '') || ')'
  FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace
  JOIN pg_ts_template t ON t.oid = d.dicttemplate JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_ts_dict'::regclass AND x.objid = d.oid AND x.deptype = 'e')
