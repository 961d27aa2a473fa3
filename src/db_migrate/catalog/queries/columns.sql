-- Columns of tables; of a partition only those that differ from the parent's column of the same name. Parked ones are
-- kept data, and no part of the schema.
--when EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
WITH relations AS MATERIALIZED (
SELECT c.oid, c.relispartition, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND c.oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e')
), identities AS MATERIALIZED (
SELECT own.refobjid AS relid, own.refobjsubid AS attnum,
       ' (' || nullif(concat_ws(' ',
         CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END THEN 'START WITH ' || s.seqstart END,
         CASE WHEN s.seqincrement <> 1 THEN 'INCREMENT BY ' || s.seqincrement END,
         CASE WHEN s.seqmin <> CASE WHEN s.seqincrement > 0 THEN 1
                                    ELSE CASE a.atttypid WHEN 'int2'::regtype THEN -32768 WHEN 'int4'::regtype THEN -2147483648
                                                         ELSE -9223372036854775808 END END THEN 'MINVALUE ' || s.seqmin END,
         CASE WHEN s.seqmax <> CASE WHEN s.seqincrement < 0 THEN -1
                                    ELSE CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                                                         ELSE 9223372036854775807 END END THEN 'MAXVALUE ' || s.seqmax END,
         CASE WHEN s.seqcache <> 1 THEN 'CACHE ' || s.seqcache END,
         CASE WHEN s.seqcycle THEN 'CYCLE' END), '') || ')' AS options
  FROM pg_depend own
  JOIN pg_sequence s ON s.seqrelid = own.objid
  JOIN pg_attribute a ON a.attrelid = own.refobjid AND a.attnum = own.refobjsubid -- LIKE gives the sequence another type
 WHERE own.classid = 'pg_class'::regclass AND own.refclassid = 'pg_class'::regclass AND own.refobjsubid > 0 AND own.deptype = 'i'
), required AS MATERIALIZED (
SELECT k.conrelid AS relid, k.conkey[1] AS attnum, k.conname AS name FROM pg_constraint k WHERE k.contype = 'n' -- since 18
--until 17: SELECT NULL::oid AS relid, NULL::int2 AS attnum, NULL::name AS name WHERE false
), listed AS MATERIALIZED (
SELECT c.oid AS relid, a.attnum, c.relispartition, a.attname, c.name AS relation,
       row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)::int AS position,
       coalesce(quote_ident(q.name), '') AS not_null_name,
       format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0 THEN (
            SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
              FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END AS collation,
       CASE WHEN a.attgenerated = '' THEN pg_get_expr(f.adbin, f.adrelid) END AS "default",
       NOT a.attnotnull AS nullable,
       CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END || coalesce(i.options, '') AS identity,
       CASE a.attgenerated WHEN 's' THEN 'STORED ' WHEN 'v' THEN 'VIRTUAL ' END || '(' || pg_get_expr(f.adbin, f.adrelid) || ')' AS generated,
       d.description AS comment,
       CASE WHEN a.attstorage <> t.typstorage THEN
            CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' WHEN 'x' THEN 'EXTENDED' END END AS storage,
       CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression, -- since 14
       --until 13: NULL AS compression,
       nullif(a.attstattarget, -1)::int AS statistics,
       CASE WHEN a.attoptions IS NOT NULL THEN (SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) o) END AS storage_parameters,
       CASE WHEN a.attfdwoptions IS NOT NULL THEN (
            SELECT string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ' ORDER BY option_name)
              FROM pg_options_to_table(a.attfdwoptions)) END AS options,
       CASE WHEN NOT a.attislocal AND NOT c.relispartition THEN true END AS inherited
  FROM relations c
  JOIN pg_attribute a ON a.attrelid = c.oid
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum AND a.atthasdef
  LEFT JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
  LEFT JOIN required q ON q.relid = a.attrelid AND q.attnum = a.attnum
  LEFT JOIN identities i ON i.relid = a.attrelid AND i.attnum = a.attnum AND a.attidentity <> ''
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname !~ '^db_migrate_kept_'
)
SELECT 'column' AS kind, l.relation || '.' || quote_ident(l.attname) AS name, l.relation AS parent, l.position, l.not_null_name AS definition,
       l.type, l.collation, l."default", l.nullable, l.identity, l.generated, l.comment, l.storage, l.compression, l.statistics,
       l.storage_parameters, l.options, l.inherited
  FROM listed l
 WHERE NOT l.relispartition
    OR EXISTS (SELECT FROM pg_inherits h JOIN listed p ON p.relid = h.inhparent AND p.attname = l.attname
                WHERE h.inhrelid = l.relid
                  AND (p."default", p.nullable, p.generated, p.comment, p.storage, p.compression, p.statistics, p.storage_parameters)
                      IS DISTINCT FROM
                      (l."default", l.nullable, l.generated, l.comment, l.storage, l.compression, l.statistics, l.storage_parameters))
