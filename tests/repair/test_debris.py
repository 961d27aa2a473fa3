"""What does not do its work though PostgreSQL lets it stand: named one by one, ended by one repair."""

from __future__ import annotations

import contextlib

import pytest

from db_migrate.errors import Failed
from db_migrate.postgres.session import connect
from db_migrate.workspace import open_project

from .conftest import Project, blamed, retarget

GROUND = (
    "CREATE TABLE a (id serial PRIMARY KEY, n int, CONSTRAINT small CHECK (n < 100));"
    "CREATE TABLE b (a int REFERENCES a, n int);"
    "CREATE INDEX b_n ON b (n);"
    "CREATE TRIGGER quiet BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();"
    "INSERT INTO a (n) VALUES (1), (1);"
    "INSERT INTO b VALUES (1, 1), (2, 1)"
)
BREAKING = (
    "ALTER TABLE a DROP CONSTRAINT small",
    "ALTER TABLE a ADD CONSTRAINT small CHECK (n < 100) NOT VALID",
    "ALTER TABLE a DISABLE TRIGGER quiet",
    "ALTER TABLE b DISABLE TRIGGER ALL",
    "SELECT setval('a_id_seq', 1)",
)


def test_all_kinds_of_debris_at_once(project: Project) -> None:
    """Each is named with the statement that ends it; repair ends all, every row stays, and verify is clean."""
    project.revision("r1", GROUND, "DROP TABLE b; DROP TABLE a")
    project.plain()
    project.sql(*BREAKING)
    for statement in ("CREATE UNIQUE INDEX CONCURRENTLY once ON a (n)", "REINDEX INDEX CONCURRENTLY b_n"):
        with contextlib.closing(connect(project.conninfo)) as holder, contextlib.suppress(Exception):
            holder.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM b")
            project.sql("SET statement_timeout = '400ms'", statement)
    with open_project(project.settings()) as workspace:
        found = {(each.code, each.object): each.evidence["statement"] for each in blamed(workspace)}
        assert found == {
            ("index.invalid", "public.once"): "DROP INDEX CONCURRENTLY IF EXISTS public.once;",
            ("index.invalid", "public.b_n_ccnew"): "DROP INDEX CONCURRENTLY IF EXISTS public.b_n_ccnew;",
            ("constraint.not-validated", "public.a.small"): "ALTER TABLE public.a VALIDATE CONSTRAINT small;",
            ("trigger.disabled", "public.a.quiet"): "ALTER TABLE public.a ENABLE TRIGGER quiet;",
            ("foreign-key.disabled", "public.b.b_a_fkey"): "ALTER TABLE public.b ENABLE TRIGGER ALL;",
            ("sequence.behind", "public.a_id_seq"): "SELECT setval('public.a_id_seq', (SELECT max(id) FROM public.a));",
        }
        result = workspace.repair()
        assert len(result.steps) == len(found)
        assert result.verify is not None
        assert result.verify.problems == ()
        assert blamed(workspace) == []
    assert project.sql("SELECT id, n FROM a ORDER BY id") == [(1, 1), (2, 1)]
    assert project.sql("SELECT a, n FROM b ORDER BY a") == [(1, 1), (2, 1)]


def test_a_constraint_that_rows_violate_stays_named(project: Project) -> None:
    """The server's words are passed on, the rows are left alone, and all else is as before."""
    project.revision("r1", GROUND, "DROP TABLE b; DROP TABLE a")
    project.plain()
    project.sql(BREAKING[0], "UPDATE a SET n = 500 WHERE id = 2", BREAKING[1])
    with open_project(project.settings()) as workspace:
        with pytest.raises(Failed, match="refused a statement of the repair") as caught:
            workspace.repair()
        assert 'constraint "small"' in caught.value.why
        retarget(workspace, project.conninfo)
        assert [each.code for each in blamed(workspace)] == ["constraint.not-validated"]
    assert project.sql("SELECT n FROM a ORDER BY id") == [(1,), (500,)]
