"""Which part of the history a lint is about, and where it has to begin so that each of its revisions runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from db_migrate.project.graph import Graph


@dataclass(frozen=True, slots=True)
class Stretch:
    """``chosen`` revisions are judged; all that lie between ``lower`` and ``upper`` are run, in the graph's order."""

    lower: tuple[str, ...]
    upper: tuple[str, ...]
    chosen: frozenset[str]
    whole: bool


def whole_history(graph: Graph) -> Stretch:
    """Every revision."""
    return Stretch((), graph.effective_heads, frozenset(graph.revisions), True)


def of_range(graph: Graph, text: str) -> Stretch:
    """``REV`` is that revision alone, ``A:B`` all after A up to B, where A may be left out for base and B for heads.

    Raises UsageError as ``Graph.resolve`` does.
    """
    if ":" not in text:
        return of_revisions(graph, graph.resolve(text))
    lower, _, upper = text.partition(":")
    begun = graph.resolve(lower) if lower else ()
    return of_revisions(graph, graph.between(begun, graph.resolve(upper or "heads")))


def of_revisions(graph: Graph, chosen: Iterable[str]) -> Stretch:
    """These revisions, and those between them."""
    wanted = frozenset(chosen)
    needed = graph.ancestors(*wanted)
    free = needed - _from_on(graph, wanted)
    return Stretch(_tips(graph, free), _tips(graph, needed), wanted, False)


def _from_on(graph: Graph, revisions: frozenset[str]) -> set[str]:
    """These revisions and all that need one of them, in one look through the graph."""
    found: set[str] = set()
    for each in graph.ordered():
        if each in revisions or not found.isdisjoint(graph.parents(each)):
            found.add(each)
    return found


def _tips(graph: Graph, revisions: Iterable[str]) -> tuple[str, ...]:
    """Those that no other of them needs."""
    given = set(revisions)
    needed = {parent for each in given for parent in graph.parents(each)}
    return tuple(sorted(given - needed))
