-- The tables whose rows a write to these tables may change by ON DELETE and ON UPDATE actions, however far.
WITH RECURSIVE reached (oid) AS (
    SELECT to_regclass(name)::oid FROM unnest(%(relations)s::text[]) AS name
    UNION
    SELECT f.conrelid FROM reached r JOIN pg_constraint f ON f.confrelid = r.oid AND f.contype = 'f'
     WHERE f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd')
)
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  FROM reached r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace
