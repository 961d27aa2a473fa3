"""Whether downgrades lead where they should: to the schema that the history has before each revision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import DbMigrateError
from db_migrate.project.jobs import Step
from db_migrate.rules.facts import Downgrade
from db_migrate.schemas.history import without_owners
from db_migrate.trace.effects import Trace, TracedRevision

History = Callable[[tuple[str, ...]], Catalog]
"""The schema that the history has at some revisions."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Unusable:
    """A downgrade that is no way back, and why: it fails, or what is there after it is not what was there before.

    ``step`` is Alembic's, from the revision to those before it.
    """

    revision: TracedRevision
    step: Step
    problem: str


@dataclass(frozen=True, slots=True)
class WaysBack:
    """The downgrades of a rollback, held against the history. ``unknown`` says why they could not be, if so."""

    unusable: Unusable | None = None
    unknown: str = ""

    @property
    def downgrades(self) -> Mapping[str, Downgrade]:
        """As the rules look at them."""
        found = self.unusable
        return {} if found is None else {found.revision.revision: Downgrade(found.problem)}


def look_at_ways_back(trace: Trace, steps: Sequence[Step], history: History, hidden: Collection[str]) -> WaysBack:
    """The first downgrade that is not usable. What differs before the first one is drift, and none of theirs.

    ``hidden`` are relations that no history counts. A downgrade that fails is found even where nobody can say what
    the schema should be.
    """
    for revision, step in zip(trace.revisions, steps, strict=False):
        if revision.error is not None:
            return WaysBack(Unusable(revision, step, f"the downgrade fails: {_told(revision)}"))
        try:
            left = _left(trace, revision, step, steps[0], history, hidden)
        except DbMigrateError as error:
            return WaysBack(unknown=f"whether the downgrades give back what was there is not known: {error.message}")
        if left:
            return WaysBack(
                Unusable(revision, step, f"the downgrade does not give back what was there: {_listed(left)}")
            )
    return WaysBack()


def plain(catalog: Catalog, hidden: Collection[str]) -> Catalog:
    """The catalog without hidden relations and without owners, which are those of whoever ran the revisions."""
    return without_owners(catalog.only(lambda o: o.name not in hidden and o.parent not in hidden))


def _left(
    trace: Trace, revision: TracedRevision, step: Step, first: Step, history: History, hidden: Collection[str]
) -> tuple[Change, ...]:
    """What keeps the schema after a downgrade from being the history's, but for what was drift before all of them."""
    wanted = plain(history(tuple(sorted(step.to_heads))), hidden)
    left = drifted(diff(plain(revision.after, hidden), wanted))
    if not left:
        return ()
    began = plain(history(tuple(sorted(first.from_heads))), hidden)
    drift = {(each.kind, each.object) for each in drifted(diff(plain(trace.before, hidden), began))}
    return tuple(each for each in left if (each.kind, each.object) not in drift)


def _told(revision: TracedRevision) -> str:
    error = revision.error
    return error.text if error is not None else ""


def _listed(left: Sequence[Change]) -> str:
    shown = "; ".join(f"{each.kind} {each.object} would still have to be {each.action}" for each in left[:_SHOWN])
    return f"{shown}; and {len(left) - _SHOWN} more" if len(left) > _SHOWN else shown
