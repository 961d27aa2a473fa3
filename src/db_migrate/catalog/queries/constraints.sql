-- Constraints of tables. Those that a partition or an inheriting table has from its parent are the parent's.
--when EXISTS (SELECT FROM pg_constraint WHERE oid >= 16384)
SELECT CASE k.contype WHEN 'p' THEN 'primary_key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign_key' WHEN 'c' THEN 'check'
                      WHEN 'x' THEN 'exclusion' WHEN 'n' THEN 'not_null' END AS kind,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(k.conname) AS name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS parent, 0 AS position,
       pg_get_constraintdef(k.oid) AS definition,
       CASE WHEN k.contype IN ('p', 'u', 'f', 'n') THEN (
            SELECT array_agg(quote_ident(a.attname)
                             || CASE WHEN k.conperiod AND u.place = cardinality(k.conkey) -- since 18
                                     THEN CASE k.contype WHEN 'f' THEN ' PERIOD' ELSE ' WITHOUT OVERLAPS' END ELSE '' END -- since 18
                             ORDER BY u.place)
              FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum)
            WHEN k.contype = 'x' THEN (
            SELECT array_agg(pg_get_indexdef(k.conindid, o.place::int, true)
                             || CASE WHEN NOT oc.opcdefault THEN ' ' || quote_ident(oc.opcname) ELSE '' END
                             || CASE i.indoption[o.place - 1] WHEN 1 THEN ' DESC NULLS LAST' WHEN 2 THEN ' NULLS FIRST' WHEN 3 THEN ' DESC' ELSE '' END
                             || ' WITH ' || CASE WHEN opn.nspname = 'pg_catalog' THEN op.oprname::text
                                                  ELSE 'OPERATOR(' || quote_ident(opn.nspname) || '.' || op.oprname || ')' END ORDER BY o.place)
              FROM unnest(k.conexclop) WITH ORDINALITY AS o (op, place)
              JOIN pg_operator op ON op.oid = o.op JOIN pg_namespace opn ON opn.oid = op.oprnamespace
              JOIN pg_opclass oc ON oc.oid = i.indclass[o.place - 1]) END AS columns,
       CASE WHEN k.contype = 'c' THEN pg_get_expr(k.conbin, k.conrelid) END AS expression,
       CASE WHEN k.contype = 'f' THEN quote_ident(rn.nspname) || '.' || quote_ident(r.relname) || '(' || (
            SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.place)
              FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) || ')' END AS referenced,
       CASE WHEN k.contype = 'f' THEN
            CASE k.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END
            || coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) -- since 15
                                   FROM unnest(k.confdelsetcols) WITH ORDINALITY AS u (attnum, place) -- since 15
                                   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) || ')', '') -- since 15
       END AS on_delete,
       CASE WHEN k.contype = 'f' THEN
            CASE k.confupdtype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END
       END AS on_update,
       CASE WHEN k.contype = 'f' THEN CASE k.confmatchtype WHEN 's' THEN 'SIMPLE' WHEN 'f' THEN 'FULL' ELSE 'PARTIAL' END END AS match,
       CASE WHEN k.contype IN ('p', 'u', 'f', 'x') THEN
            CASE WHEN k.condeferred THEN 'INITIALLY DEFERRED' WHEN k.condeferrable THEN 'DEFERRABLE' END END AS deferrable,
       CASE WHEN k.contype IN ('c', 'f', 'n') THEN k.convalidated END AS validated,
       CASE WHEN k.contype IN ('c', 'f') THEN k.conenforced END AS enforced, -- since 18
       --until 17: CASE WHEN k.contype IN ('c', 'f') THEN true END AS enforced,
       CASE WHEN k.contype IN ('c', 'n') THEN k.connoinherit END AS no_inherit,
       CASE WHEN k.contype IN ('p', 'u', 'x') AND i.indnatts > i.indnkeyatts THEN (
            SELECT array_agg(quote_ident(a.attname) ORDER BY place)
              FROM generate_series(i.indnkeyatts, i.indnatts - 1) AS place
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = i.indkey[place]) END AS include,
       CASE WHEN k.contype = 'u' THEN i.indnullsnotdistinct END AS nulls_not_distinct, -- since 15
       --until 14: CASE WHEN k.contype = 'u' THEN false END AS nulls_not_distinct,
       CASE WHEN k.contype = 'x' THEN am.amname END AS method,
       CASE WHEN k.contype = 'x' THEN pg_get_expr(i.indpred, i.indrelid) END AS predicate,
       CASE WHEN k.contype IN ('p', 'u', 'x') THEN (SELECT array_agg(o ORDER BY o) FROM unnest(ic.reloptions) o) END AS storage_parameters,
       CASE WHEN k.contype IN ('p', 'u', 'x') THEN (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = ic.reltablespace) END AS tablespace
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class r ON r.oid = k.confrelid
  LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
  LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_class ic ON ic.oid = i.indexrelid
  LEFT JOIN pg_am am ON am.oid = ic.relam
 WHERE k.conparentid = 0 AND k.contype IN ('p', 'u', 'f', 'c', 'x', 'n')
   AND (k.conislocal OR k.coninhcount = 0)
   AND NOT (c.relispartition AND k.coninhcount > 0)
   AND (k.contype <> 'n' OR NOT k.convalidated OR k.connoinherit OR k.conname !~ '_not_null[0-9]*$')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
