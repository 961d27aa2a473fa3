"""The revision files, each read by itself, so that one that cannot be read hides none of the others' troubles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db_migrate.errors import ConfigurationError
from db_migrate.project.config import ProjectConfig
from db_migrate.project.files import RevisionFile, read_revision, revision_paths


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file in a folder of revisions that is none that Alembic could load."""

    file: Path
    error: ConfigurationError


@dataclass(frozen=True, slots=True)
class Reading:
    """What the files say: those that can be read, in the order in which Alembic reads them, and those that cannot."""

    files: tuple[RevisionFile, ...]
    unreadable: tuple[Unreadable, ...]

    def raise_first(self) -> None:
        """Raise what is wrong with the first file that cannot be read, if there is one."""
        for each in self.unreadable:
            raise each.error


def read_files(project: ProjectConfig) -> Reading:
    """Read every file that Alembic would take for a revision."""
    files: list[RevisionFile] = []
    unreadable: list[Unreadable] = []
    for path in revision_paths(project.version_locations, recursive=project.recursive_version_locations):
        try:
            files.append(read_revision(path))
        except ConfigurationError as error:
            unreadable.append(Unreadable(path, error))
    return Reading(tuple(files), tuple(unreadable))
