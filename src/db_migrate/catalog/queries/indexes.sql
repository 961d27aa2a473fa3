-- Indexes that no constraint owns. An index of a partition that is attached to the parent's index is the parent's.
SELECT 'index' AS kind,
       quote_ident(n.nspname) || '.' || quote_ident(ic.relname) AS name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS parent, 0 AS position,
       pg_get_indexdef(i.indexrelid) AS definition,
       i.indisunique AS "unique", am.amname AS method, key.columns, nullif(key.expression, '{}') AS expression,
       pg_get_expr(i.indpred, i.indrelid) AS predicate,
       CASE WHEN key.opclass <> array_fill(''::text, ARRAY[i.indnkeyatts::int]) THEN key.opclass END AS opclass,
       CASE WHEN key.sort <> array_fill('ASC'::text, ARRAY[i.indnkeyatts::int]) THEN key.sort END AS "order",
       CASE WHEN key.collation <> array_fill(''::text, ARRAY[i.indnkeyatts::int]) THEN key.collation END AS collation,
       (SELECT array_agg(quote_ident(a.attname) ORDER BY place)
          FROM generate_series(i.indnkeyatts, i.indnatts - 1) AS place
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]) AS include,
       i.indnullsnotdistinct AS nulls_not_distinct, -- since 15
       --until 14: false AS nulls_not_distinct,
       i.indisvalid AND i.indisready AS valid,
       (SELECT array_agg(o ORDER BY o) FROM unnest(ic.reloptions) o) AS storage_parameters,
       (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = ic.reltablespace) AS tablespace,
       (SELECT array_agg(quote_ident(pg_get_indexdef(i.indexrelid, sa.attnum, true)) || ' ' || sa.attstattarget ORDER BY sa.attnum)
          FROM pg_attribute sa WHERE sa.attrelid = i.indexrelid AND sa.attstattarget >= 0) AS statistics
  FROM pg_index i
  JOIN pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_class c ON c.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_am am ON am.oid = ic.relam
  CROSS JOIN LATERAL (
       SELECT array_agg(CASE WHEN i.indkey[place] <> 0 THEN quote_ident(a.attname) ELSE '<expression>' END ORDER BY place) AS columns,
              array_agg(pg_get_indexdef(i.indexrelid, place + 1, false) ORDER BY place) FILTER (WHERE i.indkey[place] = 0) AS expression,
              array_agg(CASE WHEN oc.opcdefault AND ia.attoptions IS NULL THEN ''
                             ELSE quote_ident(on_.nspname) || '.' || quote_ident(oc.opcname)
                                  || coalesce(' (' || array_to_string(ia.attoptions, ', ') || ')', '') END ORDER BY place) AS opclass,
              array_agg(CASE i.indoption[place] & 3 WHEN 0 THEN 'ASC' WHEN 1 THEN 'DESC NULLS LAST' WHEN 2 THEN 'ASC NULLS FIRST' ELSE 'DESC' END
                        ORDER BY place) AS sort,
              array_agg(CASE WHEN i.indcollation[place] = 0 OR i.indcollation[place] = coalesce(a.attcollation, ia.attcollation) AND i.indkey[place] <> 0
                                  OR i.indkey[place] = 0 AND i.indcollation[place] = 'default'::regcollation THEN ''
                             ELSE (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                                     FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
                                    WHERE co.oid = i.indcollation[place]) END ORDER BY place) AS collation
         FROM generate_series(0, i.indnkeyatts - 1) AS place
         JOIN pg_opclass oc ON oc.oid = i.indclass[place]
         JOIN pg_namespace on_ ON on_.oid = oc.opcnamespace
         JOIN pg_attribute ia ON ia.attrelid = i.indexrelid AND ia.attnum = place + 1
         LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place] AND i.indkey[place] <> 0) AS key
 WHERE c.relkind IN ('r', 'p', 'm')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
   AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
