"""Models as people write them, odd as they may be, held against the database that they and the revisions made."""

from __future__ import annotations

from pathlib import Path

from .conftest import Project
from .test_drift import between

ODD = (Path(__file__).parent / "odd_models.py").read_text("utf-8")

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

import models

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=models.METADATA, **models.OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
"""

TABLES = """
import models
op.execute('CREATE SCHEMA "Odd Schema"; CREATE SCHEMA two; CREATE SCHEMA rep; CREATE SCHEMA three')
op.execute("CREATE TYPE lent_mood AS ENUM ('x')")
op.get_bind().exec_driver_sql("CREATE FUNCTION dflt(a int) RETURNS text LANGUAGE sql AS $$ SELECT 'x'::text $$")
stand_ins = ("stand_in_view", "stand_in_foreign", "parts_1")
for metadata in models.METADATA:
    tables = [table for table in metadata.sorted_tables if table.name not in stand_ins]
    metadata.create_all(op.get_bind(), tables)
"""
REST = r'''
op.get_bind().exec_driver_sql("""
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE VIEW stand_in_view AS SELECT id FROM acc;
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER server FOREIGN DATA WRAPPER wrapper;
CREATE FOREIGN TABLE stand_in_foreign (id int, x int) SERVER server;

CREATE EXTENSION citext;
CREATE FUNCTION up(some_text text) RETURNS text LANGUAGE sql AS $$ SELECT upper(some_text) || ':x%s' $$;
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE VIEW v1 AS SELECT id, email FROM acc WHERE email IN ('a', 'b');
CREATE VIEW rep.v2 AS SELECT email FROM v1;
CREATE TRIGGER tr BEFORE INSERT ON acc FOR EACH ROW EXECUTE FUNCTION trg();
CREATE POLICY pol ON acc USING (email = current_user);

CREATE FUNCTION undeclared() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW undeclared_view AS SELECT 1 AS a;
CREATE TABLE ignored (id int);
CREATE TABLE by_name (id int);
CREATE TABLE three.elsewhere (id int);
ALTER TABLE acc ADD ignored_column int;
CREATE INDEX ignored_index ON acc (id);
ALTER TABLE two.b ADD CONSTRAINT ignored_key FOREIGN KEY (a_id) REFERENCES acc, ADD CONSTRAINT ignored_u UNIQUE (a_id);
""".replace("%", "%%"))
'''

BY_HAND = (
    "DROP VIEW undeclared_view",
    "DROP INDEX ignored_index",
    "ALTER TABLE acc DROP COLUMN ignored_column, ALTER ignored_flag SET DEFAULT 7",
    "ALTER FOREIGN TABLE stand_in_foreign ADD y int",
    "ALTER TABLE acc DISABLE TRIGGER tr",
    'ALTER TABLE "Odd Schema"."Mixed Case" ALTER "select" SET DEFAULT \'other\'',
    "ALTER TYPE \"Kind Of\" ADD VALUE 'more'",
    "CREATE OR REPLACE VIEW v1 AS SELECT id, email FROM acc WHERE email IN ('a', 'c')",
)
ONLY_HISTORY = {
    ("view", "public.undeclared_view"),
    ("index", "public.ignored_index"),
    ("column", "public.acc.ignored_column"),
    ("column", "public.acc.ignored_flag"),
    ("column", "public.stand_in_foreign.y"),
}
DECLARED = {
    ("trigger", "public.acc.tr"),
    ("column", '"Odd Schema"."Mixed Case"."select"'),
    ("enum", 'public."Kind Of"'),
    ("view", "public.v1"),
}


def test_odd_models_have_no_drift_until_somebody_makes_some(project: Project) -> None:
    """What models say in other words, cannot say, leave out or only map is no drift; what is changed by hand is."""
    project.write("migrations/env.py", ENV)
    project.write("models.py", ODD)
    project.sql('CREATE SCHEMA "Meta Data"')
    project.revision("r1", TABLES)
    project.revision("r2", REST)
    upgraded = project.alembic("upgrade", "head")
    assert upgraded.code == 0, upgraded.err

    same = project.run("drift", "--strict")
    project.sql(*BY_HAND)
    changed = project.run("drift", "--json")

    assert same.code == 0, same.out + same.err
    (told,) = (each for each in changed.json["warnings"] if "create_all" in each)
    assert told.startswith("create_all in r1: the history follows the models")
    found = {
        sides: {(each["kind"], each["object"]) for each in between(changed.json, *sides)}
        for sides in (("history", "models"), ("history", "live"), ("models", "live"))
    }
    assert found == {
        ("history", "models"): set(),
        ("history", "live"): ONLY_HISTORY | DECLARED,
        ("models", "live"): DECLARED,
    }
