"""Stands at every statement of the child process: lets through what was planned, when the site can bear it.

One ``Conductor`` accompanies a whole run, over as many attempts as it takes. What it cannot let through it refuses
with ``link.abort``; why is in ``ending``, for ``run`` to tell the user.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed
from db_migrate.execute.blockers import end_idle, look, reachable
from db_migrate.execute.debris import drop_indexes, invalid_indexes
from db_migrate.execute.discipline import (
    Budget,
    EndIdle,
    Got,
    Intention,
    Look,
    Retrying,
    Sleep,
    Tried,
    TryLocks,
    Waiting,
    acquire,
    back_off,
    drive,
    wait_for_blockers,
)
from db_migrate.execute.expectation import Differs, Expectation, outside_is_harmless, sort_of_event, text_of
from db_migrate.execute.hooks import Hooks, Moment
from db_migrate.execute.interruption import Interruption
from db_migrate.execute.journal import Entry
from db_migrate.execute.keep.store import runner
from db_migrate.execute.keeping import Keeper
from db_migrate.execute.locks import strong, strongest
from db_migrate.execute.monitor import Monitor
from db_migrate.execute.position import Position, Rules
from db_migrate.execute.progress import Blocker, ProgressKind
from db_migrate.execute.recording import Recorder, Step
from db_migrate.execute.worker import (
    Worker,
    are_there,
    introduce,
    limit_of,
    observe,
    restore_timeouts,
    set_timeouts,
    try_locks,
    unlimited,
)
from db_migrate.project import events
from db_migrate.project.child_process import Link, QueryError
from db_migrate.results import Plan, PlannedRevision, PlannedStatement
from db_migrate.results.typed import command_of
from db_migrate.trace.effects import Lock, LockMode
from db_migrate.trace.grammar import StatementSort

if TYPE_CHECKING:
    from psycopg import Connection

_TRY_AGAIN = frozenset({"55P03", "40P01"})
"""``lock_not_available`` and ``deadlock_detected``."""
_SESSION_ENDED = frozenset({"25P03", "25P04", "57P01", "57P05"})
"""Idle in a transaction for too long, a transaction that took too long, an administrator's wish, idle for too long."""

_CONNECTION = "08"
"""The class of errors of the connection."""

_CANCELLED = "57014"
"""``query_canceled``."""


@dataclass(slots=True)
class Conductor:
    """See the module. ``watch`` is a connection of our own to the target, with ``search_path = pg_catalog``."""

    plan: Plan
    rules: Rules
    recorder: Recorder
    watch: Connection[tuple[object, ...]]
    read_live: Callable[[], Catalog]
    interruption: Interruption
    budget: Budget
    keeper: Keeper
    monitor: Monitor
    hooks: Hooks
    known_invalid: frozenset[str] = frozenset()
    """The indexes that were invalid before the run, and are none of its business."""
    position: Position = field(default_factory=Position)
    workers: dict[int, Worker] = field(default_factory=dict)
    ending: Exception | None = None
    warnings: list[str] = field(default_factory=list)
    before_revision: Catalog | None = None
    heads_after: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """What the version table holds after each of the plan's revisions, by its number."""
    _expectation: Expectation | None = None
    _step: Step | None = None
    _failed_step: Step | None = None
    _spared: set[int | None] = field(default_factory=set)
    """Sessions that were ended, or cannot be."""

    @property
    def revision(self) -> PlannedRevision | None:
        """The planned revision that is next, or running; None when all have run."""
        return self.plan.revisions[self.position.at] if self.position.at < len(self.plan.revisions) else None

    @property
    def lock_was_busy(self) -> bool:
        """Whether the last statement that failed did so for a lock that it did not get in time."""
        failure = self.position.last_failure
        return failure is not None and failure.sqlstate in _TRY_AGAIN

    def sessions(self) -> tuple[int, ...]:
        """The processes at the target's server that do the child's work."""
        return tuple(worker.pid for worker in tuple(self.workers.values()) if not worker.foreign)

    def is_beyond(self, heads: Iterable[str]) -> bool:
        """Whether the version table says that the revision at hand has run after all, though its end was not heard."""
        expected = self.heads_after.get(self.position.at)
        return expected is None or set(heads) == set(expected)

    def begin_attempt(self) -> None:
        """Get ready for another go at what is left of the plan."""
        self.position.last_failure = None
        self.position.committed = False
        self.workers.clear()
        self._expectation = self._step = None
        self.recorder.discard()
        self.keeper.ended(committed=False)

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event of the child. What goes wrong here ends the run cleanly, and is in ``ending``."""
        try:
            if event.waits and self.ending is None:
                self.interruption.check()
            if self.ending is None or not event.waits:
                self._dispatch(event, link)
        except QueryError as error:
            self._own_statement_failed(error)
            link.abort(str(error))
        except Exception as error:  # whatever it is, user code must unwind before it is told
            self.ending = self.ending or error
        if event.waits and self.ending is not None:
            link.abort(str(self.ending))

    def _own_statement_failed(self, error: QueryError) -> None:
        """The server refused what we sent in the revision's transaction ourselves: for a lock it is tried again."""
        if error.sqlstate in _TRY_AGAIN:
            failure = events.StatementFailed(connection=0, sqlstate=error.sqlstate, message=str(error), seconds=0.0)
            self.position.last_failure = failure
        else:
            self.ending = self._refused(error)

    def _refused(self, error: QueryError) -> Failed:
        """Why a statement of our own in the revision's session did not work: often that is not there any more."""
        from psycopg import OperationalError

        verb, ended = self.recorder.verb, error.sqlstate in _SESSION_ENDED
        if _is_lost(error.sqlstate):
            with contextlib.suppress(OperationalError):
                ended = not are_there(self.watch, self.sessions())
        if ended:
            message = f"the server ended the session of revision {self._revision_name}"
            return Failed(f"{verb}.session-ended", message, why=str(error))
        return Failed(f"{verb}.failed", "the server refused a statement of ours", why=str(error))

    def _dispatch(self, event: events.Event, link: Link) -> None:
        match event:
            case events.Connected():
                self._connected(event, link)
            case events.StepBegin():
                self._begin_revision(event)
            case events.Statement():
                self._before(event, link)
            case events.StatementDone():
                self._after(event, link)
            case events.StatementFailed():
                self._failed(event)
            case events.MayRetry():
                self._may_retry(event, link)
            case events.Committing():
                self._committing(event, link)
            case events.Commit() | events.Rollback():
                self._ended(event)
            case events.StepEnd():
                self._end_revision()
            case events.Refused():
                self.warnings.append(f"the revision tried to reach {event.address}, which was refused")
            case _:
                pass

    def _connected(self, event: events.Connected, link: Link) -> None:
        worker = Worker(event.connection, event.backend_pid or 0)
        self.workers[event.connection] = worker
        query = "SELECT backend_start::text FROM pg_stat_activity WHERE pid = %s AND datname = current_database()"
        row = self.watch.execute(query.encode(), [worker.pid]).fetchone()
        worker.foreign = row is None
        if not worker.foreign:
            worker.limit = introduce(link, self.watch.info.server_version)
            self.recorder.note(Entry.WORKER, {"pid": worker.pid, "backend_start": row[0] if row else None})

    def _begin_revision(self, event: events.StepBegin) -> None:
        planned = self.revision
        if planned is None or (planned.revision, planned.direction) != (event.revision, event.direction):
            expected = f"{planned.direction} of {planned.revision}" if planned else "nothing more"
            raise Differs(f"Alembic is about to run the {event.direction} of {event.revision}", f"planned: {expected}")
        verb = self.recorder.verb
        self.hooks.begin_revision(verb, command_of(self.plan, verb), planned.revision)
        self._expectation = Expectation(planned)
        if planned.derived:
            self.recorder.derived(planned)
        self.keeper.begin_revision(planned, runner(self.watch))
        # What is sent outside of transactions may be done or not when something fails: only the schema can tell.
        alone = any(each.autocommit for each in planned.statements)
        self.before_revision = self.read_live() if alone else None
        self.position.committed = False
        self.position.last_failure = None

    def _before(self, event: events.Statement, link: Link) -> None:
        worker = self.workers[event.connection]
        sort = sort_of_event(event)
        if worker.foreign and (sort.ddl or sort.writes):
            raise Differs("a statement is about to be sent to another database than the target", event.sql)
        if not worker.failed and not event.autocommit and not worker.open:
            worker.open = True
        elif event.autocommit:
            restore_timeouts(link, worker)
        expectation = self._expectation
        if expectation is None or event.revision is None:
            self._outside(event, sort)
            return
        if event.internal and sort.writes:
            expectation.check_complete()
            self._make_room(worker, expectation, link)
            worker.recorded = True
        if sort.transaction or not (sort.ddl or sort.writes):
            return
        self._let_go(event, sort, worker, expectation, link)

    def _outside(self, event: events.Statement, sort: StatementSort) -> None:
        """env.py's own statements, and Alembic's for its version table."""
        if event.internal or not sort.ddl or outside_is_harmless(sort, event.sql):
            return
        raise Differs("env.py sends a statement that no plan has", event.sql)

    def _let_go(
        self, event: events.Statement, sort: StatementSort, worker: Worker, expectation: Expectation, link: Link
    ) -> None:
        """Check a statement that does something against the plan, and wait until it can be borne."""
        text = text_of(event)
        got = Got()
        planned: PlannedStatement | None = None
        if self.position.committed and not event.autocommit and not worker.busy and expectation.ends_together:
            self._make_room(worker, expectation, link)
        if sort.ddl:
            index, planned = expectation.take(text)
            got = self._clear_the_way(event, sort, planned, worker, link)
            if not event.autocommit:
                self._keep_rows(planned, worker, expectation, link)
            with unlimited(link, worker, self.rules.statement_timeout):
                self.keeper.before(planned, expectation.revision, link, held=got.held)
        else:
            index = expectation.place(text)
            if event.autocommit and not expectation.is_planned(text):
                raise Differs("the revision sends data outside of a transaction that the plan does not have", text)
            if not worker.busy and not event.autocommit:
                got = self._wait(expectation.strong_ahead(), link)
            if not event.autocommit:
                self._keep_rows(None, worker, expectation, link)
        shown = text if sort.ddl else event.sql
        self._step = self.recorder.start(
            Step(worker.number, expectation.revision.revision, expectation.revision.direction, index, shown, sort.ddl),
            waited=got.waited,
            attempt=max(self.position.attempt, got.attempts),
        )
        worker.busy = not event.autocommit
        self.monitor.begin(self._step, worker.pid)

    def _make_room(self, worker: Worker, expectation: Expectation, link: Link) -> None:
        """Get the locks for what is put back in this transaction, before it does anything that others wait for."""
        needed = self.keeper.room({each.object for each in self.plan.restored})
        if not needed or worker.failed:
            return
        if not worker.busy:
            expectation.took(needed)
            drive(acquire(needed, needed, self.rules.manners, self.budget), lambda each: self._perform(each, link))
        set_timeouts(link, worker, {"lock_timeout": self.rules.manners.lock_timeout}, autocommit=False)

    def _keep_rows(
        self, planned: PlannedStatement | None, worker: Worker, expectation: Expectation, link: Link
    ) -> None:
        """Keep what a statement may change or delete; nobody else writes to its tables until the commit."""
        tables = () if worker.failed else self.keeper.rows_at_risk(planned, expectation.revision)
        if not tables:
            return
        needed = tuple(Lock(each, LockMode.SHARE_ROW_EXCLUSIVE) for each in tables)
        expectation.took(needed)
        if not worker.busy:
            ahead = strongest((*needed, *expectation.strong_ahead()))
            drive(acquire(needed, ahead, self.rules.manners, self.budget), lambda each: self._perform(each, link))
        elif try_locks(link, needed, self.rules.manners.lock_timeout) is Tried.BUSY:
            raise QueryError("a table whose rows are to be kept is being written to", "55P03")
        with unlimited(link, worker, self.rules.statement_timeout):
            self.keeper.before_data(planned, expectation.revision, link)

    def _clear_the_way(
        self, event: events.Statement, sort: StatementSort, planned: PlannedStatement, worker: Worker, link: Link
    ) -> Got:
        """Get a statement's strong locks first where that is possible, and set the timeouts that suit it."""
        needed = strongest(strong(planned.effects))
        if worker.failed:
            return Got()
        if needed:
            got = self._get(needed, planned, worker, link, autocommit=event.autocommit)
            timeouts = {"lock_timeout": self.rules.manners.lock_timeout}
            if self.rules.statement_timeout:
                timeouts["statement_timeout"] = self.rules.statement_timeout
            set_timeouts(link, worker, timeouts, autocommit=event.autocommit)
            worker.hurried = not event.autocommit
            return got
        if not worker.hurried and _is_long(sort, planned):
            set_timeouts(link, worker, {"lock_timeout": 0, "statement_timeout": 0}, autocommit=event.autocommit)
        return Got()

    def _get(
        self, needed: tuple[Lock, ...], planned: PlannedStatement, worker: Worker, link: Link, *, autocommit: bool
    ) -> Got:
        """Wait for, and where nothing is held yet take, the strong locks of a statement."""
        assert self._expectation is not None
        ahead = strongest((*needed, *self._expectation.strong_ahead(planned.transaction)))
        if autocommit:
            return self._wait(ahead, link)
        if worker.busy:
            return Got()  # whoever waits for us must not wait longer: try once, and begin the revision again
        # When something of the revision is committed it cannot be begun again, so all locks are taken at once.
        now = ahead if self.position.committed else needed
        self._expectation.took(now)
        return drive(acquire(now, ahead, self.rules.manners, self.budget), lambda each: self._perform(each, link))

    def _wait(self, ahead: tuple[Lock, ...], link: Link) -> Got:
        """Wait until nobody is in the way of what is going to be needed."""
        began = self.budget.clock()
        if ahead:
            drive(wait_for_blockers(ahead, self.rules.manners, self.budget), lambda each: self._perform(each, link))
        return Got(self.budget.clock() - began if ahead else 0.0)

    def _perform(self, intention: Intention, link: Link) -> Any:
        """Do what the discipline asks for."""
        match intention:
            case Look(locks):
                own = [self.watch.info.backend_pid, self.recorder.pid, *self._own_pids()]
                return look(self.watch, locks, own)
            case TryLocks(locks, timeout):
                return try_locks(link, locks, timeout)
            case Sleep(seconds):
                return self.interruption.sleep(seconds)
            case EndIdle(blockers):
                return self._end_idle(blockers)
            case Waiting(blockers, seconds):
                return self._tell(ProgressKind.LOCK_WAIT, blockers=blockers, seconds=seconds)
            case Retrying(attempt, pause):
                return self._tell(ProgressKind.RETRY, attempt=attempt, seconds=pause)

    def _end_idle(self, blockers: tuple[Blocker, ...]) -> None:
        """End sessions that the user lets us end; each is named in the journal and in the result."""
        age = self.rules.manners.end_idle_after or 0.0
        for each, refused in end_idle(self.watch, (b for b in blockers if b.pid not in self._spared), age):
            self._spared.add(each.pid)
            if refused:
                self.warnings.append(f"{each.described()} could not be ended: {refused}")
            else:
                self.warnings.append(f"ended: {each.described()}")
                self.recorder.note(Entry.NOTE, {"ended_session": each.described()})

    def _own_pids(self) -> list[int]:
        return [worker.pid for worker in self.workers.values()]

    @property
    def _revision_name(self) -> str:
        return self.revision.revision if self.revision else ""

    def _tell(self, kind: ProgressKind, **facts: Any) -> None:
        self.recorder.tell(kind, revision=self._revision_name, **facts)

    def _after(self, event: events.StatementDone, link: Link) -> None:
        worker = self.workers[event.connection]
        step, self._step = self._step, None
        self.monitor.end()
        if worker.failed:
            worker.failed = False  # it was rolled back to a savepoint
        if step is None:
            return
        self.recorder.finish(step, event.seconds, rows=event.rowcount, pending=worker.open)
        if not worker.open:
            restore_timeouts(link, worker)
            self.position.committed = True
        elif not worker.recorded and (
            step.ddl or step.sql not in worker.checked
        ):  # else the commit is all that follows
            worker.checked.add(step.sql)
            self._check(worker, link)

    def _check(self, worker: Worker, link: Link) -> None:
        """Look at what the transaction has done so far. Raises ``Differs``."""
        if self._expectation is None:
            return
        worker.xid, held = observe(link, self.watch, worker)
        try:
            self._expectation.check_locks(held)
        except Differs:
            # Foreign keys change rows of other tables where there are rows, which there were not on scratch.
            written = self._expectation.allow_writes(lambda names: reachable(self.watch, names))
            if not written:
                raise
            self._expectation.check_locks(held)

    def _failed(self, event: events.StatementFailed) -> None:
        worker = self.workers[event.connection]
        self.position.last_failure = event
        worker.failed = worker.open
        step, self._step = self._step, None
        self.monitor.end()
        self._failed_step = step
        if step is not None:
            self.position.failed_sql = step.sql
            if worker.open or not _is_lost(event.sqlstate):  # else it may be done: it stays begun, the schema tells
                self.recorder.fail(step, event.seconds, event.message)
        if event.sqlstate == _CANCELLED and "statement timeout" in event.message:
            self.position.limit = limit_of(worker, self.rules.statement_timeout)

    def _may_retry(self, event: events.MayRetry, link: Link) -> None:
        """Outside of transactions only the statement itself is begun anew, if it was but a lock. Raises BudgetSpent."""
        step, expectation = self._failed_step, self._expectation
        if event.sqlstate not in _TRY_AGAIN or step is None or expectation is None:
            return
        self.clear_debris()
        drive(back_off(step.attempt, self.budget), lambda each: self._perform(each, link))
        planned = expectation.revision.statements[step.statement]
        got = self._wait(strongest(strong(planned.effects)), link)
        self.position.last_failure = self._failed_step = None
        again = Step(step.connection, step.revision, step.direction, step.statement, step.sql, step.ddl)
        self._step = self.recorder.start(again, waited=got.waited, attempt=step.attempt + 1)
        self.monitor.begin(self._step, self.workers[event.connection].pid)
        link.again()

    def clear_debris(self) -> None:
        """Drop the invalid indexes that the run's own CREATE INDEX CONCURRENTLY has left."""
        new = [name for name in invalid_indexes(self.watch) if name not in self.known_invalid]
        for name in drop_indexes(self.watch, new):
            self.recorder.note(Entry.NOTE, {"dropped_invalid_index": name})

    def _committing(self, event: events.Committing, link: Link) -> None:
        worker = self.workers[event.connection]
        if worker.foreign or worker.failed:
            return
        if event.revision is None or self._expectation is None:
            return
        self._check(worker, link)
        self._expectation.check_commit()
        if worker.recorded:
            with unlimited(link, worker, self.rules.statement_timeout):
                self.keeper.before_commit(self._expectation.revision, link)
        if worker.xid is not None:
            self.recorder.committing(worker.number, worker.xid, event.revision)

    def _ended(self, event: events.Commit | events.Rollback) -> None:
        worker = self.workers[event.connection]
        self.recorder.ended(event.connection, committed=isinstance(event, events.Commit))
        self.keeper.ended(committed=isinstance(event, events.Commit))
        if isinstance(event, events.Commit):
            self.position.committed = self.position.committed or worker.xid is not None
        worker.ended()

    def _end_revision(self) -> None:
        planned = self.revision
        assert planned is not None, "a revision that begins is in the plan"
        self.recorder.revision_done(planned)
        failures = self.hooks.run(Moment.AFTER_REVISION, revision=planned.revision)
        self.warnings += [each.described(Moment.AFTER_REVISION) for each in failures]
        self.position.at += 1
        self.position.committed = False
        self.position.attempt = 1
        self._expectation = None


def _is_long(sort: StatementSort, planned: PlannedStatement) -> bool:
    """Whether a statement may take its time: it reads a whole table, builds an index, or waits for others to end."""
    return sort.alone or bool(planned.effects.scans or planned.effects.index_builds)


def _is_lost(sqlstate: str | None) -> bool:
    """Whether the answer was lost with the connection; some drivers know only that it is gone."""
    return (sqlstate or _CONNECTION).startswith(_CONNECTION)
