-- The latest runs, newest first. One that was never closed is running only while somebody has the lock.
SELECT r.run::text, r.verb, r.state, r.from_heads, r.to_heads,
       to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       extract(epoch FROM r.finished_at - r.started_at)::float8,
       r.who ->> 'role', r.who ->> 'os_user', r.who ->> 'host', r.plan_hash,
       (SELECT sum(s.lock_wait_seconds) FROM db_migrate.steps s WHERE s.run = r.run),
       coalesce(o.content ->> 'schema', '')
  FROM db_migrate.runs r
  JOIN db_migrate.entries o ON o.run = r.run AND o.kind = 'run_opened'
 WHERE %(schema)s IN ('', o.content ->> 'schema') AND starts_with(r.run::text, %(run)s)
 ORDER BY r.started_at DESC
 LIMIT %(limit)s
