-- Ordinary, partitioned and foreign tables, and partitions with their place in the parent.
--when EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
SELECT CASE WHEN c.relispartition THEN 'partition' WHEN c.relkind = 'f' THEN 'foreign_table' ELSE 'table' END AS kind,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, NULL AS parent, 0 AS position, '' AS definition,
       CASE c.relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END AS persistence,
       (SELECT array_agg(o ORDER BY o)
          FROM (SELECT unnest(c.reloptions) UNION ALL SELECT 'toast.' || unnest(t.reloptions)) AS options (o)) AS storage_parameters,
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
       CASE WHEN c.relispartition THEN inherited.parents[1] END AS partition_of,
       CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS partition_bound,
       CASE WHEN NOT c.relispartition THEN inherited.parents END AS inherits,
       CASE WHEN c.relforcerowsecurity AND c.relrowsecurity THEN 'forced'
            WHEN c.relforcerowsecurity THEN 'forced when enabled'
            WHEN c.relrowsecurity THEN 'enabled' END AS row_security,
       CASE WHEN c.relkind = 'f' THEN NULL WHEN c.relreplident = 'f' THEN 'FULL' WHEN c.relreplident = 'n' THEN 'NOTHING'
            WHEN c.relreplident = 'i' THEN (SELECT 'USING INDEX ' || quote_ident(ic.relname)
                             FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
                            WHERE i.indrelid = c.oid AND i.indisreplident) END AS replica_identity,
       (SELECT quote_ident(ic.relname) FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
         WHERE i.indrelid = c.oid AND i.indisclustered) AS cluster_on,
       (SELECT quote_ident(s.spcname) FROM pg_tablespace s WHERE s.oid = c.reltablespace) AS tablespace,
       (SELECT quote_ident(a.amname) FROM pg_am a WHERE a.oid = c.relam AND a.amname <> 'heap') AS access_method,
       CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS of_type,
       (SELECT quote_ident(s.srvname) || coalesce(' OPTIONS (' || (
                 SELECT string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ' ORDER BY option_name)
                   FROM pg_options_to_table(f.ftoptions)) || ')', '')
          FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) AS server,
       d.description AS comment
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
  LEFT JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
  LEFT JOIN LATERAL (
       SELECT array_agg(quote_ident(pn.nspname) || '.' || quote_ident(p.relname) ORDER BY h.inhseqno) AS parents
         FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
        WHERE h.inhrelid = c.oid) AS inherited ON true
 WHERE c.relkind IN ('r', 'p', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND n.nspname !~ '^pg_(toast|temp_)'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
