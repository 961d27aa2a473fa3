-- Add one entry to the end of the chain. Who has the lock between runners is the only writer.
INSERT INTO db_migrate.entries (number, run, kind, at, content, hash)
SELECT n.number, n.run, n.kind, n.at, n.content, db_migrate.entry_hash(n.previous, n.number, n.run, n.kind, n.at, n.content)
  FROM (SELECT coalesce(l.number, 0) + 1 AS number, %(run)s::uuid AS run, %(kind)s::text AS kind,
               clock_timestamp() AS at, %(content)s::jsonb AS content, l.hash AS previous
          FROM (SELECT 1) AS one
          LEFT JOIN (SELECT e.number, e.hash FROM db_migrate.entries e ORDER BY e.number DESC LIMIT 1) AS l ON true) AS n
