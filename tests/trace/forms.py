"""Forms of DDL and DML. Each runs in a schema of its own that holds ``GROUND``, with ``ROWS`` or without."""

from __future__ import annotations

from dataclasses import dataclass

GROUND = """
CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE t (id int PRIMARY KEY, a int, b text, v varchar(20), n numeric(8, 2), j json, ts timestamp, p_id int);
CREATE INDEX t_a ON t (a);
CREATE INDEX t_v ON t (v);
CREATE TABLE c (id int PRIMARY KEY, t_id int REFERENCES t, u int);
CREATE TABLE big (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int, CONSTRAINT big_x CHECK (x > 0) NOT VALID);
CREATE VIEW w AS SELECT id, b FROM t;
CREATE MATERIALIZED VIEW m AS SELECT id, code FROM p;
CREATE UNIQUE INDEX m_id ON m (id);
CREATE SEQUENCE s;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (x int, y int);
CREATE DOMAIN positive AS int;
CREATE TABLE d (id int PRIMARY KEY, q positive, feeling mood);
CREATE TABLE e (r int) PARTITION BY RANGE (r);
CREATE TABLE e1 PARTITION OF e FOR VALUES FROM (0) TO (10);
CREATE TABLE e_default PARTITION OF e DEFAULT;
CREATE TABLE e2 (r int);
CREATE TABLE parent (z int);
CREATE TABLE child () INHERITS (parent);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t_f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE FUNCTION work(statement text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE statement; END';
"""

ROWS = """
INSERT INTO p VALUES (1, 'one');
INSERT INTO t VALUES (1, 1, 'b', 'v', 1.5, '{}', now(), 1), (2, 2, 'b', 'v', 2.5, '{}', now(), 1);
INSERT INTO c VALUES (1, 1, 1);
INSERT INTO big (x) VALUES (1);
INSERT INTO d VALUES (1, 1, 'sad');
INSERT INTO e VALUES (1), (50);
INSERT INTO e2 VALUES (20);
REFRESH MATERIALIZED VIEW m;
"""


@dataclass(frozen=True, slots=True)
class Form:
    """One statement, on servers from major version ``since``.

    ``setup`` was run and committed in the same schema before, ``local`` is run in the same transaction. ``by_rows``:
    what it reads, and what foreign keys it checks, depends on the rows that there are.
    """

    sql: str
    setup: str = ""
    local: str = ""
    by_rows: bool = False
    since: int = 15


FORMS = (
    # A: adding columns
    Form("ALTER TABLE t ADD COLUMN x int"),
    Form("ALTER TABLE t ADD COLUMN x int NOT NULL DEFAULT 1"),
    Form("ALTER TABLE t ADD COLUMN x timestamptz DEFAULT now()"),
    Form("ALTER TABLE t ADD COLUMN x uuid DEFAULT gen_random_uuid()"),
    Form("ALTER TABLE t ADD COLUMN x timestamptz DEFAULT clock_timestamp()"),
    Form("ALTER TABLE t ADD COLUMN x serial"),
    Form("ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS IDENTITY"),
    Form("ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a * 2) STORED"),
    Form("ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a * 2) VIRTUAL", since=18),
    Form("ALTER TABLE t ADD COLUMN x int REFERENCES p"),
    Form("ALTER TABLE t ADD COLUMN x int DEFAULT 1 REFERENCES p"),
    Form("ALTER TABLE t ADD COLUMN x int CHECK (x > 0)"),
    Form("ALTER TABLE t ADD COLUMN x int UNIQUE"),
    Form("ALTER TABLE t ADD COLUMN x positive", "ALTER DOMAIN positive ADD CHECK (VALUE > 0)"),
    Form("ALTER TABLE t ADD COLUMN x json"),
    Form("ALTER TABLE parent ADD COLUMN x int"),
    # B: dropping and renaming
    Form("ALTER TABLE c DROP COLUMN u"),
    Form("ALTER TABLE t DROP COLUMN a"),
    Form("ALTER TABLE t DROP COLUMN b CASCADE"),
    Form("DROP TABLE big"),
    Form("DROP TABLE c"),
    Form("DROP TABLE t CASCADE"),
    Form("DROP SCHEMA {schema} CASCADE"),
    Form("ALTER TABLE t RENAME COLUMN b TO bb"),
    Form("ALTER TABLE t RENAME TO tt"),
    Form("ALTER TABLE big RENAME CONSTRAINT big_x TO big_xx"),
    Form("ALTER INDEX t_a RENAME TO t_aa"),
    Form("ALTER SEQUENCE s RENAME TO ss"),
    Form("ALTER TYPE mood RENAME TO moods"),
    Form("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"),
    Form("ALTER TABLE big SET SCHEMA public"),
    Form("ALTER SCHEMA {schema} RENAME TO {schema}_renamed"),
    Form("ALTER TABLE t OWNER TO CURRENT_USER"),
    Form("DROP VIEW w"),
    Form("DROP MATERIALIZED VIEW m"),
    Form("DROP SEQUENCE s"),
    Form("DROP FUNCTION f CASCADE"),
    Form("DROP TYPE mood CASCADE"),
    Form("DROP DOMAIN positive CASCADE"),
    Form("ALTER TABLE c DROP CONSTRAINT c_t_id_fkey"),
    Form("ALTER TABLE p DROP CONSTRAINT p_pkey"),
    Form("ALTER TABLE p ALTER COLUMN id DROP DEFAULT"),
    Form("ALTER TABLE t ALTER COLUMN a SET DEFAULT 4"),
    Form("ALTER TABLE t ALTER COLUMN a DROP NOT NULL"),
    Form("DROP TRIGGER t_f ON t"),
    Form("TRUNCATE c"),
    Form("TRUNCATE t CASCADE"),
    Form("TRUNCATE e"),
    # C: types and nullability
    Form("ALTER TABLE t ALTER COLUMN a TYPE bigint"),
    Form("ALTER TABLE t ALTER COLUMN v TYPE varchar(40)"),
    Form("ALTER TABLE t ALTER COLUMN v TYPE text"),
    Form("ALTER TABLE t ALTER COLUMN v TYPE varchar(10)"),
    Form("ALTER TABLE t ALTER COLUMN n TYPE numeric(12, 2)"),
    Form("ALTER TABLE t ALTER COLUMN n TYPE numeric(12, 4)"),
    Form("ALTER TABLE t ALTER COLUMN j TYPE jsonb USING j::jsonb"),
    Form("ALTER TABLE t ALTER COLUMN ts TYPE timestamptz"),
    Form("ALTER TABLE t ALTER COLUMN ts TYPE timestamptz", local="SET LOCAL timezone = 'Europe/Berlin'"),
    Form('ALTER TABLE t ALTER COLUMN v TYPE varchar(20) COLLATE "C"'),
    Form("ALTER TABLE big ALTER COLUMN x TYPE bigint"),
    Form("ALTER TABLE t ALTER COLUMN a SET NOT NULL"),
    Form("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "ALTER TABLE t ADD CHECK (a IS NOT NULL)"),
    Form("ALTER TABLE t ADD CONSTRAINT a_nn NOT NULL a NOT VALID", since=18),
    Form("ALTER TABLE big ALTER COLUMN id DROP IDENTITY"),
    Form("ALTER TABLE big ALTER COLUMN id SET GENERATED BY DEFAULT"),
    Form("ALTER SEQUENCE s RESTART WITH 100 INCREMENT BY 5"),
    Form("ALTER TYPE pair ADD ATTRIBUTE z int"),
    Form("ALTER TYPE pair RENAME ATTRIBUTE x TO xx"),
    # D: constraints
    Form("ALTER TABLE t ADD FOREIGN KEY (p_id) REFERENCES p"),
    Form("ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p_id) REFERENCES p NOT VALID"),
    Form(
        "ALTER TABLE t VALIDATE CONSTRAINT fk",
        "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p_id) REFERENCES p NOT VALID",
    ),
    Form("CREATE TABLE new (id int PRIMARY KEY, t_id int REFERENCES t)"),
    Form("ALTER TABLE t ADD CHECK (a > 0)"),
    Form("ALTER TABLE t ADD CHECK (a > 0) NOT VALID"),
    Form("ALTER TABLE big VALIDATE CONSTRAINT big_x"),
    Form("ALTER TABLE t ADD UNIQUE (a)"),
    Form("ALTER TABLE t ADD CONSTRAINT ta UNIQUE USING INDEX u_a", "CREATE UNIQUE INDEX u_a ON t (a)"),
    Form("ALTER TABLE c DROP CONSTRAINT c_pkey, ADD PRIMARY KEY (u)"),
    Form("ALTER TABLE t ADD EXCLUDE USING gist (int4range(a, a + 1) WITH &&)"),
    Form("ALTER DOMAIN positive ADD CONSTRAINT pos CHECK (VALUE > 0)"),
    Form("ALTER DOMAIN positive ADD CONSTRAINT pos CHECK (VALUE > 0) NOT VALID"),
    Form("ALTER TABLE t ADD CONSTRAINT nope CHECK (a > 0) NOT ENFORCED", since=18),
    # E: indexes
    Form("CREATE INDEX i ON t (b)"),
    Form("CREATE INDEX i ON t (lower(b)) WHERE a > 0"),
    Form("CREATE INDEX i ON e (r)"),
    Form("CREATE INDEX i ON m (code)"),
    Form("DROP INDEX t_a"),
    Form("REINDEX TABLE t"),
    Form("REINDEX INDEX t_a"),
    Form("ALTER INDEX t_a SET (fillfactor = 70)"),
    # F: locks and rows
    Form("LOCK TABLE t"),
    Form("LOCK TABLE t, p IN SHARE MODE"),
    Form("INSERT INTO p VALUES (2, 'two')"),
    Form("INSERT INTO c SELECT id, id, 1 FROM t WHERE id > 1", by_rows=True),
    Form("INSERT INTO c SELECT id, id, 1 FROM t WHERE false"),
    Form("UPDATE t SET b = 'x'"),
    Form("UPDATE t SET b = 'x' WHERE id = 1"),
    Form("UPDATE t SET b = p.code FROM p WHERE p.id = t.p_id", by_rows=True),
    Form("DELETE FROM c"),
    Form("MERGE INTO p USING t ON p.id = t.id WHEN MATCHED THEN UPDATE SET code = t.b", by_rows=True),
    Form("SELECT count(*) FROM t JOIN c ON c.t_id = t.id", by_rows=True),
    Form("SELECT * FROM t FOR UPDATE"),
    Form("ANALYZE t"),
    # G: types, views, partitions, triggers, storage
    Form("ALTER TYPE mood ADD VALUE 'so'"),
    Form("CREATE TYPE colour AS ENUM ('red')"),
    Form("REFRESH MATERIALIZED VIEW m"),
    Form("REFRESH MATERIALIZED VIEW CONCURRENTLY m"),
    Form("CREATE MATERIALIZED VIEW mm AS SELECT * FROM t"),
    Form("CREATE VIEW ww AS SELECT t.*, p.code FROM t JOIN p ON p.id = t.p_id"),
    Form("CREATE OR REPLACE VIEW w AS SELECT id, b, a FROM t"),
    Form("ALTER VIEW w SET (security_barrier = true)"),
    Form("ALTER TABLE e ATTACH PARTITION e2 FOR VALUES FROM (10) TO (30)"),
    Form(
        "ALTER TABLE e ATTACH PARTITION e2 FOR VALUES FROM (10) TO (30)",
        "ALTER TABLE e2 ALTER r SET NOT NULL, ADD CHECK (r >= 10 AND r < 30)",
    ),
    Form("ALTER TABLE e DETACH PARTITION e1"),
    Form("CREATE TABLE e3 PARTITION OF e FOR VALUES FROM (30) TO (40)"),
    Form("DROP TABLE e1"),
    Form("ALTER TABLE child NO INHERIT parent"),
    Form("ALTER TABLE e2 ADD COLUMN z int, INHERIT parent"),
    Form("CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()"),
    Form("ALTER TABLE t DISABLE TRIGGER t_f"),
    Form("CREATE RULE r AS ON DELETE TO c DO INSTEAD NOTHING"),
    Form("CLUSTER t USING t_a"),
    Form("ALTER TABLE c SET UNLOGGED"),
    Form("ALTER TABLE c SET LOGGED", "ALTER TABLE c SET UNLOGGED"),
    Form("ALTER TABLE t SET (autovacuum_enabled = false)"),
    Form("ALTER TABLE t ALTER COLUMN b SET STATISTICS 500"),
    Form("ALTER TABLE t ALTER COLUMN b SET STORAGE EXTERNAL"),
    Form("ALTER TABLE t ALTER COLUMN b SET COMPRESSION pglz"),
    Form("CREATE STATISTICS st ON a, b FROM t"),
    Form("CREATE TABLE copied AS SELECT * FROM t"),
    # H: security, comments, replication
    Form("ALTER TABLE t ENABLE ROW LEVEL SECURITY"),
    Form("CREATE POLICY mine ON t USING (a > 0)"),
    Form("GRANT SELECT ON t TO PUBLIC"),
    Form("ALTER TABLE t REPLICA IDENTITY FULL"),
    Form("COMMENT ON TABLE t IS 'x'"),
    Form("COMMENT ON COLUMN t.a IS 'x'"),
    Form("COMMENT ON INDEX t_a IS 'x'"),
    Form("CREATE PUBLICATION pub_{schema} FOR TABLE t"),
    # the same in code of its own
    Form("DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER COLUMN a TYPE bigint'; END $$"),
    Form("DO $$ BEGIN EXECUTE format('CREATE INDEX i ON %I (b)', 't'); UPDATE p SET code = code; END $$"),
    Form("SELECT work('ALTER TABLE t ADD CHECK (a > 0)')"),
    Form("SELECT work('TRUNCATE c')"),
    Form("DO $$ BEGIN BEGIN ALTER TABLE t ADD COLUMN x int; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END; END $$"),
)
