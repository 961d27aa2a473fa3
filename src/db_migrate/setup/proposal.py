"""A file as it is and as it would be; nothing is written before all of it has been shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from db_migrate.errors import Refused
from db_migrate.results import SetupFile

UNTOUCHED = "no file was written"


@dataclass(frozen=True, slots=True)
class Proposed:
    """A file, what it is for, its content now (None where it is not there) and its content after."""

    path: Path
    purpose: str
    before: bytes | None
    after: bytes

    @property
    def action(self) -> str:
        """``created``, ``changed`` or ``unchanged``."""
        if self.before == self.after:
            return "unchanged"
        return "created" if self.before is None else "changed"

    def shown(self) -> SetupFile:
        """The file as the result has it."""
        name = os.path.relpath(self.path)
        old, new = (_lines(each) for each in (self.before, self.after))
        from_file = "/dev/null" if self.before is None else f"a/{name}"
        diff = "".join(unified_diff(old, new, from_file, f"b/{name}"))
        return SetupFile(name, self.action, self.purpose, diff)


def _lines(content: bytes | None) -> list[str]:
    lines = (content or b"").decode("utf-8", "replace").splitlines(keepends=True)
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]


def now(path: Path) -> bytes | None:
    """What is in the file; None where there is none. Raises ``Refused`` (``init.unreadable``)."""
    try:
        return path.read_bytes() if path.exists() or path.is_symlink() else None
    except OSError as error:
        raise refused("init.unreadable", path, "it cannot be read", str(error)) from error


def text_of(path: Path, content: bytes) -> str:
    """The file's text. Raises ``Refused`` (``init.unreadable``) where it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused("init.unreadable", path, "it is not UTF-8", str(error)) from error


def refused(code: str, path: Path, what: str, why: str, next: Iterable[str] = ()) -> Refused:
    """Why a file that is somebody's is left alone, and with it all others."""
    return Refused(
        code,
        f"{os.path.relpath(path)} cannot be changed: {what}",
        why=why,
        where=str(path),
        state=UNTOUCHED,
        next=[*next, "db-migrate init"],
    )


def write(files: Iterable[Proposed]) -> None:
    """Write the files, each whole or not at all, if all are still as they were when they were read.

    Raises ``Refused``: ``init.changed`` before anything is written, ``init.unwritable``.
    """
    due = [each for each in files if each.action != "unchanged"]
    for each in due:
        above = next(folder for folder in each.path.parents if folder.exists())
        if not above.is_dir():
            raise refused("init.unwritable", each.path, "it cannot be written", f"{above} is not a folder")
        if now(each.path) != each.before:
            raise refused("init.changed", each.path, "it has changed meanwhile", "somebody else wrote it just now")
    for each in due:
        try:
            _replace(each.path.resolve(), each.after)
        except OSError as error:
            done = ", ".join(os.path.relpath(one.path) for one in due[: due.index(each)])
            failure = refused("init.unwritable", each.path, "it cannot be written", str(error))
            failure.state = f"written: {done}" if done else UNTOUCHED
            raise failure from error


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        if file.exists():
            beside.chmod(file.stat().st_mode & 0o7777)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
