-- Sequences, but for those of identity columns, which belong to their column. An owned sequence is logged as its table is.
--when EXISTS (SELECT FROM pg_sequence WHERE seqrelid >= 16384)
SELECT 'sequence' AS kind,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, NULL AS parent, 0 AS position, '' AS definition,
       format_type(s.seqtypid, NULL) AS type, s.seqincrement::text AS increment, s.seqmin::text AS min, s.seqmax::text AS max,
       s.seqstart::text AS start, s.seqcycle AS cycle, s.seqcache::text AS cache,
       CASE WHEN owner.attribute IS NULL THEN CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'permanent' END END AS persistence,
       owner.attribute AS owned_by
  FROM pg_class c
  JOIN pg_sequence s ON s.seqrelid = c.oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
       SELECT quote_ident(tn.nspname) || '.' || quote_ident(t.relname) || '.' || quote_ident(a.attname) AS attribute
         FROM pg_depend o JOIN pg_class t ON t.oid = o.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
         JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
        WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refclassid = 'pg_class'::regclass AND o.deptype = 'a') AS owner ON true
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype IN ('e', 'i'))
