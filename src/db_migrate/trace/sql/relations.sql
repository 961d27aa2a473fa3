-- Relations that users made: name, kind, storage and tablespace, and for an index its table. Nothing temporary.
SELECT coalesce(json_agg(json_build_array(
           c.oid::bigint, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind, pg_relation_filenode(c.oid)::bigint,
           c.reltablespace::bigint, i.indrelid::bigint, coalesce(i.indisvalid, true), c.reltuples >= 0)), '[]')::text
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indexrelid = c.oid
 WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'i', 'I', 'v', 'm', 'S', 'c')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'db_migrate_scratch')
   AND n.nspname !~ '^pg_(toast|temp_)'
