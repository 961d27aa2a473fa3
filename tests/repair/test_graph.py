"""What is wrong with the revision files, named from the files alone and cured by the command that is given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from .conftest import Project


def three(project: Project) -> None:
    """A history of three revisions, applied."""
    for number in (1, 2, 3):
        project.revision(f"r{number}", f"CREATE TABLE t{number} (id int)", f"DROP TABLE t{number}")


def _edit(project: Project, revision: str, old: str, new: str) -> None:
    file = project.versions / f"{revision}.py"
    file.write_text(file.read_text().replace(old, new))


def duplicate(project: Project) -> None:
    """Somebody else's second revision got the same id."""
    _edit(project, "r3", "revision = 'r3'\ndown_revision = 'r2'", "revision = 'r2'\ndown_revision = 'r1'")


def copy(project: Project) -> None:
    """A revision lies there twice."""
    (project.versions / "r3 copy.py").write_bytes((project.versions / "r3.py").read_bytes())


def missing(project: Project) -> None:
    """The middle one is gone."""
    (project.versions / "r2.py").unlink()


def circle(project: Project) -> None:
    """The first comes after the last."""
    _edit(project, "r1", "down_revision = None", "down_revision = 'r3'")


def labels(project: Project) -> None:
    """Two have the same label."""
    for each in ("r1", "r3"):
        _edit(project, each, "import sqlalchemy", "branch_labels = 'main'\nimport sqlalchemy")


def heads(project: Project) -> None:
    """Two people went on from the first."""
    _edit(project, "r3", "down_revision = 'r2'", "down_revision = 'r1'")


def clash(project: Project) -> None:
    """Two people went on from the first, and it matters who was first."""
    _edit(project, "r3", "down_revision = 'r2'", "down_revision = 'r1'")
    _edit(project, "r2", "CREATE TABLE t2 (id int)", "ALTER TABLE t1 ADD n int")
    _edit(project, "r3", "CREATE TABLE t3 (id int)", "ALTER TABLE t1 RENAME TO t3")


def elsewhere(project: Project) -> None:
    """Someone set version_locations, and left the last revision where revisions usually are."""
    (project.folder / "own").mkdir()
    for each in ("r1", "r2"):
        (project.versions / f"{each}.py").rename(project.folder / "own" / f"{each}.py")
    with (project.folder / "alembic.ini").open("a") as ini:
        ini.write("version_locations = %(here)s/own\n")


def itself(project: Project) -> None:
    """A revision comes after itself."""
    _edit(project, "r3", "down_revision = 'r2'", "down_revision = 'r3'")


def broken(project: Project) -> None:
    """A merge conflict was committed."""
    _edit(project, "r3", "import sqlalchemy as sa", "<<<<<<< HEAD")


def ignored(project: Project) -> None:
    """The last one lies in a folder of its own."""
    folder = project.versions / "new"
    folder.mkdir()
    (project.versions / "r3.py").rename(folder / "r3.py")


def bytecode(project: Project) -> None:
    """The bytecode of a revision that is gone."""
    (project.versions / "old.pyc").write_bytes(b"\0")


@pytest.mark.parametrize(
    ("breaking", "code", "named", "cured"),
    [
        (duplicate, "graph.duplicate", "r2", True),
        (copy, "graph.duplicate", "r3", True),
        (missing, "graph.missing-parent", "r2", False),
        (circle, "graph.cycle", "r3", True),
        (labels, "graph.duplicate-label", "main", True),
        (itself, "graph.cycle", "r3", True),
        (heads, "graph.multiple-heads", "r2, r3", True),
        (clash, "graph.multiple-heads", "r2, r3", False),
        (elsewhere, "graph.ignored-file", "r3.py", True),
        (broken, "file.unreadable", "r3.py", False),
        (ignored, "graph.ignored-file", "r3.py", True),
        (bytecode, "graph.leftover-bytecode", "old.pyc", True),
    ],
)
def test_what_is_wrong_with_the_files_is_named_and_nothing_else(
    project: Project, breaking: Callable[[Project], None], code: str, named: str, cured: bool
) -> None:
    """Each trouble is named with its place; where the cure is a command, running it ends the trouble."""
    three(project)
    breaking(project)

    found = [each for each in project.blamed() if each.code != "revisions.pending"]

    assert [each.code for each in found] == [code]
    assert found[0].object.endswith(named)
    if code == "graph.multiple-heads":
        assert found[0].evidence["commute"] is cured
        assert ("r2 fails after r3" in str(found[0].evidence["clash"])) is not cured
    if cured:
        command = found[0].cure.command.replace("db-migrate", f"{sys.executable} -m db_migrate")
        subprocess.run(command, shell=True, check=True, cwd=project.folder, capture_output=True)
        left = project.codes()
        assert code not in left
