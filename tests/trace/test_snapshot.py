"""Reading only what a statement may have changed against reading everything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import msgspec
import pytest
from forms import FORMS, GROUND, Form
from trace_lab import Lab

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.postgres.session import connect
from db_migrate.trace.grammar import sort_of
from db_migrate.trace.observation import LOOK, Observation, Relation, changed_catalogs
from db_migrate.trace.snapshot import Query, Snapshot
from db_migrate.trace.touched import touched

if TYPE_CHECKING:
    import psycopg

MORE = (
    Form("ALTER TABLE e1 RENAME TO e_one"),
    Form("ALTER TABLE e ADD COLUMN extra int DEFAULT 3"),
    Form("ALTER TABLE e1 ALTER COLUMN r SET DEFAULT 4"),
    Form("ALTER TABLE e RENAME COLUMN r TO rr", "ALTER TABLE e1 ALTER COLUMN r SET DEFAULT 4"),
    Form("ALTER SEQUENCE s OWNED BY t.id"),
    Form(
        "ALTER TABLE t RENAME TO tt",
        "ALTER TABLE t ALTER COLUMN id SET DEFAULT nextval('s'); COMMENT ON INDEX t_a IS 'x'",
    ),
    Form("ALTER SEQUENCE s RENAME TO ss", "ALTER TABLE t ALTER COLUMN id SET DEFAULT nextval('s')"),
    Form("ALTER TABLE t RENAME TO tt", "CREATE TABLE typed (x t)"),
    Form(
        "ALTER TABLE t RENAME COLUMN a TO aa",
        "CREATE STATISTICS st ON a, b FROM t; CREATE POLICY mine ON t USING (a > 0)",
    ),
    Form("ALTER TABLE p RENAME TO pp", "CREATE POLICY mine ON t USING (EXISTS (SELECT FROM p WHERE p.id = a))"),
    Form("ALTER TABLE p RENAME COLUMN code TO kode", "CREATE PUBLICATION pub FOR TABLE p (id, code)"),
    Form("ALTER TABLE p RENAME TO pp", "CREATE FUNCTION q() RETURNS bigint RETURN (SELECT count(*) FROM p)"),
    Form("ALTER FUNCTION work(text) RENAME TO wrk", "CREATE VIEW calls AS SELECT work('x')::text"),
    Form("CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"),
    Form(
        "ALTER DOMAIN positive RENAME CONSTRAINT c1 TO c2", "ALTER DOMAIN positive ADD CONSTRAINT c1 CHECK (VALUE > 0)"
    ),
    Form("ALTER DOMAIN positive RENAME TO plus"),
    Form("ALTER TABLE big CLUSTER ON big_pkey"),
    Form("ALTER INDEX p_pkey SET (fillfactor = 50)"),
    Form("ALTER TABLE t ADD CONSTRAINT u_a UNIQUE USING INDEX u_a", "CREATE UNIQUE INDEX u_a ON t (a)"),
    Form("ALTER TABLE t ALTER COLUMN a SET DEFAULT 1; ALTER TABLE p RENAME TO pp"),
    Form("CREATE INDEX i1 ON e (r); ALTER TABLE e1 RENAME TO e_one"),
    Form("DROP INDEX t_a; DROP TRIGGER t_f ON t; COMMENT ON SEQUENCE s IS 'x'"),
    Form("DROP TABLE t CASCADE; CREATE TABLE t (z int)"),
    Form(
        "CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION ev()",
        "CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    ),
    Form("CREATE TEMP TABLE t (x int); ALTER TABLE pg_temp.t ADD y int"),
    Form('CREATE TABLE "Odd ""Name" (id int REFERENCES p, "x (y" int); ALTER TABLE "Odd ""Name" ADD UNIQUE ("x (y")'),
    Form("CREATE EXTENSION btree_gist"),
    Form("ALTER EXTENSION btree_gist ADD TABLE big", "CREATE EXTENSION btree_gist"),
)
"""What only matters for reading again: texts that mention what was renamed elsewhere."""


LOCK_ALL = """
DO $$ BEGIN EXECUTE (SELECT string_agg(format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', c.oid::regclass), '; ')
                       FROM pg_class c
                      WHERE c.relnamespace = 'f'::regnamespace AND c.relkind IN ('r', 'p', 'v')); END $$
"""


def check(lab: Lab, number: int, of: int) -> None:
    """Run every ``of``-th form in a transaction that is rolled back, and compare two ways of reading the catalog.

    Then again after a lock on every table, as in a transaction that has been at all of them.
    """
    forms = [form for form in (*FORMS, *MORE) if form.since <= lab.scratch.server.major][number::of]
    wrong = []
    with lab.database(f"CREATE SCHEMA f; SET search_path = f, public; {GROUND}") as database:
        superuser = lab.scratch.server.conninfo(database.dbname)
        with contextlib.closing(connect(superuser, autocommit=False)) as connection:

            def query(sql: str) -> str | None:
                row = connection.execute(sql.encode()).fetchone()
                return None if row is None or row[0] is None else str(row[0])

            narrow = 0
            for form, lock in product(forms, ("SELECT 1", LOCK_ALL)):
                query("SELECT set_config('search_path', 'f, public', false)")
                connection.execute((form.setup or "SELECT 1").encode())
                connection.execute(lock.encode())
                found, is_narrow = _differences(query, partial(_execute, connection), form)
                wrong += found
                narrow += is_narrow and lock is LOCK_ALL
                connection.rollback()
    assert not wrong, "\n".join(wrong)
    assert narrow > len(forms) / 3, f"only {narrow} of {len(forms)} were taken at their word"


def _execute(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> None:
    connection.execute(sql.encode())


def _differences(query: Query, execute: Callable[[str], None], form: Form) -> tuple[list[str], bool]:
    """What is wrong, and whether only what the statement was about was read again."""
    snapshot, everything = Snapshot(150000), Snapshot(150000)
    snapshot.refresh(query, None)
    before = snapshot.catalog
    first = _look(query)
    execute(form.sql.replace("{schema}", "f"))
    last = _look(query)
    about = touched(sort_of(form.sql.replace("{schema}", "f")), first, last, snapshot.relations)
    refreshed = snapshot.refresh(query, changed_catalogs(first, last), last.strong, about)
    everything.refresh(query, None)
    found = []
    if _content(snapshot.catalog) != _content(everything.catalog):
        found.append(f"{form.sql}: {_content(snapshot.catalog) ^ _content(everything.catalog)}")
    kept, read = _uncounted(snapshot), _uncounted(everything)
    if kept != read:
        found.append(f"{form.sql}: relations {kept ^ read}")
    if refreshed.changes != diff(before, everything.catalog):
        found.append(f"{form.sql}: {refreshed.changes} but {diff(before, everything.catalog)}")
    return found, about is not None


def _uncounted(snapshot: Snapshot) -> set[tuple[int, Relation]]:
    """The relations but for their row counts, which ANALYZE changes in place, where nothing tells of it."""
    return {(oid, replace(each, counted=False)) for oid, each in snapshot.relations.items()}


def _content(catalog: Catalog) -> set[object]:
    return {_hashable(each) for each in catalog}


def _hashable(each: SchemaObject) -> object:
    return (each.key, each.parent, tuple(sorted(each.attributes.items())), each.definition, each.position)


def _look(query: Query) -> Observation:
    return msgspec.json.decode(query(LOOK) or "", type=Observation)


@pytest.mark.parametrize("number", range(2))
def test_reading_again_equals_reading_everything(trace_lab: Lab, number: int) -> None:
    """After each form the kept catalog, the relations and the changes are those of reading all of the catalog."""
    check(trace_lab, number, 2)


@pytest.mark.pg15
def test_reading_again_equals_reading_everything_on_15(trace_lab15: Lab) -> None:
    """The same on PostgreSQL 15."""
    check(trace_lab15, 0, 1)


def test_what_is_as_it_was_is_the_same_object(trace_lab: Lab) -> None:
    """Also where all was read again: catalogs of a long history share what did not change, and so have room."""
    with trace_lab.database(f"CREATE SCHEMA f; SET search_path = f, public; {GROUND}") as database:
        superuser = trace_lab.scratch.server.conninfo(database.dbname)
        with contextlib.closing(connect(superuser)) as connection:

            def query(sql: str) -> str | None:
                row = connection.execute(sql.encode()).fetchone()
                return None if row is None or row[0] is None else str(row[0])

            snapshot = Snapshot(150000)
            snapshot.refresh(query, None)
            before = snapshot.catalog
            connection.execute("ALTER TABLE f.t ADD COLUMN one_more int")
            snapshot.refresh(query, None)
    others = [each.name for each in snapshot.catalog if before.get(each.kind, each.name) is not each]
    assert others == ["f.t.one_more"]
