-- The journal, version 1. Entries are only ever added; what a DBA wants to read are the views.
CREATE SCHEMA IF NOT EXISTS db_migrate;

CREATE TABLE db_migrate.version (
    number  integer     NOT NULL PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO db_migrate.version (number) VALUES (1);

-- Each entry's hash covers its content and the hash before it: what is changed or taken out later breaks the chain.
CREATE TABLE db_migrate.entries (
    number  bigint      NOT NULL PRIMARY KEY,
    run     uuid        NOT NULL,
    kind    text        NOT NULL,
    at      timestamptz NOT NULL,
    content jsonb       NOT NULL,
    hash    bytea       NOT NULL
);
CREATE INDEX entries_run ON db_migrate.entries (run, kind);

CREATE FUNCTION db_migrate.entry_hash(previous bytea, number bigint, run uuid, kind text, at timestamptz, content jsonb)
    RETURNS bytea LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $function$
SELECT sha256(coalesce(previous, ''::bytea) || convert_to(
    number::text || '|' || run::text || '|' || kind || '|' || (extract(epoch FROM at) * 1000000)::bigint::text || '|' || content::text, 'UTF8'));
$function$;

CREATE FUNCTION db_migrate.only_added() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION 'the journal of db-migrate is only ever added to';
END
$function$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON db_migrate.entries
    FOR EACH STATEMENT EXECUTE FUNCTION db_migrate.only_added();

CREATE VIEW db_migrate.runs AS
SELECT o.run, o.content ->> 'verb' AS verb, coalesce(c.content ->> 'state', 'running') AS state,
       o.content -> 'from' AS from_heads, coalesce(c.content -> 'to', o.content -> 'from') AS to_heads,
       o.content -> 'destination' AS destination, o.content ->> 'plan' AS plan_hash,
       o.content ->> 'environment' AS environment, o.content -> 'who' AS who, o.content ->> 'version' AS version,
       o.content -> 'settings' AS settings, o.at AS started_at, c.at AS finished_at, c.content ->> 'error' AS error
  FROM db_migrate.entries o
  LEFT JOIN db_migrate.entries c ON c.run = o.run AND c.kind = 'run_closed'
 WHERE o.kind = 'run_opened';

-- A step is started, then failed or done; what became of a done one is known when its transaction has ended.
CREATE VIEW db_migrate.steps AS
SELECT s.run, (s.content ->> 'step')::integer AS step, s.content ->> 'revision' AS revision,
       s.content ->> 'direction' AS direction, (s.content ->> 'statement')::integer AS statement,
       s.content ->> 'sql' AS sql, s.at AS started_at, (d.content ->> 'seconds')::float8 AS seconds,
       (s.content ->> 'lock_wait_seconds')::float8 AS lock_wait_seconds, (s.content ->> 'attempt')::integer AS attempts,
       coalesce(t.content ->> 'state', d.content ->> 'state', 'started') AS state, d.content ->> 'error' AS error
  FROM db_migrate.entries s
  LEFT JOIN db_migrate.entries d
         ON d.run = s.run AND d.kind = 'step_ended' AND d.content -> 'step' = s.content -> 'step'
  LEFT JOIN db_migrate.entries t
         ON t.run = s.run AND t.kind = 'transaction_ended' AND t.content -> 'steps' @> jsonb_build_array(s.content -> 'step')
 WHERE s.kind = 'step_started';

CREATE VIEW db_migrate.revisions AS
SELECT e.content ->> 'revision' AS revision, e.content ->> 'direction' AS direction,
       e.content ->> 'checksum' AS checksum, e.content ->> 'script' AS script, e.at AS applied_at, e.run
  FROM db_migrate.entries e
 WHERE e.kind = 'revision_done';

COMMENT ON SCHEMA db_migrate IS 'The journal of db-migrate: which migrations ran here, when, by whom. Only ever added to.';
