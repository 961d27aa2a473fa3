-- What PostgreSQL lets stand though it does not do its work: code, object, the object's table, name.
WITH ours AS (
    SELECT n.oid FROM pg_namespace n
     WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'db_migrate', 'db_migrate_kept')
)
SELECT CASE WHEN EXISTS (SELECT FROM pg_stat_progress_create_index p
                           JOIN pg_locks l ON l.pid = p.pid AND l.locktype = 'relation' AND l.relation = i.indrelid)
            THEN 'index.building' ELSE 'index.invalid' END, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       quote_ident(tn.nspname) || '.' || quote_ident(t.relname), quote_ident(c.relname)
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
 WHERE NOT (i.indisvalid AND i.indisready) AND (n.oid IN (SELECT oid FROM ours) OR n.nspname = 'pg_toast')
UNION ALL
SELECT 'constraint.not-validated',
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(k.conname),
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(k.conname)
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT k.convalidated AND k.conparentid = 0 AND n.oid IN (SELECT oid FROM ours)
UNION ALL
SELECT CASE WHEN g.tgisinternal THEN 'foreign-key.disabled' ELSE 'trigger.disabled' END,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(coalesce(k.conname, g.tgname)),
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(coalesce(k.conname, g.tgname))
  FROM pg_trigger g
  JOIN pg_class c ON c.oid = g.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint k ON k.oid = g.tgconstraint AND g.tgisinternal
 WHERE g.tgenabled = 'D' AND n.oid IN (SELECT oid FROM ours)
 GROUP BY 1, 2, 3, 4
 ORDER BY 1, 2
