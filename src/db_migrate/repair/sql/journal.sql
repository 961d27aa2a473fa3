-- Whether the role may read and write the journal (NULL where there is none), and whether it may make one.
SELECT (SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT, INSERT')
          FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'entries'
         WHERE n.nspname = 'db_migrate'),
       has_database_privilege(current_database(), 'CREATE')
