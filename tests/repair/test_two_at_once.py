"""Two things that are wrong at once: each is named for what it is, and the cures end both, in whichever order."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import TargetServer

from db_migrate.errors import Refused
from db_migrate.results import Diagnosis
from db_migrate.workspace import Workspace, open_project

from .conftest import Project, blamed
from .test_lost import git
from .test_states import advised

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """Three revisions in a git repository, two of them applied by plain Alembic, with rows. To be copied."""
    project = Project(tmp_path_factory.mktemp("ground"), target_server.new_database())
    project.lay_out()
    (project.folder / ".gitignore").write_text("cache/\n__pycache__/\n")
    up = (
        "CREATE TABLE t1 (id int PRIMARY KEY, n int); INSERT INTO t1 VALUES (1, 1), (2, 1); CREATE INDEX t1_n ON t1 (n)"
    )
    project.revision("r1", up, "DROP TABLE t1")
    project.revision("r2", "CREATE TABLE t2 (id int); INSERT INTO t2 VALUES (1)", "DROP TABLE t2")
    up = "ALTER TABLE t2 ADD a int; ALTER TABLE t2 ADD b int; CREATE INDEX t2_a ON t2 (a)"
    project.revision("r3", up, "DROP INDEX t2_a; ALTER TABLE t2 DROP a; ALTER TABLE t2 DROP b")
    git(project.folder, "init", "-q", "-b", "main")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "three revisions")
    project.plain("r2")
    return project


def removed(project: Project, *revisions: str) -> None:
    """Somebody deletes files, and commits that."""
    for each in revisions:
        git(project.folder, "rm", "-q", f"migrations/versions/{each}.py")
    git(project.folder, "commit", "-qm", "not needed any more")


def half_done(project: Project) -> None:
    """Plain Alembic is killed in the middle of the third."""
    project.plain("r3", stop=2, mode="autocommit")


def edited(project: Project) -> None:
    """Somebody adds a column to the first."""
    file = project.versions / "r1.py"
    file.write_text(file.read_text().replace("n int)", "n int, more text)"))


def lost_and_invalid(project: Project) -> None:
    """The second and third are gone, and an index of the first is invalid, like one that nobody knows."""
    removed(project, "r2", "r3")
    project.sql("CREATE INDEX extra ON t1 (n)")
    project.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('t1_n'::regclass, 'extra'::regclass)")


def edited_and_half_done(project: Project) -> None:
    """The first was edited, and the third is half-done; nothing but git knows."""
    half_done(project)
    edited(project)


def edited_and_half_done_with_a_journal(project: Project) -> None:
    """The same, where db-migrate has applied the first two."""
    project.sql("DROP TABLE t1, t2, alembic_version")
    with open_project(project.settings()) as workspace:
        assert workspace.apply("r2").error is None
    edited_and_half_done(project)


def half_done_and_lost(project: Project) -> None:
    """The third is half-done, and its file is gone."""
    half_done(project)
    removed(project, "r3")


def half_done_and_both_lost(project: Project) -> None:
    """The second's is gone too."""
    half_done(project)
    removed(project, "r2", "r3")


def half_done_and_parent_lost(project: Project) -> None:
    """Only the second's is."""
    half_done(project)
    removed(project, "r2")


def heads_and_drift(project: Project) -> None:
    """Another revision comes after the second, and somebody added a column by hand."""
    project.revision("x3", "CREATE TABLE x (id int)", "DROP TABLE x", down="r2")
    project.sql("ALTER TABLE t1 ADD by_hand int")


CASES: dict[str, tuple[Callable[[Project], None], dict[str, str]]] = {
    "lost, invalid": (
        lost_and_invalid,
        {"public.extra": "index.invalid", "public.t1_n": "index.invalid", "r2": "revision.lost"},
    ),
    "edited, half-done": (edited_and_half_done, {"r1": "revision.edited"}),
    "edited, half-done, journal": (edited_and_half_done_with_a_journal, {"r1": "revision.edited"}),
    "half-done, lost": (half_done_and_lost, {"r3": "revision.lost"}),
    "half-done, both lost": (half_done_and_both_lost, {"r2": "revision.lost"}),
    "half-done, parent lost": (half_done_and_parent_lost, {"r2": "graph.missing-parent"}),
    "heads, drift": (heads_and_drift, {"": "schema.differs", "r3, x3": "graph.multiple-heads"}),
}
"""What is done, and what doctor says of which object at first; the empty name stands for the database."""
FEW = ("lost, invalid", "half-done, lost")


@pytest.mark.parametrize("name", CASES if LONG else FEW)
def test_both_are_named_and_the_cures_end_them(
    name: str, ground: Project, tmp_path: Path, target_server: TargetServer
) -> None:
    """Whether the first cure of doctor's list is carried out each time or the last: both are ended, no row is lost."""
    breaking, wanted = CASES[name]
    for place in (0, -1) if LONG else (0,):
        project = ground.copied(tmp_path / str(place), target_server)
        breaking(project)
        with open_project(project.settings()) as workspace:
            found = _named(workspace)
            named = {each.object.replace(project.conninfo.dbname, ""): each.code for each in found}
            assert named == wanted
            if name == "lost, invalid":  # what is only invalid, it did not do
                assert found[-1].evidence["did"] == ("created table public.t2",)
            if name in ("edited, half-done", "half-done, lost"):
                assert found[0].evidence["half_done"] == "r3"
            for _ in range(6):
                found = _named(workspace)
                if not found:
                    break
                _typed(project, workspace, found[place])
            assert _named(workspace) == [], name
        assert project.sql("SELECT t1.id, n, t2.id FROM t1, t2 ORDER BY 1") == [(1, 1, 1), (2, 1, 1)]


def _named(workspace: Workspace) -> list[Diagnosis]:
    for name in ("graph", "_histories"):  # files may have been written by somebody else
        workspace.__dict__.pop(name, None)
    workspace._forget_live()
    return [each for each in blamed(workspace) if each.code != "revisions.pending"]


def _typed(project: Project, workspace: Workspace, diagnosis: Diagnosis) -> None:
    """Do what was advised; where that only shows SQL, what is said to take the differences into the history."""
    words = shlex.split(diagnosis.cure.command)[1:]
    if words == ["repair"] or words[0] == "drift":
        result = workspace.repair(bridge=words[0] == "drift")
        assert result.error is None
    else:
        advised(project, diagnosis.cure.command)


def test_another_targets_journal_comes_first(ground: Project, tmp_path: Path, target_server: TargetServer) -> None:
    """A revision that is there twice is named beside it; nothing is changed before the target has its own name."""
    project = ground.copied(tmp_path, target_server)
    project.plain(verb="downgrade", to="r1")
    with open_project(project.settings(target="staging")) as workspace:
        assert workspace.apply("r2").error is None
    project.sql("ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc")
    project.sql("INSERT INTO alembic_version VALUES ('r2')")
    with open_project(project.settings()) as workspace:
        assert {each.code for each in _named(workspace)} == {"environment.other", "version.rows"}
        with pytest.raises(Refused, match="staging"):
            workspace.repair()
    assert project.sql("TABLE alembic_version") == [("r2",), ("r2",)]
    with open_project(project.settings(target="staging")) as workspace:
        assert workspace.repair().error is None
        assert _named(workspace) == []
