"""Executes a proved plan on its target, under the lock between runners, and says truthfully what became of it."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db_migrate import __version__
from db_migrate.catalog.objects import Catalog
from db_migrate.config import CancelBlockers, Settings
from db_migrate.errors import DbMigrateError, Failed
from db_migrate.execute import preflight
from db_migrate.execute.aftermath import find_out
from db_migrate.execute.attempts import carry_out
from db_migrate.execute.backup import back_up
from db_migrate.execute.conductor import Conductor
from db_migrate.execute.consent import check_consent
from db_migrate.execute.debris import built_by, drop_indexes, invalid_indexes
from db_migrate.execute.discipline import Budget, Manners
from db_migrate.execute.hooks import Hooks, Moment
from db_migrate.execute.indexes_ahead import IndexesAhead
from db_migrate.execute.interruption import InterruptedByUser, Interruption, StoppedAtOnce, listening
from db_migrate.execute.journal import Entry, Journal, Log, NoJournal
from db_migrate.execute.keep.choose import PARK
from db_migrate.execute.keep.store import prepare
from db_migrate.execute.keeping import Keeper
from db_migrate.execute.monitor import Monitor, monitoring
from db_migrate.execute.opening import interrupted, locked, state_of, watching, who
from db_migrate.execute.outcome import Ending, RunState, explain
from db_migrate.execute.position import Rules
from db_migrate.execute.progress import Observer, ProgressKind, nobody
from db_migrate.execute.recording import Recorder
from db_migrate.execute.spans import spanned
from db_migrate.execute.statistics import refresh, rewritten
from db_migrate.execute.unfinished import close_transaction, settle
from db_migrate.postgres.advisory import RunnerLock
from db_migrate.project.child_process import Child, Handler, open_child
from db_migrate.project.config import ProjectConfig
from db_migrate.project.graph import load_graph
from db_migrate.results import Backup, Plan, RunResult, StepResult
from db_migrate.results.typed import command_of
from db_migrate.schemas.target import LiveState, Target
from db_migrate.trace.resuming import Committed, Resuming

if TYPE_CHECKING:
    from psycopg import Connection

_RENEWAL_SECONDS = 5.0
"""How long to try for the lock again when its connection was lost, to close the run in the journal."""


@dataclass(frozen=True)
class Order:
    """What is to be executed, where and how.

    ``read_live`` reads the target's catalog now, in the way in which the plan's *from* fingerprint was read;
    ``read_expected`` gets the catalog that it began with, where that is known, to say what has changed since.
    ``resuming``: the plan is what is left of a revision of which this is committed.
    """

    plan: Plan
    project: ProjectConfig
    target: Target
    settings: Settings
    read_live: Callable[[], Catalog]
    verb: str = "apply"
    confirm: str | None = None
    read_expected: Callable[[], Catalog | None] = lambda: None
    observer: Observer = nobody
    resuming: Committed | None = None
    backup: Path | None = None
    """The folder into which the touched tables are dumped first."""
    instead: Path | None = None
    """The folder in which the revisions are, where they are no longer the project's own."""
    follows: str = ""
    """The fingerprint that the same command left behind in this database, when it had migrated another schema of it."""

    @contextlib.contextmanager
    def seen(self, child: Child) -> Iterator[None]:
        """Within the context the child process sees the revisions, and goes back by the derived downgrades."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(child.going_back_by(self.derived))
            if self.instead is not None:
                stack.enter_context(child.seeing(self.instead, instead=True))
            yield

    @property
    def command(self) -> str:
        """What leads where the plan does, typed anew."""
        return command_of(self.plan, self.verb)

    @property
    def around(self) -> Callable[[Handler], Handler]:
        """What stands before the conductor: who leaves out what is committed."""
        committed = self.resuming
        return (lambda handler: handler) if committed is None else (lambda handler: Resuming(handler, committed))

    @property
    def derived(self) -> Mapping[str, str]:
        """The downgrades that are run in place of the files', by revision."""
        return {each.revision: each.derived for each in self.plan.revisions if each.derived}

    @property
    def budgets(self) -> Mapping[str, float]:
        """The time limits in seconds, with the target's own where it has some."""
        names = ("lock_timeout", "lock_budget", "statement_timeout")
        general = {name: value for name in names if (value := getattr(self.settings, name)) is not None}
        return {**general, **self.settings.chosen.budgets}


def execute_plan(order: Order) -> RunResult:
    """Carry out ``order``; what went wrong once it had begun is in the result's ``error``, with its ``exit_code``.

    Raises ``Refused`` (exit code 3) before anything is changed: consent, an altered or stale plan, another target;
    ``LockBudgetExceeded`` when another run does not end in time; what connecting raises.
    """
    with spanned(order.plan, order.verb, order.target.name, order.observer) as spans:
        return spans.ended(_execute(replace(order, observer=spans.happened)))


def _execute(order: Order) -> RunResult:
    plan = order.plan
    preflight.check_document(plan)
    check_consent(
        plan,
        confirm=order.confirm,
        production=order.settings.chosen.production,
        database=order.target.conninfo.dbname,
        verb=order.verb,
    )
    if not plan.revisions and not _was_left_open(order):
        return _result(order, "", RunState.UNCHANGED, plan.current)
    files = {name: each.file for name, each in load_graph(order.project).revisions.items()}
    preflight.check_files(plan, files)
    budget = order.budgets["lock_budget"]
    with (
        locked(order.target, order.verb, order.command, budget, order.observer) as lock,
        listening(order.target.conninfo) as interruption,
        watching(order.target) as watch,
    ):
        try:
            return _Run(order, lock, watch, interruption, files).execute()
        except InterruptedByUser as error:
            raise interrupted(order.verb, order.command) from error


def _was_left_open(order: Order) -> bool:
    """Whether the journal has a run without an end: one that was killed after its last commit, say."""
    if not order.settings.journal:
        return False
    with watching(order.target) as watch:
        journal = Journal(watch, order.target.schema)
        return any(journal.is_about(each.opened) for each in journal.unfinished())


class _Run:
    """One run, from the lock on."""

    def __init__(
        self,
        order: Order,
        lock: RunnerLock,
        watch: Connection[tuple[object, ...]],
        interruption: Interruption,
        files: Mapping[str, Path],
    ) -> None:
        self._order = order
        self._lock = lock
        self._watch = watch
        self._interruption = interruption
        self._run = str(uuid.uuid4())
        self._journal = Journal(lock.connection, order.target.schema)
        log: Log = self._journal if order.settings.journal else NoJournal()
        self._backup: Backup | None = None
        pid = lock.connection.info.backend_pid
        self._recorder = Recorder(self._run, log, order.observer, pid, order.verb, dict(files))
        self._warnings: list[str] = [] if order.settings.journal else [NoJournal.warning]

    def execute(self) -> RunResult:
        """Check once more, now that nobody else can change it, then do it."""
        order, plan = self._order, self._order.plan
        live = state_of(self._watch, order.target)
        preflight.check_server(plan, live.summary)
        if order.settings.journal:
            preflight.check_environment(self._journal.environment(), order.target.name)
            if self._journal.exists:
                self._settle(live.current)
        if set(live.current) == set(plan.destination):
            return self._unchanged(live.current)
        preflight.check_start(plan, live.current, order.read_live(), order.read_expected, order.follows)
        if order.settings.journal:
            self._journal.ensure()
        if order.backup is not None:
            self._backup = back_up(self._watch, order.target.conninfo, plan, order.backup, self._run)
        self._open(live.role)
        with self._own_hooks(live) as hooks:
            self._hooks = hooks
            try:
                hooks.begin(order.verb, order.command, Moment.BEFORE_RUN)
            except Failed as refused:
                return self._told(self._stopped(live, refused))
            except (InterruptedByUser, StoppedAtOnce):
                return self._told(self._stopped(live, interrupted(order.verb, order.command)))
            return self._told(self._execute())

    def _own_hooks(self, live: LiveState) -> Hooks:
        order, plan = self._order, self._order.plan
        facts = {
            "run": self._run,
            "verb": order.verb,
            "target": order.target.name,
            "database": live.summary.database,
            "schema": order.target.schema,
            "from": plan.current,
            "destination": plan.destination,
            "plan": plan.hash,
        }
        return Hooks(
            order.settings.hooks,
            order.project,
            order.settings.root,
            order.target.conninfo.as_libpq(),
            facts,
            self._note_hook,
            lambda hook: self._recorder.tell(ProgressKind.HOOK_STARTED, message=hook),
            self._interruption,
        )

    def _note_hook(self, said: Mapping[str, Any]) -> None:
        """What a hook did, for the journal; where its connection is gone with the run's, the result alone says it."""
        from psycopg import OperationalError

        with contextlib.suppress(OperationalError):
            self._recorder.note(Entry.NOTE, said)

    def _stopped(self, live: LiveState, error: DbMigrateError) -> RunResult:
        """A hook has stopped the run before anything was done."""
        self._note_end({"state": RunState.STOPPED.value, "to": list(live.current), "error": error.message})
        self._recorder.tell(ProgressKind.FINISHED, message=RunState.STOPPED.value)
        warnings = tuple(self._warnings)
        stopped = _result(self._order, self._run, RunState.STOPPED, live.current, error=error, warnings=warnings)
        return replace(stopped, backup=self._backup)

    def _told(self, done: RunResult) -> RunResult:
        """The run with what the hooks that run at its end did not do."""
        facts = {"state": done.state, "to": done.to, "error": done.error.message if done.error else ""}
        moments = [Moment.ON_FAILURE, Moment.AFTER_RUN] if done.error else [Moment.AFTER_RUN]
        failures = [each.described(moment) for moment in moments for each in self._hooks.run(moment, **facts)]
        return replace(done, warnings=(*done.warnings, *failures))

    def _settle(self, heads: tuple[str, ...]) -> None:
        """Close the runs that were never closed."""
        order = self._order
        self._journal.ensure()
        self._warnings += settle(
            self._watch,
            self._journal,
            heads,
            budget=order.budgets["lock_budget"],
            sleep=self._interruption.sleep,
            waiting=lambda blockers, waited: self._recorder.tell(
                ProgressKind.LOCK_WAIT, blockers=blockers, seconds=waited
            ),
        )

    def _open(self, role: str) -> None:
        order, plan = self._order, self._order.plan
        content = {
            "verb": order.verb,
            "environment": order.target.name,
            "from": list(plan.current),
            "destination": list(plan.destination),
            "plan": plan.hash,
            "version": __version__,
            "who": who(role),
            "settings": dict(order.budgets),
            **({"schema": order.target.schema} if order.target.schema else {}),
        }
        self._recorder.note(Entry.RUN_OPENED, content)
        self._recorder.tell(ProgressKind.RUN_STARTED)

    def _execute(self) -> RunResult:
        with monitoring(self._order.target.conninfo, self._recorder) as monitor:
            return self._carry_out(self._conductor(monitor))

    def _carry_out(self, conductor: Conductor) -> RunResult:
        order = self._order
        if any(each.strategy != PARK for each in order.plan.kept):
            prepare(self._lock.connection)
        self._interruption.working = conductor.sessions
        before = invalid_indexes(self._watch)
        conductor.known_invalid = frozenset(before)
        for name in drop_indexes(self._watch, built_by(order.plan.revisions) & set(before)):
            self._warnings.append(f"an earlier run had left the index {name} invalid; it was dropped")
            self._recorder.note(Entry.NOTE, {"dropped_invalid_index": name})
        allowed = [order.target.conninfo.as_libpq()]
        ahead = IndexesAhead(order.plan, order.target, self._recorder, conductor.monitor, self._interruption)
        try:
            ending = ahead.build(self._watch)
            if ending is None:
                with open_child(order.project, allowed=allowed) as child, order.seen(child):
                    ending = carry_out(child, conductor, order.verb, order.target, order.around)
                    self._interruption.end()
        except StoppedAtOnce as error:
            revision = conductor.revision
            ending = Ending(order.verb, revision.revision if revision else "", error=error)
        return self._close(conductor, ending, frozenset(before), ahead)

    def _conductor(self, monitor: Monitor) -> Conductor:
        budgets = self._order.budgets
        row = self._watch.execute(
            "SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval)::float8"
        ).fetchone()
        settings = self._order.settings
        manners = Manners(
            budgets["lock_timeout"],
            budgets["lock_budget"],
            float(str(row[0])) if row else 1.0,
            settings.lock_threshold if settings.cancel_blockers is CancelBlockers.IDLE else None,
        )
        plan = self._order.plan
        return Conductor(
            plan=plan,
            rules=Rules(manners, budgets.get("statement_timeout")),
            recorder=self._recorder,
            watch=self._watch,
            read_live=self._order.read_live,
            interruption=self._interruption,
            budget=Budget(manners.lock_budget, time.monotonic, random.random),
            keeper=Keeper((*plan.kept, *plan.if_filled), self._run, self._recorder.note, self._order.target.schema),
            monitor=monitor,
            hooks=self._hooks,
        )

    def _unchanged(self, heads: tuple[str, ...]) -> RunResult:
        return _result(self._order, "", RunState.UNCHANGED, heads, warnings=tuple(self._warnings))

    def _close(
        self, conductor: Conductor, ending: Ending | None, known_invalid: frozenset[str], ahead: IndexesAhead
    ) -> RunResult:
        """See what the database says, note it, and tell it."""
        order = self._order
        after = find_out(order.target, conductor, known_invalid, order.read_live, ahead.clear)
        partial = after.partial or order.resuming is not None
        reached = set(after.heads) == set(order.plan.destination)
        state = RunState.DONE if reached else RunState.PARTIAL if partial else RunState.STOPPED
        error = None
        if ending is not None and not reached:
            error = explain(ending, state, after.heads, order.plan, conductor.position.at)
        for name in after.dropped:
            self._warnings.append(f"the index {name} was left invalid; it was dropped")
        if state is RunState.DONE:
            self._refresh_statistics()
        for name in ahead.left:
            self._warnings.append(
                f"the index {name}, built for what was to come back, stays until the next run needs it"
            )
        said = error.message if error else ""
        content: dict[str, Any] = {"state": state.value, "to": list(after.heads), "error": said}
        if after.dropped:
            content["dropped_invalid_indexes"] = list(after.dropped)
        self._note_end(content)
        self._recorder.tell(ProgressKind.FINISHED, message=state.value)
        warnings = (*self._warnings, *conductor.warnings)
        done = _result(
            order,
            self._run,
            state,
            after.heads,
            steps=self._recorder.steps,
            keeper=conductor.keeper,
            error=error,
            warnings=warnings,
        )
        return replace(done, backup=self._backup)

    def _refresh_statistics(self) -> None:
        """ANALYZE what was rewritten; where that cannot be done, advise it."""
        from psycopg import OperationalError

        relations = rewritten(self._order.plan.revisions)
        if not relations:
            return
        try:
            for table, why in refresh(self._watch, relations):
                if why:
                    self._warnings.append(
                        f"{table} was rewritten and has no statistics: ANALYZE {table}; failed: {why}"
                    )
                else:
                    self._recorder.note(Entry.NOTE, {"analyzed": table})
        except OperationalError as error:
            names = ", ".join(relations)
            self._warnings.append(f"rewritten, and perhaps without statistics until ANALYZE: {names} ({error})")

    def _note_end(self, content: dict[str, Any]) -> None:
        """Close the run in the journal; where its connection is gone, on a new one."""
        from psycopg import OperationalError

        try:
            self._recorder.discard()
            self._recorder.note(Entry.RUN_CLOSED, content)
        except OperationalError:
            try:
                self._note_end_anew(content)
            except DbMigrateError as error:
                self._warnings.append(f"the run could not be closed in the journal, the next one will: {error.message}")

    def _note_end_anew(self, content: dict[str, Any]) -> None:
        """Get the lock again, note what became of the last transaction, and close the run."""
        self._lock.renew(budget_s=_RENEWAL_SECONDS)
        journal = Journal(self._lock.connection, self._order.target.schema)
        journal.ensure()
        for each in journal.unfinished():
            if each.run == self._run:
                close_transaction(self._lock.connection, journal, each)
                journal.add(self._run, Entry.RUN_CLOSED, content)


def _result(
    order: Order,
    run: str,
    state: RunState,
    heads: tuple[str, ...],
    *,
    steps: tuple[StepResult, ...] = (),
    keeper: Keeper | None = None,
    error: DbMigrateError | None = None,
    warnings: tuple[str, ...] = (),
) -> RunResult:
    return RunResult(
        target=order.plan.target,
        warnings=warnings,
        run=run,
        state=state.value,
        from_=order.plan.current,
        to=heads,
        steps=steps,
        kept=tuple(keeper.kept) if keeper else (),
        restored=tuple(keeper.restored) if keeper else (),
        verify=None,
        plan=order.plan,
        error=error.report() if error else None,
        exit_code=error.exit_code if error else 0,
    )
