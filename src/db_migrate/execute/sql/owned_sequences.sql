-- Ascending sequences that fill a column, where an index tells the column's maximum at once.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(a.attname),
       quote_ident(sn.nspname) || '.' || quote_ident(s.relname)
  FROM pg_sequence q
  JOIN pg_class s ON s.oid = q.seqrelid
  JOIN pg_namespace sn ON sn.oid = s.relnamespace
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
  JOIN pg_class c ON c.oid = d.refobjid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
 WHERE q.seqincrement > 0 AND NOT q.seqcycle AND n.nspname NOT IN ('db_migrate', 'db_migrate_kept')
   AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
   AND has_column_privilege(c.oid, a.attnum, 'SELECT') AND has_sequence_privilege(q.seqrelid, 'SELECT')
   AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL)
   AND c.relkind = 'r' AND NOT c.relrowsecurity
 ORDER BY 1, 2
