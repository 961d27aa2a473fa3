"""A project whose parts are not where it says: named by doctor with what ends it, and nothing else is blamed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from db_migrate.errors import ConfigurationError
from db_migrate.workspace import open_project

from .conftest import Project

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@b.c")


def committed(project: Project) -> None:
    """Commit all that is there."""
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        subprocess.run(["git", *IDENTITY, *words], cwd=project.folder, check=True)


def linked(path: Path, to: str = "/nonexistent") -> None:
    """Put a symbolic link to nowhere in the place of whatever is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def says(project: Project, old: str, new: str) -> None:
    """Change the ini file."""
    ini = project.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace(old, new))


def renamed(project: Project) -> None:
    """Somebody gave the folder of revisions another name; Alembic then finds none and complains of nothing."""
    project.versions.rename(project.folder / "migrations" / "revisions")


def file_in_place(project: Project) -> None:
    """A checkout on Windows has the link to the folder as a file."""
    shutil.rmtree(project.versions)
    project.versions.write_text("../shared/versions")


SAID = "script_location = %(here)s/migrations"
BROKEN: dict[str, tuple[Callable[[Project], object], str, str]] = {
    "folder is a link": (lambda p: linked(p.versions), "graph.folder", "migrations/versions"),
    "folder is a file": (file_in_place, "graph.folder", "migrations/versions"),
    "folder is gone": (lambda p: shutil.rmtree(p.versions), "graph.folder", "migrations/versions"),
    "folder is another": (
        lambda p: says(p, SAID, f"{SAID}\nversion_locations = %(here)s/nowhere"),
        "graph.folder",
        "nowhere",
    ),
    "file is a link": (lambda p: linked(p.versions / "r2.py"), "file.unreadable", "versions/r2.py"),
    "another is a link": (lambda p: linked(p.versions / "r4.py", "r4.py"), "file.unreadable", "versions/r4.py"),
    "ini is a link": (lambda p: linked(p.folder / "alembic.ini"), "project.config", "alembic.ini"),
    "no section": (lambda p: says(p, "[alembic]", "[main]"), "project.config", "alembic.ini"),
    "env.py is a link": (lambda p: linked(p.folder / "migrations/env.py"), "project.scripts", "alembic.ini"),
    "scripts moved": (
        lambda p: (p.folder / "migrations").rename(p.folder / "alembic"),
        "project.scripts",
        "alembic.ini",
    ),
    "scripts elsewhere": (lambda p: says(p, "/migrations", "/alembic"), "project.scripts", "alembic.ini"),
    "scripts of a package": (lambda p: says(p, "%(here)s/", "shop:"), "project.scripts", "alembic.ini"),
    "scripts not said": (lambda p: says(p, "script_location", "# script_location"), "project.scripts", "alembic.ini"),
}

ABSENT = ("folder is gone", "folder is another")
"""What a new project has not either: the other verbs then find no revisions, as Alembic does."""


def test_what_is_not_where_it_should_be_is_named_and_its_cure_ends_it(project: Project) -> None:
    """Links to nowhere, folders that are gone or moved: one diagnosis each, an error of the other verbs, and a cure."""
    for number in (1, 2, 3):
        project.revision(f"r{number}", f"CREATE TABLE t{number} (id int)", f"DROP TABLE t{number}")
    committed(project)
    for name, (breaking, code, place) in BROKEN.items():
        breaking(project)

        found = project.only(code)

        assert found.object.endswith(place), name
        assert found.evidence["why"] or name == "scripts not said", found
        if name not in ABSENT:
            with pytest.raises(ConfigurationError), open_project(project.settings()) as workspace:
                assert workspace.graph.heads == (), name
        if found.cure.command.startswith("db-migrate -n main"):
            assert project.codes(name="main") == ["revisions.pending"]
        else:
            subprocess.run(found.cure.command, shell=True, check=True, capture_output=True)
            with open_project(project.settings()) as workspace:
                assert list(workspace.graph.revisions) == ["r1", "r2", "r3"], name
        subprocess.run("git checkout -q . && git clean -fdq -e cache", shell=True, cwd=project.folder, check=True)
    assert project.codes() == ["revisions.pending"]


def test_without_git_the_folder_with_the_revisions_is_found(project: Project) -> None:
    """What is said in the ini file leads there; a project that has no revisions yet lacks nothing."""
    project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    for breaking in (renamed, lambda p: linked(p.versions, "/gone")):
        breaking(project)
        found = project.only("graph.folder")
        assert found.evidence["found_in"] == (str(project.folder / "migrations" / "revisions"),)
        subprocess.run(found.cure.command, shell=True, check=True)
        with open_project(project.settings()) as workspace:
            assert workspace.graph.heads == ("r1",)
        says(project, "\nversion_locations = %(here)s/migrations/revisions", "")
    project.versions.unlink()
    shutil.rmtree(project.folder / "migrations" / "revisions")
    assert project.codes() == []
