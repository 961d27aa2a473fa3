-- Comments on everything but tables and columns, where they are an attribute.
SELECT 'comment' AS kind, about.name, NULL AS parent, 0 AS position,
       string_agg('COMMENT ON ' || about.target || ' IS ' || quote_literal(about.description), E';\n' ORDER BY about.target) AS definition
  FROM (
SELECT CASE WHEN i.identity ~ ' on ' AND i.type IN ('table constraint', 'trigger', 'policy', 'rule')
            THEN substring(i.identity FROM ' on (.*)$') || '.' || substring(i.identity FROM '^(.*) on ')
            ELSE i.identity END AS name,
       CASE i.type WHEN 'table constraint' THEN 'CONSTRAINT ' || replace(i.identity, ' on ', ' ON ')
                   WHEN 'domain constraint' THEN 'CONSTRAINT ' || replace(i.identity, ' on ', ' ON DOMAIN ')
                   WHEN 'statistics object' THEN 'STATISTICS ' || i.identity
                   WHEN 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER ' || i.identity
                   ELSE upper(i.type) || ' ' || CASE WHEN i.type IN ('trigger', 'policy', 'rule') THEN replace(i.identity, ' on ', ' ON ') ELSE i.identity END
       END AS target,
       d.description
  FROM pg_description d
  CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
 WHERE d.objoid >= 16384 AND d.objsubid = 0
   AND d.classoid <> 'pg_largeobject'::regclass
   AND NOT (d.classoid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objoid AND c.relkind IN ('r', 'p', 'f')))
   AND coalesce(i.schema, '') NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND i.identity NOT IN ('db_migrate', 'db_migrate_kept')
   AND i.type <> 'extension'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')
UNION ALL
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname),
       'COLUMN ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname), d.description
  FROM pg_description d
  JOIN pg_class c ON c.oid = d.objoid AND c.relkind IN ('v', 'm', 'c')
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
 WHERE d.classoid = 'pg_class'::regclass AND d.objsubid > 0
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept')
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
       ) AS about
 GROUP BY about.name
