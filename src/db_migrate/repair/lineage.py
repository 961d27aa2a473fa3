"""What lay beside a revision's file that is no longer there: the history that it was part of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from db_migrate.execute.journal import AppliedScript
from db_migrate.project.config import ProjectConfig
from db_migrate.project.files import RevisionFile
from db_migrate.project.graph import Graph
from db_migrate.repair.asked_git import git_blobs, git_text
from db_migrate.repair.finding import Found, is_revision, read_text

_FILE = "100"
"""How git's listing begins for a file that is no link."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """A revision's file as it was: its name, its text, and what it says."""

    name: str
    content: bytes
    read: RevisionFile


def beside(folder: Path, found: Found) -> Mapping[str, Sibling]:
    """The revisions in the folder in which a file was found, itself among them, by their ids; none for the journal."""
    files = _in_tree(folder, found) if found.tree else _on_disk(found)
    read = ((name, content, read_text(content)) for name, content in files)
    return {each.revision: Sibling(name, content, each) for name, content, each in read if each is not None}


def _in_tree(folder: Path, found: Found) -> Iterator[tuple[str, bytes]]:
    """The Python files there; in HEAD, where that has the file still, since what was added later is there too."""
    inside = f"{PurePosixPath(found.path).parent}/"
    still = git_text(folder, "ls-tree", "--full-tree", "HEAD", "--", found.path)
    tree = "HEAD" if still else found.tree
    listed = git_text(folder, "ls-tree", "-z", "--full-tree", tree, "--", inside.removeprefix("./")).split("\0")
    entries = [line.partition("\t") for line in listed if line.startswith(_FILE) and line.endswith(".py")]
    contents = git_blobs(folder, [kind.split()[2] for kind, _, _ in entries])
    for (_, _, path), content in zip(entries, contents, strict=True):
        yield PurePosixPath(path).name, content


def _on_disk(found: Found) -> Iterator[tuple[str, bytes]]:
    if found.path:
        for path in sorted(Path(found.path).parent.glob("*.py")):
            yield path.name, path.read_bytes()


def is_joined(
    graph: Graph, found: Found, siblings: Mapping[str, Sibling], scripts: Mapping[str, AppliedScript]
) -> bool:
    """Whether what a file comes after, or what that comes after, is a revision of the graph."""
    waiting, seen = [read_text(found.content)], set[str]()
    while waiting:
        read = waiting.pop()
        for parent in (*read.down_revision, *read.depends_on) if read else ():
            if parent in graph.revisions:
                return True
            if parent in seen:
                continue
            seen.add(parent)
            if parent in siblings:
                waiting.append(siblings[parent].read)
            elif parent in scripts:
                waiting.append(read_text(scripts[parent].script.encode()))
    return False


def folder_of(project: ProjectConfig, found: Found) -> Path | None:
    """The folder on disk in which the file lies, or lay; None for the journal's."""
    if not found.path:
        return None
    if not found.tree:
        return Path(found.path).resolve().parent
    top = git_text(project.script_location, "rev-parse", "--show-toplevel").strip()
    return (Path(top) / found.path).resolve().parent


def has_revisions(folder: Path) -> bool:
    """Whether revisions lie in a folder now."""
    return any(is_revision(path) for path in folder.glob("*.py") if path.is_file())
