-- Indexes that no constraint owns. An index of a partition that is attached to the parent's index is the parent's.
--when EXISTS (SELECT FROM pg_index WHERE indexrelid >= 16384)
WITH listed AS MATERIALIZED (
SELECT i.indexrelid, i.indrelid, i.indisunique, i.indisvalid AND i.indisready AS valid, i.indnkeyatts, i.indnatts,
       i.indkey, i.indclass, i.indcollation, i.indoption, i.indpred IS NOT NULL AS partial,
       i.indnullsnotdistinct AS nulls_not_distinct, -- since 15
       --until 14: false AS nulls_not_distinct,
       quote_ident(n.nspname) || '.' || quote_ident(ic.relname) AS name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS relation,
       am.amname, ic.reloptions, ic.reltablespace
  FROM pg_index i
  JOIN pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_class c ON c.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_am am ON am.oid = ic.relam
 WHERE c.relkind IN ('r', 'p', 'm')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)' AND ic.relname !~ '^db_migrate_kept_'
   AND i.indexrelid NOT IN (SELECT k.conindid FROM pg_constraint k WHERE k.contype IN ('p', 'u', 'x'))
   AND i.indexrelid NOT IN (SELECT h.inhrelid FROM pg_inherits h)
   AND c.oid NOT IN (SELECT x.objid FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.deptype = 'e')
), keys AS MATERIALIZED (
SELECT l.indexrelid,
       array_agg(CASE WHEN u.attnum = 0 THEN '<expression>' ELSE quote_ident(a.attname) END ORDER BY u.place)
         FILTER (WHERE u.place <= l.indnkeyatts) AS columns,
       array_agg(quote_ident(a.attname) ORDER BY u.place) FILTER (WHERE u.place > l.indnkeyatts) AS include,
       array_agg(CASE WHEN u.attnum = 0 THEN pg_get_indexdef(l.indexrelid, u.place::int, false) END ORDER BY u.place)
         FILTER (WHERE u.attnum = 0) AS expression,
       array_agg(CASE WHEN oc.opcdefault AND ia.attoptions IS NULL THEN ''
                      ELSE quote_ident(ocn.nspname) || '.' || quote_ident(oc.opcname)
                           || coalesce(' (' || array_to_string(ia.attoptions, ', ') || ')', '') END ORDER BY u.place)
         FILTER (WHERE u.place <= l.indnkeyatts) AS opclass,
       bool_or(NOT oc.opcdefault OR ia.attoptions IS NOT NULL) AS has_opclass,
       array_agg(CASE u.option WHEN 0 THEN 'ASC' WHEN 1 THEN 'DESC NULLS LAST' WHEN 2 THEN 'ASC NULLS FIRST' ELSE 'DESC' END ORDER BY u.place)
         FILTER (WHERE u.place <= l.indnkeyatts) AS sort,
       bool_or(u.option <> 0) AS has_sort,
       array_agg(CASE WHEN own.differs THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                                                 FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
                                                WHERE co.oid = u.coll) ELSE '' END ORDER BY u.place)
         FILTER (WHERE u.place <= l.indnkeyatts) AS collation,
       bool_or(own.differs) AS has_collation,
       array_agg(u.place || ' ' || ia.attstattarget ORDER BY u.place) FILTER (WHERE ia.attstattarget >= 0) AS statistics
  FROM listed l
  CROSS JOIN LATERAL unnest(l.indkey::int2[], l.indclass::oid[], l.indcollation::oid[], l.indoption::int2[])
       WITH ORDINALITY AS u (attnum, class, coll, option, place)
  JOIN pg_attribute ia ON ia.attrelid = l.indexrelid AND ia.attnum = u.place
  LEFT JOIN pg_attribute a ON a.attrelid = l.indrelid AND a.attnum = u.attnum AND u.attnum <> 0
  LEFT JOIN pg_opclass oc ON oc.oid = u.class
  LEFT JOIN pg_namespace ocn ON ocn.oid = oc.opcnamespace
  CROSS JOIN LATERAL (SELECT u.coll <> 0 AND u.coll <> CASE WHEN u.attnum = 0 THEN 100 /* default */ ELSE a.attcollation END) AS own (differs)
 GROUP BY l.indexrelid
)
SELECT 'index' AS kind, l.name, l.relation AS parent, 0 AS position, pg_get_indexdef(l.indexrelid) AS definition,
       l.indisunique AS "unique", l.amname AS method, k.columns, k.expression,
       CASE WHEN l.partial THEN pg_get_expr(i.indpred, i.indrelid) END AS predicate,
       CASE WHEN k.has_opclass THEN k.opclass END AS opclass, CASE WHEN k.has_sort THEN k.sort END AS "order",
       CASE WHEN k.has_collation THEN k.collation END AS collation, k.include, l.nulls_not_distinct, l.valid,
       CASE WHEN l.reloptions IS NOT NULL THEN (SELECT array_agg(o ORDER BY o) FROM unnest(l.reloptions) o) END AS storage_parameters,
       CASE WHEN l.reltablespace <> 0 THEN (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = l.reltablespace) END AS tablespace,
       k.statistics
  FROM listed l
  JOIN keys k ON k.indexrelid = l.indexrelid
  JOIN pg_index i ON i.indexrelid = l.indexrelid
