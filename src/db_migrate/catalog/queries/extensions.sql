SELECT 'extension' AS kind, quote_ident(e.extname) AS name, NULL AS parent, 0 AS position,
       'CREATE EXTENSION ' || quote_ident(e.extname) || ' WITH SCHEMA ' || quote_ident(n.nspname) AS definition
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname <> 'plpgsql'
