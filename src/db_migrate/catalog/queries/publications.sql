-- Publications with what they publish.
--when EXISTS (SELECT FROM pg_publication)
SELECT 'publication' AS kind, quote_ident(p.pubname) AS name, NULL AS parent, 0 AS position,
       'CREATE PUBLICATION ' || quote_ident(p.pubname)
         || CASE WHEN p.puballtables THEN ' FOR ALL TABLES'
            ELSE coalesce(' FOR ' || nullif(concat_ws(', ',
              (SELECT 'TABLE ' || string_agg(quote_ident(n.nspname) || '.' || quote_ident(c.relname)
                 || coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a -- since 15
                                       WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs)) || ')', '') -- since 15
                 || coalesce(' WHERE ' || pg_get_expr(r.prqual, r.prrelid), ''), -- since 15
                 --until 14: || '',
                 ', ' ORDER BY n.nspname, c.relname)
                 FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE r.prpubid = p.oid)
              , (SELECT 'TABLES IN SCHEMA ' || string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname) -- since 15
                   FROM pg_publication_namespace pn JOIN pg_namespace n ON n.oid = pn.pnnspid WHERE pn.pnpubid = p.oid) -- since 15
              ), ''), '') END
         || ' WITH (publish = ' || quote_literal(concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                                                          CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END))
         || CASE WHEN p.pubviaroot THEN ', publish_via_partition_root = true' ELSE '' END -- since 13
         || CASE p.pubgencols WHEN 's' THEN ', publish_generated_columns = stored' ELSE '' END -- since 18
         || ')' AS definition
  FROM pg_publication p
