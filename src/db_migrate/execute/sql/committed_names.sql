-- The committed name and kind of relations; what is not there does not exist for anybody but an open transaction.
SELECT c.oid::bigint, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text, n.nspname LIKE 'pg\_%%'
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%(oids)s::oid[])
