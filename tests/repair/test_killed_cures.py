"""Every other cure of repair, killed with kill -9 before any of its statements: run again, it ends as if not killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import TargetServer

from db_migrate.postgres.session import connect
from db_migrate.workspace import Workspace, open_project

from .conftest import Project, blamed, copy_of, retarget
from .killing import BEGINS
from .test_debris import BREAKING, GROUND
from .test_killed import killed, nobody_left
from .test_lost import git

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"


def debris(project: Project) -> None:
    """Indexes that are invalid, one of which the history has; what is not validated, disabled, or behind."""
    project.sql(*BREAKING, "CREATE INDEX CONCURRENTLY extra ON a (n)")
    # What a REINDEX or CREATE INDEX that did not end leaves behind, without the wait for one that does not.
    project.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('b_n'::regclass, 'extra'::regclass)")


def drift(project: Project) -> None:
    """A column by hand, beside a revision that waits: the bridge has to be joined to it."""
    project.sql("ALTER TABLE b ADD by_hand int DEFAULT 3")
    project.revision("r2", "CREATE TABLE c (id int)", "DROP TABLE c")


def lost(project: Project) -> None:
    """The file of the last revision was deleted, the one below was edited, and git has both."""
    project.revision("r2", "CREATE TABLE c (id int)", "DROP TABLE c")
    last = project.revision("r3", "CREATE TABLE d (id int)", "DROP TABLE d")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(project.folder, *words)
    project.plain()
    last.unlink()
    edited = project.versions / "r2.py"
    edited.write_text(edited.read_text().replace("(id int)", "(id int, more text)"))


def gone(project: Project) -> None:
    """The file of the last revision is nobody's any more, and another one waits beside it."""
    project.revision("r2", "CREATE TABLE c (id int)", "DROP TABLE c").unlink()
    project.sql("CREATE TABLE c (id int)", "UPDATE alembic_version SET version_num = 'r2'")
    project.revision("r3", "CREATE TABLE d (id int)", "DROP TABLE d", down="r1")


def rows(project: Project) -> None:
    """A revision and the one that stands on it, both in the version table."""
    project.revision("r2", "CREATE TABLE c (id int)", "DROP TABLE c")
    project.plain()
    project.sql("INSERT INTO alembic_version VALUES ('r1')")


def missing(project: Project) -> None:
    """A version table that is empty."""
    project.sql("DELETE FROM alembic_version")


def renamed(project: Project) -> None:
    """A version table of another name."""
    project.sql("ALTER TABLE alembic_version RENAME TO kept_away")


def squashed(project: Project) -> None:
    """Two of three that were squashed have not run."""
    project.revision("r2", "CREATE TABLE c (id int); INSERT INTO c VALUES (1)", "DROP TABLE c")
    project.revision("r3", "ALTER TABLE c ADD n int; UPDATE c SET n = coalesce(n, 0) + 1", "ALTER TABLE c DROP n")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        git(project.folder, *words)
    for each in ("r1", "r2", "r3"):
        (project.versions / f"{each}.py").unlink()
    project.revision("squash", f"{GROUND}; CREATE TABLE c (id int, n int)", "DROP TABLE c, b, a", down=None)


@dataclass(frozen=True)
class Cure:
    """A state, what repair is told, where it ends, and before which statements it is killed in the short run."""

    breaking: Callable[[Project], None]
    to: str
    left: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    few: tuple[int, ...] = ()
    begins: bytes = BEGINS
    every: int = 1
    made: int = 0
    """How many files it writes."""


CURES: dict[str, Cure] = {
    "debris": Cure(debris, "r1", few=(17,)),
    "bridge": Cure(drift, "", ("revisions.pending",), ("--bridge",), made=2),
    "lost": Cure(lost, "r3", begins=b"", every=11, made=2),
    "gone": Cure(gone, "", ("revisions.pending",), ("--bridge",), few=(9,), made=2),
    "rows": Cure(rows, "r2"),
    "missing": Cure(missing, "r1"),
    "renamed": Cure(renamed, "r1"),
    "squash": Cure(squashed, "squash"),
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """One revision, applied by plain Alembic, with rows. To be copied."""
    project = Project(tmp_path_factory.mktemp("ground"), target_server.new_database())
    project.lay_out()
    project.revision("r1", GROUND, "DROP TABLE b, a")
    project.plain()
    return project


def as_before(project: Project, pristine: Path) -> None:
    """Let the folder of revisions be what it was when the project was broken."""
    shutil.rmtree(project.versions)
    shutil.copytree(pristine, project.versions)


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_file()]


def places(cure: Cure) -> Iterable[int]:
    """Before which statements it is killed."""
    return range(1, 500, cure.every) if LONG else cure.few


@pytest.mark.parametrize("name", [name for name, each in CURES.items() if LONG or each.few])
def test_a_cure_killed_before_any_of_its_statements(
    name: str, ground: Project, tmp_path: Path, target_server: TargetServer
) -> None:
    """The next repair ends where the first would have: nothing is there twice, no row is lost, doctor finds nothing."""
    cure = CURES[name]
    project = ground.copied(tmp_path / "project", target_server)
    cure.breaking(project)
    pristine = shutil.copytree(project.versions, tmp_path / "pristine")
    struck = 0
    with open_project(project.settings()) as workspace:
        for at in places(cure):
            as_before(project, pristine)
            database = copy_of(target_server, project.conninfo)
            if not killed(project, database, at, *cure.flags, begins=cure.begins):
                break
            struck += 1
            retarget(workspace, database)
            nobody_left(workspace)
            _ended(workspace, cure, at, len(_files(pristine)))
    assert struck == len(cure.few) or (LONG and struck > 3)


def _ended(workspace: Workspace, cure: Cure, at: int, files: int) -> None:
    """Repair again, and see that all is as it should be."""
    bridge = bool(cure.flags)
    result = workspace.repair(bridge=bridge, confirm=workspace.target.conninfo.dbname)
    assert result.error is None, (at, result.error)
    assert result.verify is not None
    assert result.verify.problems == (), at
    assert [each.code for each in blamed(workspace)] == list(cure.left), at
    heads = workspace.live_state.current
    assert heads == (cure.to,) if cure.to else heads != ("r1",), at
    assert len(_files(workspace.project.version_locations[0])) == files + cure.made, at
    with contextlib.closing(connect(workspace.target.conninfo)) as connection:
        counted = connection.execute("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)").fetchone()
        assert counted == (2, 2), at
        if cure.breaking is squashed:
            assert connection.execute("SELECT id, n FROM c").fetchall() == [(1, 1)], at
