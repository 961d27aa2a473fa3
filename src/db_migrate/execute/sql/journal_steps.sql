-- What runs did of revisions that they did not end: every statement since the revision last ran to its end.
SELECT s.revision, s.direction, s.sql, s.state, s.run::text, s.step
  FROM db_migrate.steps s
  JOIN db_migrate.entries o ON o.run = s.run AND o.kind = 'run_opened'
 WHERE s.revision <> '' AND %(schema)s IN ('', o.content ->> 'schema')
   AND s.started_at > coalesce((
       SELECT max(r.applied_at) FROM db_migrate.revisions r
         JOIN db_migrate.entries d ON d.run = r.run AND d.kind = 'run_opened'
        WHERE r.revision = s.revision AND d.content ->> 'schema' IS NOT DISTINCT FROM o.content ->> 'schema'), '-infinity')
 ORDER BY s.started_at
