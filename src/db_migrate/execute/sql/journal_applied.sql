-- For each revision that ran last upwards here, the checksum and text of the script that did it.
SELECT DISTINCT ON (r.revision) r.revision, r.direction, r.checksum, r.script
  FROM db_migrate.revisions r
  JOIN db_migrate.entries o ON o.run = r.run AND o.kind = 'run_opened'
 WHERE %(schema)s IN ('', o.content ->> 'schema')
 ORDER BY r.revision, r.applied_at DESC
