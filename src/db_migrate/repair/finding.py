"""Finds the file of a revision that has gone: in git's history, in stashes, in the journal, in packages, elsewhere."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from db_migrate.errors import DbMigrateError
from db_migrate.execute.journal import AppliedScript
from db_migrate.project.config import ProjectConfig
from db_migrate.project.files import RevisionFile, read_revision
from db_migrate.repair.asked_git import git_bytes, git_text

_LINK = "120000 "
"""How git's listing of a commit begins for a symbolic link."""
_NOT_OURS = frozenset({"node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class Found:
    """A revision's file: its name, its text, and where it was found. ``exact``: to the byte as it was applied.

    ``path`` is that of the file; where it is git that has it, seen from the repository's root, in ``tree``. Neither:
    only the journal has it.
    """

    name: str
    content: bytes
    place: str
    deleted_by: str = ""
    branches: tuple[str, ...] = ()
    exact: bool = False
    path: str = ""
    tree: str = ""


def find_file(project: ProjectConfig, revision: str, scripts: Iterable[AppliedScript]) -> Found | None:
    """The file of ``revision``; as it was applied here where that is known, else the latest that git has."""
    script = next((each for each in scripts if each.revision == revision), None)
    known = [*_in_git(project.script_location, revision), *_elsewhere(project, revision)]
    if script is not None:
        known = [_marked(each, script) for each in known]
        exact = next((each for each in known if each.exact), None)
        if exact is not None:
            return exact
        data = script.script.encode()
        if hashlib.sha256(data).hexdigest() == script.checksum:
            like = known[0] if known else Found(f"{revision}.py", data, "")
            return replace(like, content=data, place="the journal", exact=True)
    return next(iter(known), None)


def _marked(found: Found, script: AppliedScript) -> Found:
    return replace(found, exact=hashlib.sha256(found.content).hexdigest() == script.checksum)


def _in_git(folder: Path, revision: str) -> Iterator[Found]:
    """What git has, on whichever branch and in whichever stash, the latest first."""
    stashes = git_text(folder, "stash", "list", "--format=%H").split()
    untracked = [
        each for stash in stashes for each in git_text(folder, "rev-parse", "-q", "--verify", f"{stash}^3").split()
    ]
    # Where the project lies now comes first: the whole of a large repository takes long.
    commits = _naming(folder, revision, "*.py") or _naming(folder, revision, ":/*.py")
    seen: set[tuple[str, bytes]] = set()
    for commit in dict.fromkeys([*commits, *stashes, *untracked]):
        for tree in (commit, f"{commit}^"):
            for path in git_text(
                folder, "grep", "-l", "--full-name", "-F", "-e", revision, tree, "--", ":/*.py"
            ).splitlines():
                name = path.partition(":")[2]
                content = git_bytes(folder, "show", f"{tree}:{name}")
                if (name, content) not in seen and _is(content, revision):
                    seen.add((name, content))
                    stash = commit in stashes or commit in untracked
                    yield _from_git(folder, tree, name, content, stash=stash)


def _naming(folder: Path, revision: str, files: str) -> list[str]:
    """The commits after which a revision is named more or less often in some files, the latest first."""
    return git_text(folder, "log", "--all", "--format=%H", f"-S{revision}", "--", files).split()


def _from_git(folder: Path, commit: str, name: str, content: bytes, *, stash: bool) -> Found:
    """What a commit has under a name; the branches are those that have it still."""
    short = git_text(folder, "rev-parse", "--short", commit).strip()
    form = "--format=%h %an, %as: %s"
    deleted = git_text(folder, "log", "--all", "-1", "--diff-filter=D", form, "--", f":/{name}").strip()
    branches = ("branch", "-a", "--contains", commit, "--format=%(refname:short)")
    listed = [] if stash else git_text(folder, *branches).split()
    there = tuple(each for each in listed if git_text(folder, "ls-tree", "--full-tree", each, "--", name))
    place = f"{'a stash' if stash else 'git'} {short}: {name}"
    return Found(Path(name).name, content, place, deleted, there, path=name, tree=commit)


def _is(content: bytes, revision: str) -> bool:
    """Whether a text is the file of this revision."""
    read = read_text(content)
    return read is not None and read.revision == revision


def read_text(content: bytes) -> RevisionFile | None:
    """What a text says as a revision's file; None where it is none."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "revision.py")
        file.write_bytes(content)
        try:
            return read_revision(file)
        except DbMigrateError:
            return None


def parents_of(found: Found) -> tuple[str, ...]:
    """What the revision comes after."""
    read = read_text(found.content)
    return read.down_revision if read else ()


def _elsewhere(project: ProjectConfig, revision: str) -> Iterator[Found]:
    """Files of the project that Alembic does not look at, and those of installed packages."""
    for path in (*_nearby(project), *_packaged()):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if revision.encode() in content and _is(content, revision):
            yield Found(path.name, content, str(path), path=str(path))


def _nearby(project: ProjectConfig) -> Iterator[Path]:
    return python_files(project.script_location.parent)


def python_files(root: Path) -> Iterator[Path]:
    """The Python files below a folder, without hidden folders and what was installed."""
    inside = Path(sys.prefix).resolve()
    for path in sorted(root.rglob("*.py")):
        hidden = any(each.startswith(".") or each in _NOT_OURS for each in path.relative_to(root).parts)
        if not hidden and path.is_file() and inside not in path.resolve().parents:
            yield path


def is_revision(path: Path) -> bool:
    """Whether a file looks like a revision, as far as that can be told without reading it as Python."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return "\nrevision" in text and "down_revision" in text and "def upgrade" in text


def commit_with(path: Path) -> str:
    """The latest commit that has this path as a file, or a folder of Python files; empty where none has."""
    folder = _nearest(path)
    log = git_text(folder, "log", "--all", "-1", "--format=%h", "--diff-filter=DT", "--", str(path)).strip()
    for commit in ("HEAD", f"{log}^") if log else ("HEAD",):
        entries = git_text(folder, "ls-tree", "-r", commit, "--", str(path)).splitlines()
        if any(not each.startswith(_LINK) and each.endswith(path.suffix or ".py") for each in entries):
            return commit
    return ""


def _nearest(path: Path) -> Path:
    return next(each for each in path.parents if each.is_dir())


def checkout(commit: str, path: Path) -> str:
    """The command that makes a path what it is in a commit."""
    return f"git -C {shlex.quote(str(_nearest(path)))} checkout {commit} -- {shlex.quote(str(path))}"


def changed_in_git(root: Path, name: str) -> Sequence[str]:
    """The files of a name below a folder that are gone, or no longer what git has; relative to the folder."""
    return git_text(root, "ls-files", "-d", "-m", "--", name, f"*/{name}").splitlines()


def _packaged() -> Iterator[Path]:
    """Files in a folder ``versions`` of installed packages, by their lists of files as text: most have none."""
    for distribution in metadata.distributions():
        if "versions/" not in (distribution.read_text("RECORD") or "versions/"):
            continue
        for file in distribution.files or ():
            if file.suffix == ".py" and "versions" in file.parts:
                yield Path(str(distribution.locate_file(file)))
