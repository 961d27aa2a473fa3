"""What only the target's rows keep from running: they are shown, and once they are corrected it runs."""

from __future__ import annotations

import os
import subprocess

import pytest

from db_migrate.errors import Refused
from db_migrate.results import RunResult
from db_migrate.workspace import Workspace, open_project

from .conftest import Project, blamed

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
CONCURRENTLY = """
op.execute("CREATE TABLE begun (id int)")
with op.get_context().autocommit_block():
    op.execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (b)")
"""

CASES = (
    ("nulls", "ALTER TABLE t ALTER a SET NOT NULL", "2 rows of public.t with NULL in a", "UPDATE t SET a = 0", 2),
    ("cast", "ALTER TABLE t ALTER d TYPE int USING d::int", "1 value of public.t.d", "UPDATE t SET d = '1'", 1),
    ("seed", "INSERT INTO p VALUES (1, 'it''s'), (2, 'x')", "", "DELETE FROM p", 1),
    ("twice", CONCURRENTLY, "1 value of public.i that several rows", "UPDATE t SET b = id", 1),
)
"""The revision, what it does, what is said of the rows, what corrects them, and how many the command shows."""


def shown(project: Project, command: str) -> int:
    """How many rows a command of psql shows."""
    environment = os.environ | {"PGPASSWORD": project.conninfo.password or ""}
    ran = subprocess.run(f"{command} -At", shell=True, check=True, env=environment, capture_output=True, text=True)
    return len(ran.stdout.splitlines())


def applied(project: Project, workspace: Workspace) -> RunResult:
    """Apply, with whatever has to be allowed allowed."""
    allowed = tuple(dict.fromkeys(each.name for each in workspace.plan().findings))
    return workspace.apply(allow=allowed, confirm=project.conninfo.dbname)


def test_rows_in_the_way_are_shown_by_whatever_meets_them(project: Project) -> None:
    """Doctor before and after, apply and repair say how many, which first, and what to type; then they go on."""
    project.revision(
        "r1",
        "CREATE TABLE p (id int, n text, PRIMARY KEY (id, n)); CREATE TABLE t (id int, a int, b int, d text)",
        "DROP TABLE t, p",
    )
    project.plain()
    project.sql(
        "INSERT INTO p VALUES (1, 'it''s')",
        "INSERT INTO t VALUES (1, NULL, 5, '12'), (2, 2, 5, 'abc'), (3, NULL, 6, '13')",
    )
    for name, up, said, correction, number in CASES if LONG else CASES[1:]:
        project.revision(name, up)
        with open_project(project.settings()) as workspace:
            if said:
                (found,) = blamed(workspace)
                assert (found.code, found.evidence["pending"]) == ("revisions.rows", (name,))
                assert said in found.message
                assert shown(project, found.cure.command) == number
                with pytest.raises(Refused) as refused:
                    workspace.apply()
                assert not any("would-fail-on-data" in each for each in refused.value.next)
            _stopped(project, workspace, name, said, number)
            project.sql(correction)
            if name == "twice":
                assert workspace.repair().state == "done"
            else:
                assert applied(project, workspace).error is None
            assert blamed(workspace) == []
    raising = "op.execute(\"DO 'BEGIN IF EXISTS (SELECT FROM t) THEN RAISE EXCEPTION ''not yet''; END IF; END'\")"
    project.revision("raises", raising)
    with open_project(project.settings()) as workspace:
        assert blamed(workspace)[0].cure.command == "db-migrate apply"
        error = applied(project, workspace).error
        assert error is not None
        assert error.next == ("db-migrate apply --rehearse", "db-migrate apply raises")
        (found,) = blamed(workspace)
        assert (found.cure.command, found.severity, "not yet" in found.message) == (error.next[0], "error", True)
    assert project.sql("SELECT id, b, d FROM t ORDER BY id") == [(1, 1, 1), (2, 2, 1), (3, 3, 1)]


def _stopped(project: Project, workspace: Workspace, name: str, said: str, number: int) -> None:
    """Apply all the same: the error shows the rows, and so do doctor and repair afterwards."""
    error = applied(project, workspace).error
    assert error is not None
    assert said in error.why
    again = "db-migrate repair" if name == "twice" else f"db-migrate apply {name}"
    assert (len(error.next), error.next[1]) == (2, again)
    assert shown(project, error.next[0]) == number
    (found,) = blamed(workspace)
    assert found.cure.command == error.next[0]
    if name == "twice":
        assert (found.code, said in str(found.evidence["rows"])) == ("revision.partial", True)
        with pytest.raises(Refused, match="would fail on rows") as refused:
            workspace.repair()
        assert refused.value.next == (error.next[0], "db-migrate repair", "db-migrate repair --back")
