-- Runs that were never closed, with the sessions that they used, and the last commit whose end nobody noted.
SELECT o.run::text, o.content,
       coalesce((SELECT jsonb_agg(w.content ORDER BY w.number) FROM db_migrate.entries w
                  WHERE w.run = o.run AND w.kind = 'worker'), '[]'),
       (SELECT x.content FROM db_migrate.entries x
         WHERE x.run = o.run AND x.kind = 'committing'
           AND NOT EXISTS (SELECT FROM db_migrate.entries t
                            WHERE t.run = o.run AND t.kind = 'transaction_ended' AND t.number > x.number)
         ORDER BY x.number DESC LIMIT 1)
  FROM db_migrate.entries o
 WHERE o.kind = 'run_opened'
   AND NOT EXISTS (SELECT FROM db_migrate.entries c WHERE c.run = o.run AND c.kind = 'run_closed')
 ORDER BY o.number
