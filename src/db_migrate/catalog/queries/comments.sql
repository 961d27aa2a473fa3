-- Comments on everything but tables and their columns, where they are an attribute.
--when EXISTS (SELECT FROM pg_description WHERE objoid >= 16384)
WITH described AS MATERIALIZED (
SELECT d.classoid, d.objoid, d.objsubid, d.description,
       CASE d.classoid
         WHEN 'pg_class'::regclass THEN (
              SELECT CASE WHEN d.objsubid > 0 AND c.relkind IN ('v', 'm', 'c') THEN ARRAY[n.nspname, c.relname, (
                               SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = d.objsubid), 'COLUMN']
                          WHEN d.objsubid = 0 AND c.relkind NOT IN ('r', 'p', 'f') THEN ARRAY[n.nspname, c.relname, NULL,
                               CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'c' THEN 'TYPE' ELSE 'INDEX' END] END
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = d.objoid)
         WHEN 'pg_constraint'::regclass THEN (
              SELECT ARRAY[n.nspname, coalesce(c.relname, t.typname), k.conname, CASE WHEN t.oid IS NULL THEN 'CONSTRAINT' ELSE 'DOMAIN CONSTRAINT' END]
                FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
                JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, t.typnamespace) WHERE k.oid = d.objoid)
         WHEN 'pg_trigger'::regclass THEN (SELECT ARRAY[n.nspname, c.relname, g.tgname, 'TRIGGER'] FROM pg_trigger g
                JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE g.oid = d.objoid)
         WHEN 'pg_policy'::regclass THEN (SELECT ARRAY[n.nspname, c.relname, p.polname, 'POLICY'] FROM pg_policy p
                JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.oid = d.objoid)
         WHEN 'pg_rewrite'::regclass THEN (SELECT ARRAY[n.nspname, c.relname, r.rulename, 'RULE'] FROM pg_rewrite r
                JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.oid = d.objoid)
         WHEN 'pg_type'::regclass THEN (SELECT ARRAY[n.nspname, t.typname, NULL, CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END]
                FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = d.objoid)
         WHEN 'pg_statistic_ext'::regclass THEN (SELECT ARRAY[n.nspname, s.stxname, NULL, 'STATISTICS']
                FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.oid = d.objoid)
         WHEN 'pg_collation'::regclass THEN (SELECT ARRAY[n.nspname, c.collname, NULL, 'COLLATION']
                FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = d.objoid)
         WHEN 'pg_namespace'::regclass THEN (SELECT ARRAY[n.nspname, NULL, NULL, 'SCHEMA'] FROM pg_namespace n WHERE n.oid = d.objoid)
       END AS parts,
       CASE d.classoid
         WHEN 'pg_proc'::regclass THEN (
              SELECT ARRAY[quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')',
                           CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END]
                FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = d.objoid)
         WHEN 'pg_operator'::regclass THEN (
              SELECT ARRAY[quote_ident(n.nspname) || '.' || o.oprname || '(' || coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE') || ', '
                           || coalesce(format_type(nullif(o.oprright, 0), NULL), 'NONE') || ')', 'OPERATOR']
                FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid = d.objoid)
         WHEN 'pg_cast'::regclass THEN (
              SELECT ARRAY['(' || format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL) || ')', 'CAST'] FROM pg_cast k WHERE k.oid = d.objoid)
       END AS whole
  FROM pg_description d
 WHERE d.objoid >= 16384 AND d.classoid NOT IN ('pg_largeobject'::regclass, 'pg_extension'::regclass)
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')
), named AS (
SELECT d.description,
       CASE WHEN d.parts[3] IS NOT NULL THEN quote_ident(d.parts[1]) || '.' || quote_ident(d.parts[2])
            WHEN d.parts[4] = 'INDEX' THEN (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_index x
                   JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE x.indexrelid = d.objoid) END AS relation,
       CASE WHEN d.parts IS NOT NULL THEN
                 concat_ws('.', quote_ident(d.parts[1]), quote_ident(d.parts[2]), quote_ident(d.parts[3]))
            WHEN d.whole IS NOT NULL THEN d.whole[1] ELSE i.identity || CASE i.type WHEN 'text search dictionary' THEN ' (dictionary)' ELSE '' END END AS name,
       CASE WHEN d.parts[4] IN ('CONSTRAINT', 'DOMAIN CONSTRAINT', 'TRIGGER', 'POLICY', 'RULE') THEN
                 regexp_replace(d.parts[4], 'DOMAIN ', '') || ' ' || quote_ident(d.parts[3]) || ' ON ' || CASE d.parts[4] WHEN 'DOMAIN CONSTRAINT' THEN 'DOMAIN ' ELSE '' END
                   || quote_ident(d.parts[1]) || '.' || quote_ident(d.parts[2])
            WHEN d.parts IS NOT NULL THEN
                 d.parts[4] || ' ' || concat_ws('.', quote_ident(d.parts[1]), quote_ident(d.parts[2]), quote_ident(d.parts[3]))
            WHEN d.whole IS NOT NULL THEN d.whole[2] || ' ' || d.whole[1]
            ELSE CASE i.type WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER'
                             WHEN 'text search configuration' THEN 'TEXT SEARCH CONFIGURATION' ELSE upper(i.type) END || ' ' || i.identity END AS target
  FROM described d
  CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
 WHERE NOT (d.classoid = 'pg_class'::regclass AND d.parts IS NULL)
   AND coalesce(d.parts[1], i.schema, '') NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND coalesce(d.parts[1], i.schema, '') !~ '^pg_(toast|temp_)'
)
SELECT 'comment' AS kind, n.name, n.relation AS parent, 0 AS position,
       'COMMENT ON ' || n.target || ' IS ' || quote_literal(n.description) AS definition
  FROM named n
