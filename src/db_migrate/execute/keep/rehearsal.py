"""Runs a plan on scratch once more, with the keeping: what keeping breaks is found before anything is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed
from db_migrate.execute.expectation import sort_of_event, text_of
from db_migrate.execute.keeping import Keeper
from db_migrate.project import events
from db_migrate.project.child_process import Link, QueryError
from db_migrate.results import KeptObject, PlannedRevision, PlannedStatement, Restored
from db_migrate.schemas.live import Copy
from db_migrate.schemas.scratch import Scratch, read
from db_migrate.trace.resuming import Committed, Resuming


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How it went: ``failure`` says what broke, if anything did; ``reached`` is what had been kept until then."""

    failure: str
    reached: tuple[str, ...]
    restored: tuple[Restored, ...]


def rehearse(
    scratch: Scratch,
    copy: Copy,
    way: tuple[str, str],
    revisions: Sequence[PlannedRevision],
    kept: tuple[KeptObject, ...],
    catalogs: tuple[Catalog, Catalog],
    schema: str = "",
    committed: Committed | None = None,
) -> Rehearsed:
    """Run ``revisions`` (``way``: direction and Alembic's name of the destination) on a copy that has the kept data.

    ``catalogs``: what the run begins with, and what the schema must be in the end: what was there without keeping.
    ``committed``: of the one revision that there is, this has run before.
    """
    before, expected = catalogs
    keeper = Keeper(kept, str(uuid4()), lambda _entry, _content: None, schema, before)
    handler = _Handler(tuple(revisions), keeper)
    try:
        if committed is None:
            outcome = scratch.migrate(*way, copy.runner, handler)
        else:
            outcome = scratch.migrate(*way, copy.runner, Resuming(handler, committed), steps=1)
        failure = outcome.failure.message if outcome.failure is not None else ""
    except (QueryError, Failed) as error:
        failure = getattr(error, "why", "") or str(error)
    if not failure:
        changed = drifted(diff(expected, read(copy.superuser)))
        failure = "; ".join(f"{c.kind} {c.object} would be {c.action}" for c in changed[:3])
    return Rehearsed(failure, tuple(handler.reached), tuple(keeper.restored))


@dataclass(slots=True)
class _Handler:
    """Stands where the conductor will stand."""

    revisions: tuple[PlannedRevision, ...]
    keeper: Keeper
    reached: list[str] = field(default_factory=list)
    _at: int = -1
    _next: int = 0
    _recorded: bool = False

    def event(self, event: events.Event, link: Link) -> None:
        match event:
            case events.StepBegin():
                self._at, self._next, self._recorded = self._at + 1, 0, False
            case events.Statement(revision=str()):
                self._before(event, link)
            case events.Committing() if self._recorded:
                self._recorded = False
                self.keeper.before_commit(self.revisions[self._at], link)
            case events.Commit() | events.Rollback():
                self.keeper.ended(committed=isinstance(event, events.Commit))
            case _:
                pass

    def _before(self, event: events.Statement, link: Link) -> None:
        sort = sort_of_event(event)
        if event.internal and sort.writes:
            self._recorded = True
        planned = self._planned(text_of(event)) if not event.internal else None
        if planned is not None and not sort.ddl and not event.autocommit:
            self.reached += self.keeper.rows_at_risk(None, self.revisions[self._at])
            self.keeper.before_data(None, self.revisions[self._at], link)
        elif planned is not None and sort.ddl:
            dropped = set(planned.effects.dropped)
            self.reached += [each.object for each in self.keeper.wanted if each.object in dropped]
            self.keeper.before(planned, self.revisions[self._at], link)

    def _planned(self, sql: str) -> PlannedStatement | None:
        """The next planned statement of that text."""
        statements = self.revisions[self._at].statements
        for index in range(self._next, len(statements)):
            if statements[index].sql == sql:
                self._next = index + 1
                return statements[index]
        return None
