"""Follows the child process through the revisions and writes down what each statement did.

The child waits after every statement; meanwhile we look at the same transaction through its own connection, so that
what is not committed is seen as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed
from db_migrate.project import events
from db_migrate.project.child_process import Link
from db_migrate.trace.effects import (
    Direction,
    Effects,
    RevisionError,
    StatementError,
    TracedRevision,
    TracedStatement,
)
from db_migrate.trace.grammar import sort_of
from db_migrate.trace.observation import Observation, changed_catalogs, effects_between, looking_at
from db_migrate.trace.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class RevisionSource:
    """What the files say about a revision, for the trace to carry along."""

    down_revision: tuple[str, ...]
    message: str
    file: str
    allow: Mapping[str, str]


@dataclass(slots=True)
class _Connection:
    """What is known of one connection: its transaction's number in the trace, and the last look through it."""

    transaction: int = 0
    inside: bool = False
    last: Observation | None = None
    wrapped: bool = False


@dataclass(slots=True)
class _Running:
    """The revision that is being run."""

    revision: str
    direction: Direction
    before: Catalog
    statements: list[TracedStatement] = field(default_factory=list)
    external: bool = False


class Tracer:
    """Handles the child's events of one or more runs against one scratch database."""

    def __init__(self, server_version: int, sources: Mapping[str, RevisionSource]) -> None:
        self._sources = sources
        self._snapshot = Snapshot(server_version)
        self._connections: dict[int, _Connection] = {}
        self._dirty = True
        self._seen_by: int | None = None
        self._transactions = 0
        self._running: _Running | None = None
        self._pending: events.Statement | None = None
        self._notices: list[str] = []
        self.revisions: list[TracedRevision] = []
        self.refused: list[events.Refused] = []

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event; called by the child process's parent end."""
        match event:
            case events.StepBegin():
                self._begin_revision(event, link)
            case events.Statement():
                self._before(event, link)
            case events.StatementDone():
                self._after(event, link)
            case events.StatementFailed():
                self._failed(event)
            case events.Commit() | events.Rollback():
                self._ended(event)
            case events.Notice(message=message):
                self._notices.append(message)
            case events.ExternalTransaction() if self._running is not None:
                self._running.external = True
            case events.Refused():
                self.refused.append(event)
            case events.StepEnd():
                self._end_revision(link)
            case _:
                pass

    def fail(self, error: RevisionError) -> None:
        """End the revision that was running when the child reported an error; its catalog is as it was before."""
        if self._running is not None:
            self._finish(self._running.before, error)

    @property
    def running(self) -> bool:
        """Whether a revision has begun and not ended."""
        return self._running is not None

    @property
    def catalog(self) -> Catalog:
        """The scratch database's catalog as last read."""
        return self._snapshot.catalog

    def _begin_revision(self, event: events.StepBegin, link: Link) -> None:
        self._refresh(link, event.connection)
        self._running = _Running(event.revision, Direction(event.direction), self._snapshot.catalog)

    def _end_revision(self, link: Link) -> None:
        if self._dirty:
            self._refresh(link, None)
        self._finish(self._snapshot.catalog, None)

    def _finish(self, after: Catalog, error: RevisionError | None) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        source = self._sources[running.revision]
        self.revisions.append(
            TracedRevision(
                revision=running.revision,
                down_revision=source.down_revision,
                message=source.message,
                file=source.file,
                direction=running.direction,
                statements=tuple(running.statements),
                before=running.before,
                after=after,
                error=error,
                allow=source.allow,
                external_transaction=running.external,
            )
        )

    def _refresh(self, link: Link, connection: int | None) -> None:
        """Read all of the catalog again, if anything may have happened that no statement of ours accounts for."""
        if self._dirty:
            self._snapshot.refresh(partial(_ask, link), None)
            self._dirty = False
            self._seen_by = connection

    def _before(self, event: events.Statement, link: Link) -> None:
        self._pending = event
        self._notices.clear()
        known = self._connections.setdefault(event.connection, _Connection())
        if self._seen_by not in (None, event.connection):
            self._dirty = True
        if not known.inside:
            self._transactions += 1
            known.transaction = self._transactions
            known.inside = not event.autocommit
            if event.autocommit and _can_be_wrapped(event):
                # Its locks would be gone before we could look: on scratch it may as well run in a block of its own.
                link.query("BEGIN")
                known.wrapped = True
        self._refresh(link, event.connection)
        self._seen_by = event.connection
        if known.last is None or known.wrapped or known.last.transaction is None:
            known.last = _observe(link)

    def _after(self, event: events.StatementDone, link: Link) -> None:
        statement, self._pending = self._pending, None
        if statement is None:
            return
        known = self._connections[event.connection]
        before = known.last or Observation()
        after = _observe(link)
        old_catalog, old_relations = self._snapshot.catalog, self._snapshot.relations
        self._snapshot.refresh(partial(_ask, link), self._changed(statement, before, after))
        effects = effects_between(before, after, old_relations, self._snapshot.relations)
        changes = diff(old_catalog, self._snapshot.catalog)
        effects = replace(effects, changes=changes, notices=tuple(self._notices))
        self._record(statement, effects, event.seconds, None)
        known.last = after
        if known.wrapped:
            link.query("COMMIT")
            known.wrapped = False
            known.last = None
        if statement.autocommit:
            known.inside = False

    def _changed(self, statement: events.Statement, before: Observation, after: Observation) -> frozenset[str] | None:
        """The system catalogs that a statement changed; None where its own transaction is already over."""
        sort = sort_of(statement.sql)
        if sort.alone or sort.transaction:
            return None
        return changed_catalogs(before, after)

    def _failed(self, event: events.StatementFailed) -> None:
        statement, self._pending = self._pending, None
        self._dirty = True
        if statement is not None:
            error = StatementError(event.sqlstate or "", event.message)
            self._record(statement, Effects(notices=tuple(self._notices)), event.seconds, error)
        known = self._connections.get(event.connection)
        if known is not None and known.wrapped:
            known.wrapped = known.inside = False
            known.last = None

    def _ended(self, event: events.Commit | events.Rollback) -> None:
        known = self._connections.setdefault(event.connection, _Connection())
        known.inside = False
        known.last = None
        if isinstance(event, events.Rollback):
            self._dirty = True

    def _record(
        self, statement: events.Statement, effects: Effects, seconds: float, error: StatementError | None
    ) -> None:
        if self._running is None:
            return
        self._running.statements.append(
            TracedStatement(
                sql=statement.rendered or statement.sql,
                parameters=(),
                file=statement.file or statement.caller_file or "",
                line=statement.line or 0,
                transaction=self._connections[statement.connection].transaction,
                autocommit=statement.autocommit,
                effects=effects,
                seconds=seconds,
                ddl=sort_of(statement.sql).ddl,
                error=error,
            )
        )


def _can_be_wrapped(event: events.Statement) -> bool:
    sort = sort_of(event.sql)
    return not (sort.alone or sort.transaction or event.executemany)


def _ask(link: Link, *questions: str) -> list[str]:
    """The answers to questions that the scratch database was prepared for, in one round trip."""
    rows = link.query(looking_at(*questions))
    answers = [text for text in (rows[0] if rows else []) if text is not None]
    if len(answers) != len(questions):
        raise Failed("trace.observe", "the scratch database returned nothing where a catalog was expected")
    return answers


def _observe(link: Link) -> Observation:
    return msgspec.json.decode(_ask(link, "observe")[0], type=Observation)
