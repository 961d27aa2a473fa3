-- What runs did of revisions that they did not end: every statement since the revision last ran to its end.
SELECT s.revision, s.direction, s.sql, s.state, s.run::text, s.step
  FROM db_migrate.steps s
 WHERE s.revision <> '' AND s.started_at > coalesce((SELECT max(r.applied_at) FROM db_migrate.revisions r WHERE r.revision = s.revision), '-infinity')
 ORDER BY s.started_at
