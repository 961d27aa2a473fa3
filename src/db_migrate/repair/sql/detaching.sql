-- Partitions whose DETACH PARTITION CONCURRENTLY did not finish: the partition, its parent. (Since PostgreSQL 14.)
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(pn.nspname) || '.' || quote_ident(p.relname)
  FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class p ON p.oid = i.inhparent
  JOIN pg_namespace pn ON pn.oid = p.relnamespace
 WHERE i.inhdetachpending
 ORDER BY 1
