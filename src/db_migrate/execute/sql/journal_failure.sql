-- The statement that the server refused when the revision was last run forwards, unless it has run to its end since.
SELECT s.sql, s.error
  FROM db_migrate.steps s
  JOIN db_migrate.entries o ON o.run = s.run AND o.kind = 'run_opened'
  JOIN db_migrate.entries c ON c.run = s.run AND c.kind = 'run_closed'
 WHERE s.revision = %(revision)s AND s.direction = 'upgrade' AND s.error <> ''
   AND c.content ->> 'error' = %(said)s
   AND %(schema)s IN ('', o.content ->> 'schema')
   AND s.started_at > coalesce((
       SELECT max(r.applied_at) FROM db_migrate.revisions r
         JOIN db_migrate.entries d ON d.run = r.run AND d.kind = 'run_opened'
        WHERE r.revision = s.revision AND d.content ->> 'schema' IS NOT DISTINCT FROM o.content ->> 'schema'), '-infinity')
 ORDER BY s.started_at DESC
 LIMIT 1
