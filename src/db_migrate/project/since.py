"""Which files a branch has added, by git: those that are not in the commit where it left another."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from db_migrate.errors import UsageError


def added_since(reference: str, folder: Path) -> frozenset[Path]:
    """The files below ``folder`` that the merge base of ``reference`` and HEAD does not have, uncommitted ones too.

    Raises UsageError: ``git.missing`` without git or outside of a repository, ``git.reference`` when there is no such
    reference, or none in common.
    """
    top = Path(_git(["rev-parse", "--show-toplevel"], folder, "git.missing", "this is no git repository"))
    what = f"git knows no commit that HEAD and {reference} have in common"
    base = _git(
        ["merge-base", "--end-of-options", reference, "HEAD"],
        folder,
        "git.reference",
        what,
        [f"git fetch origin {reference}"],
    )
    listed = ["-z", "--no-renames", "--diff-filter=A", "--name-only", base, "--", str(folder)]
    tracked = _git(["diff", *listed], folder, "git.reference", what)
    untracked = _git(["ls-files", "-z", "--others", "--exclude-standard", "--full-name"], folder, "git.missing", what)
    names = (*tracked.split("\0"), *untracked.split("\0"))
    return frozenset((top / name).resolve() for name in names if name)


def _git(arguments: Sequence[str], folder: Path, code: str, what: str, next: Sequence[str] = ()) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise UsageError("git.missing", "git cannot be run", why=str(error), where=str(folder)) from error
    if done.returncode != 0:
        raise UsageError(code, what, why=done.stderr.strip(), where=str(folder), next=next)
    return done.stdout.strip("\n")
