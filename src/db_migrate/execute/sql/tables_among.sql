-- Those of these relations that are tables with rows of their own, and partitions' parents; ours are left out. The
-- version table stays, so that what is restored is a revision's whole state.
SELECT n.nspname, c.relname
  FROM unnest(%(relations)s::text[]) AS w (name)
  JOIN pg_class c ON c.oid = to_regclass(w.name)::oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%%'
   AND n.nspname NOT IN ('information_schema', 'db_migrate', 'db_migrate_kept')
 ORDER BY 1, 2
