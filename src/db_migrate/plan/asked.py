"""What ``lint`` was asked about: words are a range of revisions, their files, or files of SQL; the ending tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db_migrate.errors import UsageError
from db_migrate.plan.stretch import Stretch, of_range, of_revisions, whole_history
from db_migrate.project.config import project_above
from db_migrate.project.graph import Graph
from db_migrate.project.since import added_since
from db_migrate.trace.script import ScriptFile

_ENDING = ".sql"
_MODULE = ".py"


@dataclass(frozen=True, slots=True)
class Asked:
    """A range of revisions (None for all of them), or files; ``since`` is a git ref, ``modules`` revisions' files."""

    revisions: str | None
    files: tuple[ScriptFile, ...]
    since: str | None
    modules: tuple[Path, ...] = ()

    def strays(self, graph: Graph) -> tuple[str, ...]:
        """Those of ``modules`` that are no revision of this history."""
        known = {each.file.resolve() for each in graph.revisions.values()}
        return tuple(str(each) for each in self.modules if each.resolve() not in known)


def home_of(words: Sequence[str], folder: Path) -> Path | None:
    """The folder to lint from when ``folder`` is in no project but the revisions' files are, as in a hook of git's."""
    modules = [each for each in words if each.endswith(_MODULE)]
    if not modules or project_above(folder) is not None:
        return None
    return project_above((folder / modules[0]).parent)


def asked(words: Sequence[str], since: str | None, folder: Path) -> Asked:
    """What the words mean; files are looked for from ``folder``.

    Raises UsageError: ``lint.arguments`` for what does not go together, ``lint.file`` for a file that cannot be read.
    """
    files = tuple(_file(each, folder) for each in words if each.endswith(_ENDING))
    modules = tuple(_module(each, folder) for each in words if each.endswith(_MODULE))
    ranges = [each for each in words if not each.endswith((_ENDING, _MODULE))]
    given = [*ranges, *(["--since"] if since else []), *(["files"] if files else [])]
    given += ["files of revisions"] if modules else []
    if len(given) > 1:
        raise UsageError(
            "lint.arguments",
            f"{' and '.join(given)} do not go together",
            why="lint is about a range of revisions, what was added since a git ref, or files of one kind",
            next=["db-migrate lint --help"],
        )
    return Asked(ranges[0] if ranges else None, files, since, modules)


def stretch_of(what: Asked, graph: Graph, locations: Sequence[Path]) -> Stretch:
    """The part of the history that was asked about. Raises as ``Graph.resolve`` and ``added_since`` do."""
    if what.revisions is not None:
        return of_range(graph, what.revisions)
    if what.modules:
        wanted = {each.resolve() for each in what.modules}
        return of_revisions(graph, (name for name, each in graph.revisions.items() if each.file.resolve() in wanted))
    if what.since is None:
        return whole_history(graph)
    added = {file for each in locations if each.is_dir() for file in added_since(what.since, each)}
    return of_revisions(graph, (name for name, each in graph.revisions.items() if each.file.resolve() in added))


def _module(word: str, folder: Path) -> Path:
    path = folder / word
    if not path.is_file():
        raise UsageError("lint.file", f"{word} is not there", where=str(path))
    return path


def _file(word: str, folder: Path) -> ScriptFile:
    path = folder / word
    try:
        return ScriptFile(word, str(path), path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("lint.file", f"{word} cannot be read", why=str(error), where=str(path)) from error
