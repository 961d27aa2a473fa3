"""What one run brings back or renames, and then destroys, is kept as if it had been there before."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from .conftest import Site

LONG = bool(os.environ.get("DB_MIGRATE_TEST_LONG"))

GROUND = (
    "CREATE TABLE people (id int PRIMARY KEY, name text)",
    "INSERT INTO people SELECT g, 'v' || g FROM generate_series(1, 50) g",
    "CREATE TABLE loose (name text)",
    "INSERT INTO loose SELECT 'v' || g FROM generate_series(1, 50) g",
    "CREATE SCHEMA old CREATE TABLE things (name text)",
    "INSERT INTO old.things SELECT 'v' || g FROM generate_series(1, 50) g",
)
RENAME = ("ALTER TABLE people RENAME TO folk", "ALTER TABLE folk RENAME TO people")
MOVE = (
    "CREATE SCHEMA app; ALTER TABLE people SET SCHEMA app",
    "ALTER TABLE app.people SET SCHEMA public; DROP SCHEMA app",
)

RENAMED_THEN_DESTROYED = {
    "table renamed, table dropped": (RENAME, ("DROP TABLE folk", "CREATE TABLE folk (id int PRIMARY KEY, name text)")),
    "table renamed, column dropped": (
        RENAME,
        ("ALTER TABLE folk DROP COLUMN name", "ALTER TABLE folk ADD COLUMN name text"),
    ),
    "table renamed, rows deleted": (RENAME, ("DELETE FROM folk WHERE id > 10", "SELECT 1")),
    "table renamed, rows changed": (RENAME, ("UPDATE folk SET name = 'x'", "SELECT 1")),
    "table renamed, emptied": (RENAME, ("TRUNCATE folk", "SELECT 1")),
    "table moved, table dropped": (
        MOVE,
        ("DROP TABLE app.people", "CREATE TABLE app.people (id int PRIMARY KEY, name text)"),
    ),
    "table moved, rows deleted": (MOVE, ("DELETE FROM app.people WHERE id > 10", "SELECT 1")),
    "schema renamed, table dropped": (
        (f"{MOVE[0]}; ALTER SCHEMA app RENAME TO shop", f"ALTER SCHEMA shop RENAME TO app; {MOVE[1]}"),
        ("DROP TABLE shop.people", "CREATE TABLE shop.people (id int PRIMARY KEY, name text)"),
    ),
    "column renamed, column dropped": (
        ("ALTER TABLE people RENAME name TO title", "ALTER TABLE people RENAME title TO name"),
        ("ALTER TABLE people DROP COLUMN title", "ALTER TABLE people ADD COLUMN title text"),
    ),
    "table renamed, parked column dropped": (
        ("ALTER TABLE loose RENAME TO free", "ALTER TABLE free RENAME TO loose"),
        ("ALTER TABLE free DROP COLUMN name", "ALTER TABLE free ADD COLUMN name text"),
    ),
    "schema of the target renamed, table dropped": (
        ("ALTER SCHEMA old RENAME TO new", "ALTER SCHEMA new RENAME TO old"),
        ("DROP TABLE new.things", "CREATE TABLE new.things (name text)"),
    ),
    "column renamed and dropped in one revision": (
        ("SELECT 1", "SELECT 1"),
        (
            "ALTER TABLE people RENAME name TO title; ALTER TABLE people DROP COLUMN title",
            "ALTER TABLE people ADD COLUMN title text; ALTER TABLE people RENAME title TO name",
        ),
    ),
    "rows deleted in one revision": (
        ("SELECT 1", "SELECT 1"),
        ("ALTER TABLE people RENAME TO folk; DELETE FROM folk", "ALTER TABLE folk RENAME TO people"),
    ),
    "in one revision": (
        ("SELECT 1", "SELECT 1"),
        (
            "ALTER TABLE people RENAME TO folk; DROP TABLE folk",
            "CREATE TABLE folk (id int PRIMARY KEY, name text); ALTER TABLE folk RENAME TO people",
        ),
    ),
}


def execute(sql: str) -> str:
    """Statement by statement, as a revision sends them."""
    return "\n".join(f'op.execute("{each.strip()}")' for each in sql.split(";"))


def rows(site: Site) -> list[tuple[object, ...]]:
    """What was there in the beginning."""
    return [
        *site.sql("SELECT id, name FROM people ORDER BY id"),
        *site.sql("SELECT name FROM loose ORDER BY length(name), name"),
        *site.sql("SELECT name FROM old.things ORDER BY length(name), name"),
    ]


@pytest.mark.parametrize("case", list(RENAMED_THEN_DESTROYED)[:: 1 if LONG else 3])
def test_what_a_run_renames_and_then_destroys_comes_back(site: Site, case: str) -> None:
    """Under the name that the target did not know when the plan was made."""
    first, second = RENAMED_THEN_DESTROYED[case]
    site.sql(*GROUND)
    before = rows(site)
    site.revision("r1", execute(first[0]), execute(first[1]))
    site.revision("r2", execute(second[0]), execute(second[1]))

    done = site.apply()
    assert (done.state, len(done.kept)) == ("done", 1), done.error
    back = site.rollback("base")

    assert back.state == "done", back.error
    assert rows(site) == before


TABLE = "CREATE TABLE people (id int PRIMARY KEY, name text)"
COLUMN = "ALTER TABLE people ADD name text"
SHORT = "ALTER TABLE people ALTER name TYPE varchar(1) USING left(name, 1)"
ONE_AFTER_THE_OTHER = {
    "column dropped, rows deleted": ("ALTER TABLE people DROP COLUMN name; DELETE FROM people WHERE id > 10", COLUMN),
    "column dropped, table renamed, rows deleted": (
        "ALTER TABLE people DROP COLUMN name; ALTER TABLE people RENAME TO folk; DELETE FROM folk WHERE id > 10",
        "ALTER TABLE folk RENAME TO people; ALTER TABLE people ADD name text NOT NULL DEFAULT 'none'",
    ),
    "rows deleted, table dropped": ("DELETE FROM people WHERE id > 10; DROP TABLE people", TABLE),
    "rows changed, table dropped": ("UPDATE people SET name = 'x' WHERE id > 10; DROP TABLE people", TABLE),
    "table emptied, then dropped": ("TRUNCATE people; DROP TABLE people", TABLE),
    "values cut, table dropped": (f"{SHORT}; DROP TABLE people", TABLE),
    "rows changed, column dropped": (
        "UPDATE people SET name = 'x' WHERE id > 10; ALTER TABLE people DROP COLUMN name",
        COLUMN,
    ),
    "rows deleted, column dropped": ("DELETE FROM people WHERE id > 10; ALTER TABLE people DROP COLUMN name", COLUMN),
    "values cut, column dropped": (f"{SHORT}; ALTER TABLE people DROP COLUMN name", COLUMN),
    "rows changed, column dropped, rows deleted": (
        "UPDATE people SET name = 'x'; ALTER TABLE people DROP COLUMN name; DELETE FROM people WHERE id > 10",
        COLUMN,
    ),
    "rows changed, column renamed": (
        "UPDATE people SET name = 'x'; ALTER TABLE people RENAME name TO title",
        "ALTER TABLE people RENAME title TO name",
    ),
    "rows deleted, table renamed": (
        "DELETE FROM people WHERE id > 10; ALTER TABLE people RENAME TO folk",
        "ALTER TABLE folk RENAME TO people",
    ),
    "rows changed, table renamed, dropped, another changed": (
        f"UPDATE people SET name = 'x'; {RENAME[0]}; DROP TABLE folk; UPDATE old.things SET name = name",
        f"CREATE TABLE folk (id int PRIMARY KEY, name text); {RENAME[1]}",
    ),
}


@pytest.mark.parametrize("copied", [10_000, 0] if LONG else [10_000], ids=["copied", "parked"][: 2 if LONG else 1])
@pytest.mark.parametrize("case", list(ONE_AFTER_THE_OTHER)[:: 1 if LONG else 2])
def test_what_a_revision_destroys_twice_comes_back(site: Site, case: str, copied: int) -> None:
    """Rows before their table or column goes, or after: what it was in the beginning had been lost without a word."""
    forth, back = ONE_AFTER_THE_OTHER[case]
    site.settings = replace(site.settings, keep_copy_rows=copied)
    site.sql(*GROUND)
    before = rows(site)
    site.revision("r1", execute(forth), execute(back))

    for _ in range(2):
        done = site.apply()
        assert done.state == "done", done.error
        gone = site.rollback("base")
        assert gone.state == "done", gone.error
        assert rows(site) == before


DESTROYED_AGAIN = {
    "table dropped": ("DROP TABLE people", "CREATE TABLE people (id int PRIMARY KEY, name text)"),
    "column dropped": ("ALTER TABLE people DROP COLUMN name", "ALTER TABLE people ADD COLUMN name text"),
    "rows deleted": ("DELETE FROM people WHERE id > 10", "SELECT 1"),
    "table renamed and dropped": (
        "ALTER TABLE people RENAME TO folk; DROP TABLE folk",
        "CREATE TABLE folk (id int PRIMARY KEY, name text); ALTER TABLE folk RENAME TO people",
    ),
}


@pytest.mark.parametrize("case", list(DESTROYED_AGAIN)[:: 1 if LONG else 2])
def test_what_comes_back_and_is_destroyed_in_the_same_run_is_kept_again(site: Site, case: str) -> None:
    """The rows of a table that a rollback dropped: they go back to it, and on, and come back once more."""
    site.revision("r1", execute("CREATE TABLE people (id int PRIMARY KEY, name text)"), execute("DROP TABLE people"))
    site.revision("r2", "pass")
    assert site.apply().state == "done"
    site.sql("INSERT INTO people SELECT g, 'v' || g FROM generate_series(1, 50) g")
    before = site.sql("SELECT id, name FROM people ORDER BY id")
    assert site.rollback("base").state == "done"
    site.revision("r3", *map(execute, DESTROYED_AGAIN[case]))

    done = site.apply()
    assert (done.state, len(done.kept)) == ("done", 1), done.error
    back = site.rollback("r2")

    assert back.state == "done", back.error
    assert site.sql("SELECT id, name FROM people ORDER BY id") == before


def test_what_was_empty_when_the_plan_was_made_is_kept_if_it_is_not_any_more(site: Site) -> None:
    """A plan is read, and applied later: rows that have come meanwhile are no reason to stop, and are not lost."""
    tables = ("dropped", "less", "cleared", "quiet")
    site.sql(*(f"CREATE TABLE {each} (id int PRIMARY KEY, v text)" for each in tables))
    site.revision("r0", "pass")
    site.revision(
        "r1",
        execute("DROP TABLE dropped; ALTER TABLE less DROP v; DELETE FROM cleared; DROP TABLE quiet"),
        execute("CREATE TABLE dropped (id int PRIMARY KEY, v text); ALTER TABLE less ADD v text"),
    )
    plan = site.plan()
    assert plan.kept == ()
    site.sql(*(f"INSERT INTO {each} VALUES (1, 'came')" for each in tables[:3]))

    done = site.execute(plan)
    assert (done.error, {each.object for each in done.kept}) == (
        None,
        {"public.dropped", "public.less.v", "public.cleared"},
    )
    assert site.rollback("r0").error is None
    assert [site.sql(f"SELECT * FROM {each}") for each in tables[:3]] == [[(1, "came")]] * 3


def test_a_table_that_was_kept_twice_is_as_large_as_what_comes_back_to_it(site: Site) -> None:
    """By one revision five rows, and none by a later one: those of the first are kept when the run drops them again."""
    make, drop = "CREATE TABLE people (id int PRIMARY KEY, name text)", "DROP TABLE people"
    site.revision("r1", execute(make), execute(drop))
    site.revision("r2", execute(drop), execute(make))
    site.revision("r3", execute(make), execute(drop))
    assert site.apply("r1").state == "done"
    site.sql("INSERT INTO people SELECT g, 'v' || g FROM generate_series(1, 5) g")
    assert site.apply().state == "done"
    assert site.rollback("base").state == "done"
    assert site.apply().state == "done"
    assert site.rollback("r1").state == "done"
    assert site.sql("SELECT count(*) FROM people") == [(5,)]
