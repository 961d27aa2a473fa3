"""What verify finds in a database that is not as it should be."""

from __future__ import annotations

import pytest

from db_migrate.execute.verify import behind, verify
from db_migrate.postgres.session import read_only
from db_migrate.results import Problem

from .conftest import Site

GROUND = (
    "CREATE TABLE a (id serial PRIMARY KEY, n int)",
    "CREATE TABLE b (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a_id int REFERENCES a)",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f()",
    "INSERT INTO a (n) SELECT 1 FROM generate_series(1, 3)",
)

FLAWS = {
    "index.invalid": (
        "CREATE INDEX a_n ON a (n); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_n'::regclass",
        "public.a_n",
        "db-migrate repair",
    ),
    "constraint.not-validated": (
        "ALTER TABLE a ADD CONSTRAINT positive CHECK (n > 0) NOT VALID",
        "public.a.positive",
        "ALTER TABLE public.a VALIDATE CONSTRAINT positive;",
    ),
    "trigger.disabled": ("ALTER TABLE a DISABLE TRIGGER t", "public.a.t", "ALTER TABLE public.a ENABLE TRIGGER t;"),
    "foreign-key.disabled": (
        "ALTER TABLE b DISABLE TRIGGER ALL",
        "public.b.b_a_id_fkey",
        "ALTER TABLE public.b ENABLE TRIGGER ALL;",
    ),
    "sequence.behind": (
        "INSERT INTO a (id) VALUES (50)",
        "public.a_id_seq",
        "SELECT setval('public.a_id_seq', (SELECT max(id) FROM public.a));",
    ),
}


def problems(site: Site, **given: object) -> tuple[Problem, ...]:
    """What verify finds, without an expected schema unless one is given."""
    return verify(site.target, site.live(), **({"expected": None} | given)).problems  # type: ignore[arg-type]  # as given


@pytest.mark.parametrize("code", FLAWS)
def test_a_flaw_is_found_and_its_cure_works(site_on_each: Site, code: str) -> None:
    """Each flaw is named with its object and a command; where that is SQL, running it ends the problem."""
    site = site_on_each
    site.sql(*GROUND)
    assert problems(site) == ()
    statements, name, command = FLAWS[code]
    site.sql(*statements.split(";"))

    (found,) = problems(site)

    assert (found.code, found.object, found.command) == (code, name, command)
    if not command.startswith("db-migrate"):
        site.sql(command)
        assert problems(site) == ()


def test_many_sequences_are_looked_at_without_holding_locks(site_on_each: Site) -> None:
    """Thousands of tables are more than a transaction may lock: those that are behind are found, nothing stays held."""
    site = site_on_each
    site.sql(*(f"CREATE TABLE many_{number} (id serial PRIMARY KEY)" for number in range(230)))
    site.sql(*(f"INSERT INTO many_{number} VALUES (5)" for number in (0, 99, 100, 229)))
    site.sql("INSERT INTO many_7 DEFAULT VALUES")
    with read_only(site.target.conninfo) as connection:
        found = {each.object for each in behind(connection)}
        held = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text LIKE '%many_%'"
        ).fetchone()
    assert found == {f"public.many_{number}_id_seq" for number in (0, 99, 100, 229)}
    assert held == (0,)


def test_a_flaw_that_the_revisions_want_is_none(site: Site) -> None:
    """A constraint that is to be NOT VALID, and a trigger that is to be disabled, are as they should be."""
    site.sql(*GROUND, FLAWS["constraint.not-validated"][0], FLAWS["trigger.disabled"][0])
    assert problems(site, expected=site.live()) == ()


def test_what_was_rewritten_has_statistics_again(site_on_each: Site) -> None:
    """A column whose type changes loses what the planner knows of it: the run looks at the table once more."""
    site = site_on_each
    site.sql(
        "CREATE TABLE big (id int, n int)", "INSERT INTO big SELECT g, g FROM generate_series(1, 2000) g", "ANALYZE"
    )
    site.revision("r1", "op.execute('ALTER TABLE big ALTER n TYPE bigint')")
    assert site.apply().error is None
    assert site.sql("SELECT n_distinct FROM pg_stats WHERE tablename = 'big' AND attname = 'n'") == [(-1.0,)]
    assert site.sql("SELECT content ->> 'analyzed' FROM db_migrate.entries WHERE kind = 'note'") == [
        ('"public"."big"',)
    ]


def test_drift_from_what_is_expected_names_object_and_attribute(site: Site) -> None:
    """And what is hidden, with all that belongs to it, is left out."""
    site.sql(*GROUND)
    expected = site.live()
    site.sql("ALTER TABLE a ALTER COLUMN n SET DEFAULT 7", "CREATE TABLE alembic_version (version_num text)")
    (found,) = problems(site, expected=expected, hidden={"public.alembic_version"})
    assert (found.code, found.object) == ("schema.altered", "public.a.n")
    assert "default" in found.message


def test_another_revision_than_planned(site: Site) -> None:
    """The version table is asked, not the plan."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    site.apply()
    assert problems(site, planned=("r1",)) == ()
    (found,) = problems(site, planned=("r2",))
    assert (found.code, found.message) == ("revision.other", "the database is at r1, planned was r2")


def test_a_revision_that_was_edited_after_it_was_applied(site: Site) -> None:
    """Its script is not the one in the journal; rolled back, it may be edited at will."""
    file = site.revision("r1", "op.execute('CREATE TABLE a (id int)')", "op.execute('DROP TABLE a')")
    site.apply()
    assert problems(site, files={"r1": file}) == ()
    file.write_text(file.read_text() + "# afterthought\n")
    (found,) = problems(site, files={"r1": file})
    assert (found.code, found.object) == ("revision.edited", "r1")
    site.rollback("base")
    assert problems(site, files={"r1": file}) == ()
