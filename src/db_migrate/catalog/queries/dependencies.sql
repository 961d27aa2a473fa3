-- What objects need of other objects, as pg_depend knows it. What belongs to one table is left out, and so is what a
-- foreign key refers to, which is one of its attributes.
-- A name is of a family ("relation", "column", ...): which kind exactly, the objects themselves say.
WITH facts AS MATERIALIZED (
SELECT d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid,
       CASE d.classid
         WHEN 'pg_class'::regclass THEN (SELECT coalesce((SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = c.oid), c.oid)
                                           FROM pg_class c WHERE c.oid = d.objid)
         WHEN 'pg_attrdef'::regclass THEN (SELECT f.adrelid FROM pg_attrdef f WHERE f.oid = d.objid)
         WHEN 'pg_constraint'::regclass THEN (SELECT k.conrelid FROM pg_constraint k WHERE k.oid = d.objid)
         WHEN 'pg_rewrite'::regclass THEN (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = d.objid)
         WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy p WHERE p.oid = d.objid)
         WHEN 'pg_trigger'::regclass THEN (SELECT g.tgrelid FROM pg_trigger g WHERE g.oid = d.objid)
         WHEN 'pg_statistic_ext'::regclass THEN (SELECT s.stxrelid FROM pg_statistic_ext s WHERE s.oid = d.objid)
       END AS relid
  FROM pg_depend d
 WHERE d.refobjid >= 16384 AND d.deptype IN ('n', 'a', 'i')
   AND d.classid IN ('pg_class'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass,
                     'pg_trigger'::regclass, 'pg_statistic_ext'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass,
                     'pg_cast'::regclass, 'pg_event_trigger'::regclass, 'pg_publication_rel'::regclass, 'pg_ts_config'::regclass)
   AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_collation'::regclass, 'pg_operator'::regclass,
                        'pg_foreign_server'::regclass, 'pg_ts_config'::regclass, 'pg_ts_dict'::regclass, 'pg_constraint'::regclass)
   AND NOT (d.refclassid = 'pg_class'::regclass AND d.classid IN ('pg_class'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass))
   AND NOT (d.classid = 'pg_attrdef'::regclass AND d.deptype <> 'n')
   AND NOT (d.refclassid = 'pg_constraint'::regclass AND d.classid <> 'pg_rewrite'::regclass)
), pairs AS (
SELECT DISTINCT f.classid, f.objid, f.objsubid, f.relid, f.refclassid, f.refobjid, f.refobjsubid
  FROM facts f
 WHERE f.refclassid <> 'pg_class'::regclass OR f.refobjid IS DISTINCT FROM f.relid
), subjects AS (
SELECT p.*, e.extname AS extension, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS relation, c.relkind
  FROM pairs p
  LEFT JOIN pg_class c ON c.oid = p.relid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend m ON m.classid = p.refclassid AND m.objid = p.refobjid AND m.deptype = 'e'
  LEFT JOIN pg_extension e ON e.oid = m.refobjid
), named AS MATERIALIZED (
SELECT CASE s.classid
         WHEN 'pg_class'::regclass THEN
           CASE WHEN s.objid <> s.relid THEN ARRAY['index', (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
                                                               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = s.objid)]
                WHEN s.relkind = 'c' THEN ARRAY['type', s.relation]
                WHEN s.objsubid > 0 AND s.relkind IN ('r', 'p', 'f') THEN ARRAY['column', s.relation || '.' || (
                     SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = s.objid AND a.attnum = s.objsubid)]
                WHEN s.objsubid = 0 THEN ARRAY['relation', s.relation] END
         WHEN 'pg_attrdef'::regclass THEN ARRAY['column', s.relation || '.' || (
              SELECT quote_ident(a.attname) FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE f.oid = s.objid)]
         WHEN 'pg_constraint'::regclass THEN (
              SELECT CASE WHEN k.contypid <> 0 THEN ARRAY['type', quote_ident(n.nspname) || '.' || quote_ident(t.typname)]
                          ELSE ARRAY['member', s.relation || '.' || quote_ident(k.conname)] END
                FROM pg_constraint k LEFT JOIN pg_type t ON t.oid = k.contypid LEFT JOIN pg_namespace n ON n.oid = t.typnamespace WHERE k.oid = s.objid)
         WHEN 'pg_rewrite'::regclass THEN (
              SELECT CASE WHEN r.rulename = '_RETURN' THEN ARRAY['relation', s.relation] ELSE ARRAY['member', s.relation || '.' || quote_ident(r.rulename)] END
                FROM pg_rewrite r WHERE r.oid = s.objid)
         WHEN 'pg_policy'::regclass THEN (SELECT ARRAY['member', s.relation || '.' || quote_ident(p.polname)] FROM pg_policy p WHERE p.oid = s.objid)
         WHEN 'pg_trigger'::regclass THEN (SELECT ARRAY['member', s.relation || '.' || quote_ident(g.tgname)] FROM pg_trigger g WHERE g.oid = s.objid)
         WHEN 'pg_statistic_ext'::regclass THEN (SELECT ARRAY['statistics', quote_ident(n.nspname) || '.' || quote_ident(x.stxname)]
                FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace WHERE x.oid = s.objid)
         WHEN 'pg_proc'::regclass THEN (SELECT ARRAY['function', quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')']
                FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = s.objid)
         WHEN 'pg_type'::regclass THEN (SELECT ARRAY['type', quote_ident(n.nspname) || '.' || quote_ident(t.typname)]
                FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = s.objid AND t.typtype IN ('d', 'r'))
         WHEN 'pg_operator'::regclass THEN (SELECT ARRAY['operator', quote_ident(n.nspname) || '.' || o.oprname || '('
                || coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE') || ', ' || coalesce(format_type(nullif(o.oprright, 0), NULL), 'NONE') || ')']
                FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid = s.objid)
         WHEN 'pg_cast'::regclass THEN (SELECT ARRAY['cast', '(' || format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL) || ')']
                FROM pg_cast k WHERE k.oid = s.objid)
         WHEN 'pg_event_trigger'::regclass THEN (SELECT ARRAY['event_trigger', quote_ident(e.evtname)] FROM pg_event_trigger e WHERE e.oid = s.objid)
         WHEN 'pg_publication_rel'::regclass THEN (SELECT ARRAY['publication', quote_ident(p.pubname)]
                FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.oid = s.objid)
         WHEN 'pg_ts_config'::regclass THEN (SELECT ARRAY['text_search', quote_ident(n.nspname) || '.' || quote_ident(t.cfgname)]
                FROM pg_ts_config t JOIN pg_namespace n ON n.oid = t.cfgnamespace WHERE t.oid = s.objid)
       END AS subject,
       CASE WHEN s.extension IS NOT NULL THEN ARRAY['extension', quote_ident(s.extension)] ELSE CASE s.refclassid
         WHEN 'pg_class'::regclass THEN (
              SELECT CASE WHEN s.refobjsubid > 0 THEN ARRAY['column', quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || (
                               SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = s.refobjsubid)]
                          ELSE ARRAY['relation', quote_ident(n.nspname) || '.' || quote_ident(c.relname)] END
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = s.refobjid)
         WHEN 'pg_proc'::regclass THEN (SELECT ARRAY['function', quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')']
                FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = s.refobjid)
         WHEN 'pg_type'::regclass THEN (
              SELECT CASE WHEN c.relkind IN ('r', 'p', 'f', 'v', 'm') THEN ARRAY['relation', quote_ident(n.nspname) || '.' || quote_ident(c.relname)]
                          ELSE ARRAY['type', quote_ident(n.nspname) || '.' || quote_ident(t.typname)] END
                FROM pg_type given
                LEFT JOIN pg_range m ON m.rngmultitypid = given.oid -- since 14
                JOIN pg_type t ON t.oid = CASE WHEN given.typcategory = 'A' THEN given.typelem
                                               WHEN m.rngtypid IS NOT NULL THEN m.rngtypid -- since 14
                                               ELSE given.oid END
                JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
               WHERE given.oid = s.refobjid)
         WHEN 'pg_collation'::regclass THEN (SELECT ARRAY['collation', quote_ident(n.nspname) || '.' || quote_ident(c.collname)]
                FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = s.refobjid)
         WHEN 'pg_operator'::regclass THEN (SELECT ARRAY['operator', quote_ident(n.nspname) || '.' || o.oprname || '('
                || coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE') || ', ' || coalesce(format_type(nullif(o.oprright, 0), NULL), 'NONE') || ')']
                FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid = s.refobjid)
         WHEN 'pg_foreign_server'::regclass THEN (SELECT ARRAY['foreign_server', quote_ident(v.srvname)] FROM pg_foreign_server v WHERE v.oid = s.refobjid)
         WHEN 'pg_ts_config'::regclass THEN (SELECT ARRAY['text_search', quote_ident(n.nspname) || '.' || quote_ident(t.cfgname)]
                FROM pg_ts_config t JOIN pg_namespace n ON n.oid = t.cfgnamespace WHERE t.oid = s.refobjid)
         WHEN 'pg_ts_dict'::regclass THEN (SELECT ARRAY['text_search', quote_ident(n.nspname) || '.' || quote_ident(t.dictname) || ' (dictionary)']
                FROM pg_ts_dict t JOIN pg_namespace n ON n.oid = t.dictnamespace WHERE t.oid = s.refobjid)
         WHEN 'pg_constraint'::regclass THEN (SELECT ARRAY['member', quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(k.conname)]
                FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.oid = s.refobjid)
       END END AS needed
  FROM subjects s
)
SELECT n.subject, array_agg(n.needed ORDER BY n.needed) AS needs
  FROM named n
 WHERE n.subject IS NOT NULL AND n.needed IS NOT NULL AND n.subject <> n.needed
 GROUP BY n.subject
