"""What git knows of a project: the files of a ref, and what was changed together with a file."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from db_migrate.errors import ConfigurationError


class GitFailed(Exception):
    """git is not there, this is no repository, or it refused; the message is git's own."""


def toplevel(folder: Path) -> Path:
    """The root of the working tree that ``folder`` is in. Raises ``GitFailed``."""
    return Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())


def commit_of(folder: Path, ref: str) -> str:
    """The commit that ``ref`` names.

    Raises ``ConfigurationError``: ``release.git`` where there is no repository, ``release.unknown`` where it has no
    such ref, as a shallow clone often has not.
    """
    try:
        root = toplevel(folder)
    except GitFailed as error:
        raise ConfigurationError(
            "release.git",
            f"the release {ref} cannot be looked up: {folder} is in no git repository that can be read",
            why=str(error),
            where=str(folder),
            state="nothing was changed",
        ) from error
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").decode().strip()
    except GitFailed as error:
        raise ConfigurationError(
            "release.unknown",
            f"git knows no {ref} here",
            why="a shallow clone has only what was fetched" if _is_shallow(root) else str(error),
            where=str(root),
            state="nothing was changed",
            next=(f"git fetch --depth=1 origin tag {ref}", f"git fetch --depth=1 origin {ref}:{ref}"),
        ) from error


def export(folder: Path, commit: str, into: Path) -> None:
    """Put all files of a commit into a folder. Raises ``GitFailed``."""
    archive = _git(toplevel(folder), "archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        # Pythons before 3.11.4 have no filters (tarfile, "Extraction filters"); git's own archive needs none.
        if hasattr(tarfile, "data_filter"):
            tar.extractall(into, filter="data")
        else:
            tar.extractall(into)


def changed_with(file: Path) -> tuple[Path, ...]:
    """The files that are changed and not committed beside an uncommitted ``file``, else those of the commit that added
    it; without ``file`` itself, and none where git cannot tell.
    """
    try:
        root = toplevel(file.parent)
        pending = _paths(root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
        changed = {root / entry[3:] for entry in pending}
        if file.resolve() not in changed:
            log = ("log", "-1", "--diff-filter=A", "--format=%H", "--", str(file))
            commit = _git(root, *log).decode().strip()
            shown = _paths(root, "show", "--name-only", "--no-renames", "--format=", "-z", commit) if commit else []
            changed = {root / name for name in shown}
    except GitFailed:
        return ()
    return tuple(sorted(changed - {file.resolve()}))


def _paths(root: Path, *arguments: str) -> list[str]:
    return [text for text in _git(root, *arguments).decode(errors="surrogateescape").split("\0") if text.strip()]


def _is_shallow(root: Path) -> bool:
    return _git(root, "rev-parse", "--is-shallow-repository").strip() == b"true"


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except OSError as error:
        raise GitFailed("git is not installed" if isinstance(error, FileNotFoundError) else str(error)) from error
    if done.returncode != 0:
        raise GitFailed(done.stderr.decode(errors="replace").strip() or f"git {arguments[0]} found nothing")
    return done.stdout
