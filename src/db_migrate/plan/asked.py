"""What ``lint`` was asked about: words are a range of revisions or files of SQL, told apart by their ending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db_migrate.errors import UsageError
from db_migrate.plan.stretch import Stretch, of_range, of_revisions, whole_history
from db_migrate.project.graph import Graph
from db_migrate.project.since import added_since
from db_migrate.trace.script import ScriptFile

_ENDING = ".sql"


@dataclass(frozen=True, slots=True)
class Asked:
    """A range of revisions (None for all of them), or files; ``since`` is a git ref."""

    revisions: str | None
    files: tuple[ScriptFile, ...]
    since: str | None


def asked(words: Sequence[str], since: str | None, folder: Path) -> Asked:
    """What the words mean; files are looked for from ``folder``.

    Raises UsageError: ``lint.arguments`` for what does not go together, ``lint.file`` for a file that cannot be read.
    """
    files = tuple(_file(each, folder) for each in words if each.endswith(_ENDING))
    ranges = [each for each in words if not each.endswith(_ENDING)]
    given = [*ranges, *(["--since"] if since else []), *(["files"] if files else [])]
    if len(given) > 1:
        raise UsageError(
            "lint.arguments",
            f"{' and '.join(given)} do not go together",
            why="lint is about one range of revisions, about what was added since a git ref, or about files",
            next=["db-migrate lint --help"],
        )
    return Asked(ranges[0] if ranges else None, files, since)


def stretch_of(what: Asked, graph: Graph, locations: Sequence[Path]) -> Stretch:
    """The part of the history that was asked about. Raises as ``Graph.resolve`` and ``added_since`` do."""
    if what.revisions is not None:
        return of_range(graph, what.revisions)
    if what.since is None:
        return whole_history(graph)
    added = {file for each in locations if each.is_dir() for file in added_since(what.since, each)}
    return of_revisions(graph, (name for name, each in graph.revisions.items() if each.file.resolve() in added))


def _file(word: str, folder: Path) -> ScriptFile:
    path = folder / word
    try:
        return ScriptFile(word, str(path), path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("lint.file", f"{word} cannot be read", why=str(error), where=str(path)) from error
