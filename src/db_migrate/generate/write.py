"""Revision files: made by the project's template in a folder of ours, put in place whole once they are proved."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from db_migrate.config import RevisionIds, Settings
from db_migrate.errors import Refused
from db_migrate.project.graph import Graph
from db_migrate.project.jobs import WrittenRevision

_NUMBER = re.compile(r"\d+")
_DIGITS = 4


@dataclass(frozen=True)
class Draft:
    """A revision that is not yet part of the project."""

    revision: str
    written: WrittenRevision
    waits_for: str | None = None

    @property
    def place(self) -> Path:
        """Where it belongs."""
        return Path(self.written.folder) / self.written.name


def next_id(graph: Graph, settings: Settings, given: str | None, ahead: Iterable[str] = ()) -> str | None:
    """The id that was asked for, or the number that comes next; None to let Alembic choose one."""
    if given is not None or settings.revision_ids is not RevisionIds.SEQUENTIAL:
        return given
    taken = [name for name in (*graph.revisions, *ahead) if _NUMBER.fullmatch(name)]
    width = max((len(name) for name in taken), default=_DIGITS)
    return str(max((int(name) for name in taken), default=0) + 1).zfill(width)


@contextlib.contextmanager
def draft_folder() -> Iterator[Path]:
    """A folder for revisions that are not yet proved."""
    with tempfile.TemporaryDirectory(prefix="dbm-generate-") as folder:
        yield Path(folder)


def put_aside(drafts: Iterable[Draft], folder: Path) -> None:
    """Write the drafts where only the proof sees them."""
    for draft in drafts:
        (folder / draft.written.name).write_text(draft.written.text, encoding="utf-8")


def put_in_place(drafts: Iterable[Draft]) -> None:
    """Write the drafts into the project, all or none, each whole. Raises Refused where a file is there already.

    Only a process that is killed between two of them leaves the first ones, which are proved revisions all the same.
    """
    written: list[Path] = []
    try:
        for draft in drafts:
            _write(draft.place, draft.written.text)
            written.append(draft.place)
    except BaseException:
        for place in written:
            place.unlink(missing_ok=True)
        raise


def replace_file(place: Path, text: str) -> None:
    """Give a file another text, whole or not at all, with the rights that it had."""
    descriptor, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.stem}-", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(place.stat().st_mode)
        Path(temporary).replace(place)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _write(place: Path, text: str) -> None:
    """Under another name first, which no revision has; then linked, which never overwrites anything."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.stem}-", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        try:
            place.hardlink_to(temporary)
        except FileExistsError:
            raise Refused(
                "generate.exists", f"{place.name} is there already", where=str(place), state="nothing was written"
            ) from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
