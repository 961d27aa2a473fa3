"""What a migration drops is kept, and a rollback puts it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db_migrate.execute.keep.choose import choose
from db_migrate.plan.document import plan_hash
from db_migrate.plan.make import Request, make_plan
from db_migrate.project.graph import load_graph
from db_migrate.results import Plan
from db_migrate.rules.facts import Facts
from db_migrate.trace.effects import Direction

from .conftest import Site, without_findings

GROUND = (
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE TABLE parents (id serial PRIMARY KEY, name text)",
    (
        'CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Odd Name" text, mood mood, '
        "parent_id int REFERENCES parents ON DELETE CASCADE, data json, moods mood[], "
        "twice bigint GENERATED ALWAYS AS (id * 2) STORED)"
    ),
    'CREATE INDEX people_name ON people ("Odd Name")',
    "INSERT INTO parents (name) SELECT 'p' || g FROM generate_series(1, 5) g",
    (
        'INSERT INTO people ("Odd Name", mood, parent_id, data, moods) '
        "SELECT E'o''brien \\\\ ' || g, 'bad', 1 + g % 5, '{\"a\": 1}', '{good,bad}' FROM generate_series(1, 300) g"
    ),
)

RECREATE = """
op.execute('CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Odd Name" text, mood mood, '
           'parent_id int REFERENCES parents ON DELETE CASCADE, data json, moods mood[], '
           'twice bigint GENERATED ALWAYS AS (id * 2) STORED)')
op.execute('CREATE INDEX people_name ON people ("Odd Name")')
"""

CONTENT = "SELECT * FROM people ORDER BY id"


def keeping(site: Site, revision: str = "heads", *, down: bool = False) -> Plan:
    """A plan that keeps what it can."""
    direction = Direction.DOWNGRADE if down else Direction.UPGRADE
    request = Request(revision, direction)
    made = make_plan(site.scratch, load_graph(site.project), site.target, site.settings, request)
    plan = replace(without_findings(made.plan), kept=choose(made.trace, Facts.unknown()), hash="")
    return replace(plan, hash=plan_hash(plan))


TYPES = "op.execute('DROP TYPE mood')"
DROPS = {
    "a table": ("move", "op.drop_table('people')", RECREATE),
    "a table by a block that builds the statement": (
        "move",
        "op.execute(\"DO $$ BEGIN EXECUTE 'DROP' || ' TABLE people'; END $$\")",
        RECREATE,
    ),
    "a table, then the type that it uses": (
        "copy",
        f"op.drop_table('people')\n{TYPES}",
        f"op.execute(\"CREATE TYPE mood AS ENUM ('good', 'bad')\")\n{RECREATE}",
    ),
    "a table with a view on it": (
        "copy",
        "op.execute('CREATE VIEW v AS SELECT id FROM people')\nop.execute('DROP TABLE people CASCADE')",
        RECREATE,
    ),
}


@pytest.mark.parametrize("case", DROPS)
def test_a_dropped_table_comes_back_with_all_its_rows(site_on_each: Site, case: str) -> None:
    """Keys, odd names, enums, arrays, JSON and generated columns; identity goes on; nothing is left over."""
    site = site_on_each
    strategy, up, back = DROPS[case]
    site.sql(*GROUND)
    before = site.sql(CONTENT)
    site.revision("r0", "pass")
    site.revision("r1", up, back)

    done = site.execute(keeping(site))

    assert done.error is None
    assert [(each.object, each.strategy) for each in done.kept] == [("public.people", strategy)]
    assert site.sql("SELECT to_regclass('people')") == [(None,)]
    undone = site.execute(keeping(site, "r0", down=True))
    assert undone.error is None
    assert [(each.object, each.rows) for each in undone.restored] == [("public.people", 300)]
    assert site.sql(CONTENT) == before
    site.sql("INSERT INTO people (mood) VALUES ('good')")
    assert site.sql("SELECT max(id) FROM people") == [(301,)]
    assert site.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'db_migrate_kept'::regnamespace") == [(0,)]


def test_forward_back_and_forward_again(site: Site) -> None:
    """Each time the rows are kept, and each time they come back, with what was added in between."""
    site.sql(*GROUND)
    site.revision("r0", "pass")
    site.revision("r1", "op.drop_table('people')", RECREATE)
    for rows in (300, 301, 302):
        assert site.execute(keeping(site)).error is None
        assert site.execute(keeping(site, "r0", down=True)).error is None
        assert site.sql("SELECT count(*) FROM people") == [(rows,)]
        site.sql("INSERT INTO people (mood) VALUES ('good')")


def test_a_dropped_column_comes_back_with_its_values(site_on_each: Site) -> None:
    """By the key of each row; rows that came since keep what the revision gives them, rows that went stay away."""
    site = site_on_each
    site.sql(*GROUND)
    site.revision("r0", "pass")
    site.revision(
        "r1",
        "op.execute('ALTER TABLE people DROP COLUMN \"Odd Name\", DROP COLUMN mood')",
        "op.execute('ALTER TABLE people ADD COLUMN \"Odd Name\" text, ADD COLUMN mood mood')",
    )
    before = site.sql('SELECT id, "Odd Name", mood FROM people WHERE id > 1 ORDER BY id')

    done = site.execute(keeping(site))
    assert done.error is None
    assert {(each.object, each.strategy, each.rows) for each in done.kept} == {
        ('public.people."Odd Name"', "copy", 300),
        ("public.people.mood", "copy", 300),
    }
    site.sql("DELETE FROM people WHERE id = 1", "INSERT INTO people (parent_id) VALUES (2)")
    undone = site.execute(keeping(site, "r0", down=True))

    assert undone.error is None
    assert {each.rows for each in undone.restored} == {299}
    assert site.sql('SELECT id, "Odd Name", mood FROM people WHERE id <= 300 ORDER BY id') == before
    assert site.sql('SELECT "Odd Name", mood FROM people WHERE id > 300') == [(None, None)]


def test_what_a_rollback_destroys_is_kept_too(site: Site) -> None:
    """Values written into a new column since the apply come back when the revision is applied again."""
    site.sql(*GROUND)
    site.revision("r0", "pass")
    site.revision("r1", "op.add_column('people', sa.Column('note', sa.Text))", "op.drop_column('people', 'note')")
    assert site.execute(keeping(site)).error is None
    site.sql("UPDATE people SET note = 'n' || id")
    assert [each.object for each in site.execute(keeping(site, "r0", down=True)).kept] == ["public.people.note"]
    again = site.execute(keeping(site))
    assert [(each.object, each.rows) for each in again.restored] == [("public.people.note", 300)]
    assert site.sql("SELECT count(*) FROM people WHERE note = 'n' || id") == [(300,)]


def test_a_run_that_fails_after_keeping_leaves_everything_as_it_was(site: Site) -> None:
    """Keeping is part of the revision's transaction."""
    site.sql(*GROUND)
    before = site.sql(CONTENT)
    site.revision("r0", "pass")
    site.revision("r1", "op.drop_table('people')\nop.execute('ALTER TABLE parents ADD CHECK (id > 3)')", RECREATE)
    stopped = site.execute(keeping(site))
    assert (stopped.exit_code, stopped.kept) == (4, ())
    assert site.sql(CONTENT) == before
    assert site.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'db_migrate_kept'::regnamespace") == [(0,)]


def test_triggers_neither_see_nor_change_what_is_put_back(site: Site) -> None:
    """A trigger that the downgrade makes again does not run for rows that only come home."""
    site.sql(
        "CREATE TABLE a (id int PRIMARY KEY, n int)",
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := 0; RETURN NEW; END $$",
        "INSERT INTO a SELECT g, g FROM generate_series(1, 9) g",
    )
    site.revision("r0", "pass")
    trigger = "op.execute('CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION spoil()')"
    site.revision("r1", "op.drop_table('a')", f"op.execute('CREATE TABLE a (id int PRIMARY KEY, n int)')\n{trigger}")
    assert site.execute(keeping(site)).error is None
    assert site.execute(keeping(site, "r0", down=True)).error is None
    assert site.sql("SELECT sum(n), count(*) FROM a") == [(45, 9)]
    site.sql("INSERT INTO a VALUES (10, 10)")
    assert site.sql("SELECT n FROM a WHERE id = 10") == [(0,)]
