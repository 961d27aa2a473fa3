"""The revision files, each read by itself, so that one that cannot be read hides none of the others' troubles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from db_migrate.errors import ConfigurationError
from db_migrate.project.config import ProjectConfig
from db_migrate.project.files import RevisionFile, no_folder, read_revision, revision_paths
from db_migrate.repair.finding import commit_with, is_revision, python_files


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file in a folder of revisions that is none that Alembic could load."""

    file: Path
    error: ConfigurationError


@dataclass(frozen=True, slots=True)
class Reading:
    """What the files say: those that can be read, in the order in which Alembic reads them, and those that cannot.

    ``folders`` are the version locations that are none, though revisions should be there.
    """

    files: tuple[RevisionFile, ...]
    unreadable: tuple[Unreadable, ...]
    folders: tuple[Path, ...] = ()

    def raise_first(self) -> None:
        """Raise what is wrong with the first folder or file that cannot be read, if there is one."""
        for location in self.folders:
            raise no_folder(location)
        for each in self.unreadable:
            raise each.error


def read_files(project: ProjectConfig) -> Reading:
    """Read every file that Alembic would take for a revision."""
    files: list[RevisionFile] = []
    unreadable: list[Unreadable] = []
    there = [each for each in project.version_locations if each.is_dir()]
    for path in revision_paths(there, recursive=project.recursive_version_locations):
        try:
            files.append(read_revision(path))
        except ConfigurationError as error:
            unreadable.append(Unreadable(path, error))
    nothing = not files and not unreadable
    missing = (each for each in project.version_locations if each not in there)
    folders = tuple(each for each in missing if _is_missed(each, project, nothing=nothing))
    return Reading(tuple(files), tuple(unreadable), folders)


def _is_missed(location: Path, project: ProjectConfig, *, nothing: bool) -> bool:
    """Whether there should be revisions in a location that is no folder; a new project has neither."""
    if location.exists() or location.is_symlink() or commit_with(location) == "HEAD":
        return True
    return nothing and bool(folders_nearby(project))


def folders_nearby(project: ProjectConfig) -> tuple[Path, ...]:
    """Folders of the project in which revisions lie, that with most of them first."""
    root = project.script_location.parent
    counts = Counter(each.parent for each in python_files(root) if is_revision(each))
    return tuple(folder for folder, _ in counts.most_common())
