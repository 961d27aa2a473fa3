"""Follows the child process through the revisions and writes down what each statement did.

The child waits after every statement; meanwhile we look at the same transaction through its own connection, so that
what is not committed is seen as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.errors import Failed
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.redact import redact_statement
from db_migrate.project import events
from db_migrate.project.child_process import Link
from db_migrate.trace.borrowing import Borrowed
from db_migrate.trace.deduction import Between, Holding, with_keys
from db_migrate.trace.effects import (
    CommitPoint,
    Direction,
    Effects,
    RevisionError,
    StatementError,
    TracedRevision,
    TracedStatement,
)
from db_migrate.trace.grammar import StatementSort, sort_of_sent, without_constants
from db_migrate.trace.observation import Observation, changed_catalogs
from db_migrate.trace.phases import Standstill, Watch
from db_migrate.trace.snapshot import Refreshed, Snapshot, Unreadable
from db_migrate.trace.touched import touched
from db_migrate.trace.unseen import ServerLog

_HEARD = ("NOTICE", "WARNING", "INFO")
_SPARING = ("are sufficient to prove", "is implied by existing constraints")
"""In what the server says at ``debug1``: NOT NULL and the bounds of a partition that are known to hold."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trace runs: the scratch database as its superuser, its server's version and log."""

    database: ConnInfo
    server_version: int
    log: Path


@dataclass(frozen=True, slots=True)
class RevisionSource:
    """What the files say about a revision, for the trace to carry along."""

    down_revision: tuple[str, ...]
    message: str
    file: str
    allow: Mapping[str, str]


@dataclass(slots=True)
class _Sent:
    """A statement that is being run, and the last look before it."""

    event: events.Statement
    sort: StatementSort
    before: Observation


@dataclass(slots=True)
class _Running:
    """The revision that is being run."""

    revision: str
    direction: Direction
    before: Catalog
    statements: list[TracedStatement] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    commits: list[CommitPoint] = field(default_factory=list)
    indexes: list[tuple[int, SchemaObject]] = field(default_factory=list)
    external: bool = False

    def passing(self, after: Catalog) -> tuple[tuple[int, SchemaObject], ...]:
        """The indexes that were made so far and that ``after`` does not have."""
        return tuple((place, made) for place, made in self.indexes if made.key not in after.objects)


class Tracer:
    """Handles the child's events of one or more runs against one scratch database.

    With ``commits`` the schema at each commit within a revision is kept. With ``sampled`` there are rows of the target,
    whose values are kept out of the record.
    """

    def __init__(
        self, place: Place, sources: Mapping[str, RevisionSource], *, commits: bool = False, sampled: bool = False
    ) -> None:
        self._place = place
        self._sampled = sampled
        self._commits = commits
        self._sources = sources
        self._snapshot = Snapshot(place.server_version)
        self._log = ServerLog(place.log, place.database.dbname)
        self._connections: dict[int, Borrowed] = {}
        self._dirty = True
        self._holding = Holding()
        self._narrowed = False
        """Whether a statement was taken at its word on what it was about: all is read again when the revision ends."""
        self._seen_by: int | None = None
        self._transactions = 0
        self._running: _Running | None = None
        self._sent: _Sent | None = None
        self._watch: Watch | None = None
        self._notices: list[str] = []
        self._spared: list[str] = []
        self.revisions: list[TracedRevision] = []
        self.refused: list[events.Refused] = []
        self.prepared: list[str] = []
        """What Alembic itself made before the first revision: its version table."""
        self.configured: set[int | None] = set()
        """The connections that env.py gave to Alembic."""

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event; called by the child process's parent end."""
        match event:
            case events.Connected():
                self._connections[event.connection] = Borrowed(event.backend_pid)
            case events.Configure():
                self.configured.add(event.connection)
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
            case events.Notice(severity=severity, message=message):
                self._said(severity, message)
            case events.ExternalTransaction() if self._running is not None:
                self._running.external = True
            case events.Refused():
                self.refused.append(event)
            case events.StepEnd():
                self._end_revision(event, link)
            case _:
                pass

    def _said(self, severity: str, message: str) -> None:
        if severity in _HEARD:
            self._notices.append(message)
        elif any(words in message for words in _SPARING):
            self._spared.append(message)

    @property
    def running(self) -> bool:
        """Whether a revision has begun and not ended."""
        return self._running is not None

    @property
    def statements(self) -> Sequence[TracedStatement]:
        """What the revision that is running has sent so far."""
        return self._running.statements if self._running is not None else ()

    @property
    def catalog(self) -> Catalog:
        """The scratch database's catalog as last read."""
        return self._snapshot.catalog

    def fail(self, error: RevisionError, after: Catalog) -> None:
        """End the revision that was running when the child reported an error; ``after`` is what the database holds."""
        if self._running is None:
            return
        self._running.unseen += self._log.unseen()
        last = self._running.statements[-1] if self._running.statements else None
        if last is not None and last.error is not None and last.error.sqlstate == error.sqlstate:
            error = replace(error, statement=len(self._running.statements) - 1)
        self._finish(after, error)

    def look_again(self) -> None:
        """Something was changed that no event tells of: take nothing for granted."""
        self._dirty = True
        for each in self._connections.values():
            each.forget()

    def _begin_revision(self, event: events.StepBegin, link: Link) -> None:
        self._look_for_unseen(event.connection, link)
        self._refresh(link)
        self._running = _Running(event.revision, Direction(event.direction), self._snapshot.catalog)

    def _end_revision(self, event: events.StepEnd, link: Link) -> None:
        self._look_for_unseen(event.connection, link)
        self._dirty, self._narrowed = self._dirty or self._narrowed, False
        self._refresh(link)
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
                unseen=tuple(running.unseen),
                commits=tuple(running.commits),
                passing=running.passing(after),
            )
        )

    def _look_for_unseen(self, connection: int | None, link: Link) -> Borrowed | None:
        """The connection, fit for use, after noting what no event has told of."""
        borrowed = self._connections.get(connection) if connection is not None else None
        if borrowed is not None:
            borrowed.recover(link)
        unseen = self._log.unseen()
        if unseen:
            self.look_again()
            if self._running is not None:
                self._running.unseen += unseen
        if self._seen_by not in (None, connection):
            self._dirty = True  # what the other one has not committed is not to be seen from here
        self._seen_by = connection
        return borrowed

    def _refresh(self, link: Link) -> None:
        """Read all of the catalog again, if anything may have happened that no statement accounts for."""
        if not self._dirty:
            return
        try:
            self._snapshot.refresh(partial(_ask, link), None)
        except Unreadable:
            return
        self._dirty = False
        self._holding.forget()

    def _before(self, event: events.Statement, link: Link) -> None:
        self._notices.clear()
        self._spared.clear()
        borrowed = self._look_for_unseen(event.connection, link)
        if borrowed is None:
            raise Failed("trace.observe", "a statement came over a connection that was never announced")
        sort = sort_of_sent(event.rendered, event.sql)
        if borrowed.doomed:
            self._sent = _Sent(event, sort, Observation())
            return
        begins = not any(each.inside for each in self._connections.values())
        if not borrowed.inside:
            self._transactions += 1
            borrowed.begin(self._transactions, link, sort, autocommit=event.autocommit)
        self._refresh(link)
        if begins:
            self._note_commit()
        self._sent = _Sent(event, sort, borrowed.before(link))
        if borrowed.alone and sort.commits_between and borrowed.pid is not None:
            self._watch = Watch(self._place.database, borrowed.pid)

    def _note_commit(self) -> None:
        """What the revision has done so far is committed, where it has done anything."""
        if self._commits and self._running is not None and self._running.statements:
            self._running.commits.append(CommitPoint(len(self._running.statements) - 1, self._snapshot.catalog))

    def _after(self, event: events.StatementDone, link: Link) -> None:
        standstills = self._end_watch()
        sent, self._sent = self._sent, None
        if sent is None:
            return
        borrowed = self._connections[event.connection]
        if borrowed.doomed:  # it was a rollback, else it would have failed
            self._dirty = True
            borrowed.rolled_back()
            self._record(sent, borrowed.transaction, Effects(), event.seconds, None)
            self._log.skip()
            return
        after = borrowed.after(link)
        changed = None if sent.sort.rolls_back else changed_catalogs(sent.before, after)
        try:
            about = touched(sent.sort, sent.before, after, self._snapshot.relations)
            self._narrowed |= about is not None
            found = self._snapshot.refresh(partial(_ask, link), changed, after.strong, about)
        except Unreadable:
            self._dirty, found = True, Refreshed()
        between = Between(
            sent.sort,
            sent.before,
            after,
            found.before,
            found.after,
            self._snapshot.relations,
            standstills,
            self._holding,
        )
        effects = with_keys(between.effects(), found.validated)
        effects = replace(effects, changes=found.changes, notices=tuple(self._notices), spared=tuple(self._spared))
        self._record(sent, borrowed.transaction, effects, event.seconds, None)
        self._note_indexes(found)
        borrowed.end_alone(link)
        if sent.sort.rolls_back:
            borrowed.rolled_back()
        self._log.skip()

    def _note_indexes(self, found: Refreshed) -> None:
        if self._running is None or found.objects is None:
            return
        for change in found.changes:
            made = found.objects.get(Kind.INDEX, change.object) if change.kind is Kind.INDEX else None
            stands = change.action is Action.CREATED or any(a.name == "attached_to" for a in change.attributes)
            if made is not None and stands:
                self._running.indexes.append((len(self._running.statements) - 1, made))

    def _failed(self, event: events.StatementFailed) -> None:
        self._end_watch()
        sent, self._sent = self._sent, None
        self._dirty = True
        self._log.skip()
        borrowed = self._connections[event.connection]
        if sent is not None:
            error = StatementError(event.sqlstate or "", event.message)
            self._record(sent, borrowed.transaction, Effects(notices=tuple(self._notices)), event.seconds, error)
        borrowed.failed()

    def _end_watch(self) -> tuple[Standstill, ...]:
        watch, self._watch = self._watch, None
        return watch.end() if watch is not None else ()

    def _ended(self, event: events.Commit | events.Rollback) -> None:
        self._connections[event.connection].ended()
        if isinstance(event, events.Rollback):
            self._dirty = True

    def _record(
        self, sent: _Sent, transaction: int, effects: Effects, seconds: float, error: StatementError | None
    ) -> None:
        event = sent.event
        text = redact_statement(event.rendered or event.sql)
        if self._running is None:
            if event.internal and sent.sort.ddl:
                self.prepared.append(text)
            return
        if self._sampled and event.line and not sent.sort.ddl:
            text = without_constants(event.sql)
            if error is None and any(each.sql == text and not each.error for each in self._running.statements):
                return
        self._running.statements.append(
            TracedStatement(
                sql=text,
                parameters=(),
                file=event.file or event.caller_file or "",
                line=event.line or 0,
                transaction=transaction,
                autocommit=event.autocommit,
                effects=effects,
                seconds=seconds,
                ddl=sent.sort.ddl,
                error=error,
                lock_timeout=sent.before.lock_timeout,
            )
        )


def _ask(link: Link, sql: str) -> str | None:
    rows = link.query(sql)
    return rows[0][0] if rows else None
