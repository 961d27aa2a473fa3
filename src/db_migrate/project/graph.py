"""The revision graph: who comes after whom, and what "head", "ab12" or "billing@+1" mean in it.

The meanings are Alembic's (``alembic/script/revision.py``, ``RevisionMap``), which would have to run every revision
file to tell; the tests compare both. Steps that are going to be run come from Alembic itself, in the child process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from db_migrate.errors import ConfigurationError, UsageError
from db_migrate.project.config import ProjectConfig
from db_migrate.project.files import RevisionFile, read_revisions

_RELATIVE = re.compile(r"(?:(.+?)@)?(\w+)?((?:\+|-)\d+)")
_SHORTEST_ABBREVIATED = 4
"""Ids shorter than this must be written out, in Alembic too."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Revisions and their edges. ``revisions`` are in the order of their files.

    ``parents`` has the ids that a revision's ``down_revision`` names, ``dependencies`` those of its ``depends_on``
    with labels resolved, less those that an ancestor depends on already.
    """

    revisions: Mapping[str, RevisionFile]
    dependencies: Mapping[str, tuple[str, ...]]

    @property
    def heads(self) -> tuple[str, ...]:
        """Revisions that are nobody's ``down_revision``, as ``alembic heads`` lists them."""
        down = {parent for revision in self.revisions.values() for parent in revision.down_revision}
        return tuple(revision for revision in self.revisions if revision not in down)

    @property
    def effective_heads(self) -> tuple[str, ...]:
        """Heads that nobody depends on either: what the version table holds after ``upgrade heads``."""
        needed = {each for dependencies in self.dependencies.values() for each in dependencies}
        return tuple(revision for revision in self.heads if revision not in needed)

    @property
    def bases(self) -> tuple[str, ...]:
        """Revisions without a ``down_revision``."""
        return tuple(name for name, revision in self.revisions.items() if not revision.down_revision)

    def parents(self, revision: str) -> tuple[str, ...]:
        """What must have run before ``revision``: its down revisions, then its dependencies."""
        return tuple(dict.fromkeys(self.revisions[revision].down_revision + self.dependencies[revision]))

    def children(self, revision: str) -> tuple[str, ...]:
        """Revisions whose ``down_revision`` is ``revision``, in the order of the files."""
        return tuple(name for name, each in self.revisions.items() if revision in each.down_revision)

    def ancestors(self, *revisions: str) -> frozenset[str]:
        """Everything that must have run before ``revisions`` are done, themselves included."""
        return reachable(revisions, self.parents)

    def between(self, lower: Iterable[str], upper: Iterable[str]) -> tuple[str, ...]:
        """What lies between the heads ``lower`` (already run) and ``upper`` (to be run), parents first."""
        wanted = self.ancestors(*upper) - self.ancestors(*lower)
        return tuple(revision for revision in self.ordered() if revision in wanted)

    def ordered(self) -> tuple[str, ...]:
        """All revisions, each after its parents; otherwise in the order of the files."""
        done: dict[str, None] = {}
        for name in self.revisions:
            stack = [name]
            while stack:
                waiting = [parent for parent in self.parents(stack[-1]) if parent not in done]
                if waiting:
                    stack.extend(reversed(waiting))
                else:
                    done[stack.pop()] = None
        return tuple(done)

    def resolve(self, text: str, current: Sequence[str] = ()) -> tuple[str, ...]:
        """The revisions that ``text`` names; none for ``base``.

        ``text``: an id or its beginning, a branch label, ``head``, ``heads``, ``base``,
        ``label@head``, ``label@base``, and relative to ``current`` or to a revision: ``+2``, ``-1``, ``ab12+1``,
        ``label@+1``. Raises ``UsageError``: ``graph.unknown-revision``, ``graph.ambiguous-revision``,
        ``graph.multiple-heads``, ``graph.too-far``.
        """
        relative = _RELATIVE.match(text) if text not in self.revisions else None
        if relative:
            label, symbol, steps = relative.groups()
            return self._relative(text, label, symbol, int(steps), current)
        label, _, symbol = text.rpartition("@")
        return self._absolute(symbol, label or None)

    def stamped(self, current: Sequence[str], revisions: Sequence[str], label: str = "") -> tuple[str, ...]:
        """What ``alembic stamp`` makes of a version table that has ``current``: other branches' heads stay.

        Without ``revisions`` it is the base, of the branch ``label`` where one is named.
        """
        if not revisions:
            branch = self._identify(label) if label else None
            return tuple(each for each in current if branch is not None and not self._depend(each, branch))
        related = {each for each in current if any(self._depend(each, wanted) for wanted in revisions)}
        if related.issuperset(revisions):
            return tuple(current)
        return tuple(dict.fromkeys([*(each for each in current if each not in related), *revisions]))

    def _depend(self, one: str, other: str) -> bool:
        """Whether one of the two has to run before the other is done."""
        return one in self.ancestors(other) or other in self.ancestors(one)

    def _absolute(self, symbol: str, label: str | None) -> tuple[str, ...]:
        if symbol == "base":
            return ()
        if symbol == "heads":
            return self._of_branch(self.heads, label) if label else self.effective_heads
        if symbol == "head":
            found = self._of_branch(self.heads, label)
            if len(found) > 1:
                raise _multiple_heads(found, label)
            return found
        return (self._identify(symbol, label),)

    def _of_branch(self, revisions: Iterable[str], label: str | None) -> tuple[str, ...]:
        if label is None:
            return tuple(revisions)
        lineage = self._lineage(self._identify(label))
        return tuple(revision for revision in revisions if revision in lineage)

    def _lineage(self, revision: str) -> frozenset[str]:
        """Ancestors and descendants of ``revision`` along ``down_revision`` only."""
        down = reachable([revision], lambda name: self.revisions[name].down_revision)
        return down | reachable([revision], self.children)

    def _identify(self, text: str, label: str | None = None) -> str:
        """The one revision with this id, this label, or whose id begins like this (within the branch ``label``)."""
        found = self._exactly(text)
        if found is None:
            long = [name for name in self.revisions if len(name) >= _SHORTEST_ABBREVIATED]
            names = [name for name in long if text and name.startswith(text)]
            candidates = self._of_branch(names, label)
            if len(candidates) > 1:
                raise _ambiguous(text, candidates)
            if not candidates:
                raise _unknown(text, self.revisions)
            found = candidates[0]
        if label is not None and found not in self._lineage(self._identify(label)):
            raise UsageError(
                "graph.unknown-revision",
                f"revision {found} is not a member of branch {label!r}",
                next=["db-migrate history"],
            )
        return found

    def _exactly(self, text: str) -> str | None:
        if text in self.revisions:
            return text
        return next((name for name, each in self.revisions.items() if text in each.branch_labels), None)

    def _relative(
        self, text: str, label: str | None, symbol: str | None, steps: int, current: Sequence[str]
    ) -> tuple[str, ...]:
        if symbol is not None:
            start = self._absolute(symbol, label if steps < 0 else None)
        else:
            start = self._starting_points(label, current, up=steps > 0)
        if len(set(start)) > 1:
            raise _ambiguous(text, tuple(start))
        position = start[0] if start else None
        for _ in range(abs(steps)):
            position = self._up(text, position, label) if steps > 0 else self._down(text, position)
        return () if position is None else (position,)

    def _starting_points(self, label: str | None, current: Sequence[str], *, up: bool) -> tuple[str, ...]:
        """Where a walk relative to the current state begins: on the branch ``label`` where one is named."""
        if label is None:
            return tuple(current)
        on_branch = self._of_branch(current, label)
        if on_branch:
            return on_branch
        active = self._of_branch(self.ancestors(*current), label)
        needed = {parent for name in active for parent in self.parents(name)}
        tips = tuple(sorted(set(active) - needed))
        if not tips and not up:
            raise _too_far(label)
        return tips

    def _up(self, text: str, position: str | None, label: str | None) -> str:
        following = self.bases if position is None else self.children(position)
        on_branch = self._of_branch(following, label)
        if not on_branch:
            raise _too_far(text)
        if len(on_branch) > 1:
            raise _ambiguous(text, on_branch)
        return on_branch[0]

    def _down(self, text: str, position: str | None) -> str | None:
        if position is None:
            raise _too_far(text)
        down = self.revisions[position].down_revision
        if len(down) > 1:
            raise _ambiguous(text, down)
        return down[0] if down else None


def load_graph(config: ProjectConfig) -> Graph:
    """The graph of a project's revision files. Raises as ``read_revisions`` and ``build_graph`` do."""
    return build_graph(read_revisions(config.version_locations, recursive=config.recursive_version_locations))


def build_graph(files: Iterable[RevisionFile]) -> Graph:
    """The graph of ``files``.

    Raises ``ConfigurationError``: ``graph.duplicate`` for two files with one id, ``graph.missing-parent``,
    ``graph.duplicate-label``, ``graph.cycle``.
    """
    revisions: dict[str, RevisionFile] = {}
    for file in files:
        if file.revision in revisions:
            raise ConfigurationError(
                "graph.duplicate",
                f"two files have the revision id {file.revision}",
                why="Alembic would silently use one of them",
                where=f"{revisions[file.revision].file}, {file.file}",
            )
        revisions[file.revision] = file
    labelled = _labelled(revisions)
    _check_parents(revisions)
    written = {name: _dependencies(file, revisions, labelled) for name, file in revisions.items()}
    _check_cycles(revisions, written)
    return Graph(MappingProxyType(revisions), MappingProxyType(_needed(revisions, written)))


def _labelled(revisions: Mapping[str, RevisionFile]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, file in revisions.items():
        for label in file.branch_labels:
            if label in found or label in revisions:
                raise ConfigurationError(
                    "graph.duplicate-label",
                    f"the branch label {label} is used twice",
                    why=f"revisions {found.get(label, label)} and {name} both have it",
                    where=str(file.file),
                )
            found[label] = name
    return found


def _check_parents(revisions: Mapping[str, RevisionFile]) -> None:
    for file in revisions.values():
        for parent in file.down_revision:
            if parent not in revisions:
                raise _missing(file, parent, "down_revision")


def _missing(file: RevisionFile, parent: str, variable: str) -> ConfigurationError:
    return ConfigurationError(
        "graph.missing-parent",
        f"revision {file.revision} comes after {parent}, which has no file",
        why=f"its {variable} names {parent}; the file may be on another branch, or was deleted",
        where=str(file.file),
    )


def _dependencies(
    file: RevisionFile, revisions: Mapping[str, RevisionFile], labelled: Mapping[str, str]
) -> tuple[str, ...]:
    found = []
    for name in file.depends_on:
        target = labelled.get(name, name)
        if target not in revisions:
            raise _missing(file, name, "depends_on")
        found.append(target)
    return tuple(found)


def _check_cycles(revisions: Mapping[str, RevisionFile], dependencies: Mapping[str, tuple[str, ...]]) -> None:
    needed = {name: (*file.down_revision, *dependencies[name]) for name, file in revisions.items()}
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        names = sorted(set(error.args[1]))
        raise ConfigurationError(
            "graph.cycle",
            "revisions come after each other in a circle",
            why=f"among {', '.join(names)}",
            where=", ".join(str(revisions[name].file) for name in names),
        ) from None


def _needed(
    revisions: Mapping[str, RevisionFile], written: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The written dependencies less those that an ancestor has as well (Alembic's ``_normalize_depends_on``)."""
    found = {}
    for name, dependencies in written.items():
        ancestors = reachable([name], lambda each: revisions[each].down_revision) - {name} if dependencies else ()
        inherited = {each for ancestor in ancestors for each in written[ancestor]}
        found[name] = tuple(each for each in dependencies if each not in inherited)
    return found


def reachable(start: Iterable[str], following: Callable[[str], Iterable[str]]) -> frozenset[str]:
    """All that can be reached from some names, themselves included; ``following`` are those next to one."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(following(name))
    return frozenset(found)


def _unknown(text: str, revisions: Mapping[str, RevisionFile]) -> UsageError:
    from difflib import get_close_matches

    labels = [label for each in revisions.values() for label in each.branch_labels]
    near = get_close_matches(text, [*revisions, *labels])
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return UsageError(
        "graph.unknown-revision",
        f"there is no revision or branch {text!r}",
        why=f"none of the {len(revisions)} revision files has or begins with it{hint}",
        next=["db-migrate history"],
    )


def _ambiguous(text: str, candidates: Sequence[str]) -> UsageError:
    return UsageError(
        "graph.ambiguous-revision",
        f"{text!r} could be several revisions",
        why=", ".join(candidates),
        next=["db-migrate history"],
    )


def _multiple_heads(heads: Sequence[str], label: str | None) -> UsageError:
    return UsageError(
        "graph.multiple-heads",
        f"there are {len(heads)} heads" + (f" on branch {label}" if label else ""),
        why=", ".join(heads),
        next=["db-migrate plan heads", *(f"db-migrate plan {head}" for head in heads)],
    )


def _too_far(text: str) -> UsageError:
    return UsageError("graph.too-far", f"{text} goes beyond the end of the history", next=["db-migrate history"])
