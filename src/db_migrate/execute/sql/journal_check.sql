-- The entries at which the chain is broken: changed, or with others missing before them.
SELECT c.number
  FROM (SELECT e.*, lag(e.hash) OVER w AS previous, lag(e.number, 1, 0::bigint) OVER w AS before
          FROM db_migrate.entries e WINDOW w AS (ORDER BY e.number)) AS c
 WHERE c.number <> c.before + 1
    OR c.hash <> db_migrate.entry_hash(c.previous, c.number, c.run, c.kind, c.at, c.content)
 ORDER BY c.number
