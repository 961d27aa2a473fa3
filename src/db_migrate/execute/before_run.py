"""Where the database was before a run, as the journal says, and Alembic's word for going back there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from db_migrate.errors import ConfigurationError, Refused
from db_migrate.project.graph import Graph
from db_migrate.project.jobs import Step
from db_migrate.results import RunSummary

Steps = Callable[[str], Sequence[Step]]
"""Alembic's steps down to what a word means. Raises ``ConfigurationError`` where it means nothing."""


def the_run(found: Sequence[RunSummary], named: str) -> RunSummary:
    """The one run whose id begins so. Raises ``Refused``: ``rollback.run-unknown``, ``rollback.run-ambiguous``."""
    if len(found) == 1:
        return found[0]
    many = bool(found)
    raise Refused(
        "rollback.run-ambiguous" if many else "rollback.run-unknown",
        f"the ids of {len(found)} runs begin with {named!r}" if many else f"the journal has no run {named!r}",
        why=", ".join(each.run for each in found[:5]),
        state="nothing was changed",
        next=["db-migrate history --runs"],
    )


def word_for(run: RunSummary, current: Sequence[str], graph: Graph, steps: Steps) -> str:
    """Alembic's word for the way from where the database is down to where it was before the run.

    Raises ``Refused`` (``rollback.run-not-below``) when that is not below, or no single word means it.
    """
    if set(run.from_) == set(current):
        return f"{run.from_[0]}" if run.from_ else "base"
    for word in dict.fromkeys(_words(run, current, graph)):
        try:
            way = steps(word)
        except ConfigurationError:
            continue
        if way and set(way[-1].to_heads) == set(run.from_):
            return word
    before = ", ".join(run.from_) or "base"
    raise Refused(
        "rollback.run-not-below",
        f"before that run the database was at {before}, which is not below {', '.join(current) or 'base'}",
        why=f"the run {run.run} was a {run.verb} from {before} to {', '.join(run.to) or 'base'}",
        state="nothing was changed",
        next=["db-migrate history --runs", *(f"db-migrate apply {each}" for each in run.from_)],
    )


def _words(run: RunSummary, current: Sequence[str], graph: Graph) -> Iterator[str]:
    """Words that may mean it: where it was, a number of steps, or the step below each revision that goes."""
    known = [each for each in (*current, *run.from_) if each in graph.revisions]
    below = {name for each in run.from_ if each in graph.revisions for name in (each, *graph.ancestors(each))}
    above = {name for each in current if each in known for name in (each, *graph.ancestors(each))} - below
    yield from run.from_ or ("base",)
    yield f"-{len(above)}"
    for each in sorted(above):
        yield f"{each}-1"
        yield f"{each}@base"
