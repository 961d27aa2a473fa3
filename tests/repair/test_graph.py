"""What is wrong with the revision files, named from the files alone and cured by the command that is given."""

from __future__ import annotations

import subprocess
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
        (heads, "graph.multiple-heads", "r2, r3", False),
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

    found = [each for each in project.doctor().diagnoses if each.code != "revisions.pending"]

    assert [each.code for each in found] == [code]
    assert found[0].object.endswith(named)
    if cured:
        subprocess.run(found[0].cure.command, shell=True, check=True)
        left = project.codes()
        assert code not in left
