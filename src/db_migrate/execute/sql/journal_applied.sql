-- For each revision that ran last upwards here, the checksum and text of the script that did it.
SELECT DISTINCT ON (r.revision) r.revision, r.direction, r.checksum, r.script
  FROM db_migrate.revisions r
 ORDER BY r.revision, r.applied_at DESC
