-- The derived downgrades that runs began, of revisions that have not run to their end since, in either direction.
SELECT DISTINCT ON (n.content ->> 'revision') n.content ->> 'revision', n.content ->> 'script'
  FROM db_migrate.entries n
  JOIN db_migrate.entries o ON o.run = n.run AND o.kind = 'run_opened'
 WHERE n.kind = 'note' AND n.content ? 'derived' AND %(schema)s IN ('', o.content ->> 'schema')
   AND NOT EXISTS (
       SELECT FROM db_migrate.entries d
         JOIN db_migrate.entries b ON b.run = d.run AND b.kind = 'run_opened'
        WHERE d.kind = 'revision_done' AND d.number > n.number
          AND d.content ->> 'revision' = n.content ->> 'revision'
          AND b.content ->> 'schema' IS NOT DISTINCT FROM o.content ->> 'schema')
 ORDER BY n.content ->> 'revision', n.number DESC
