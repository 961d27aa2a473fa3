"""Writes down what a run does: into the journal as it happens, for the result, and for whoever watches."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from db_migrate.execute.journal import Entry, Log
from db_migrate.execute.progress import Observer, ProgressEvent, ProgressKind
from db_migrate.postgres.redact import redact
from db_migrate.results import PlannedRevision, StepResult

_COUNT_SECONDS = 1.0


@dataclass(slots=True)
class Step:
    """A statement that is being executed; DML that is sent again and again, one after the other, is one step."""

    connection: int
    revision: str
    direction: str
    statement: int
    sql: str
    ddl: bool
    number: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    attempt: int = 1
    times: int = 0
    rows: int = 0

    def result(self) -> StepResult:
        """As the run's result shows it."""
        return StepResult(self.revision, self.statement, redact(self.sql), self.seconds, self.waited, self.attempt)

    def with_another(self, other: Step) -> Step:
        """Both as one, of which the first was sent first."""
        seconds, waited = self.seconds + other.seconds, self.waited + other.waited
        times, rows = self.times + other.times, self.rows + other.rows
        return replace(self, seconds=seconds, waited=waited, times=times, rows=rows)

    def repeats(self, other: Step) -> bool:
        """Whether this is ``other`` once more."""
        mine = (self.connection, self.revision, self.sql)
        return not self.ddl and not other.ddl and mine == (other.connection, other.revision, other.sql)


@dataclass(slots=True)
class Recorder:
    """What happens in one run. ``pid`` is the process of the session that the journal is written on."""

    run: str
    log: Log
    observer: Observer
    pid: int
    verb: str = "apply"
    scripts: dict[str, Path] = field(default_factory=dict)
    unanswered: str | None = None
    """The transaction that was about to be committed, of which we have not heard that it was."""
    _last: Step | None = None
    _number: int = 0
    _told: float = 0.0
    _telling: threading.Lock = field(default_factory=threading.Lock)
    _pending: list[Step] = field(default_factory=list)
    _done: list[Step] = field(default_factory=list)

    @property
    def steps(self) -> tuple[StepResult, ...]:
        """The statements that are committed; one that was sent again and again, as in batches, is one."""
        found: list[Step] = []
        for step in self._done:
            if found and step.repeats(found[-1]):
                found[-1] = found[-1].with_another(step)
            else:
                found.append(step)
        return tuple(step.result() for step in found)

    def note(self, kind: Entry, content: Mapping[str, Any]) -> None:
        """Add an entry to the journal."""
        self.log.add(self.run, kind, content)

    def tell(self, kind: ProgressKind, **facts: Any) -> None:
        """Tell who watches, from whichever thread."""
        with self._telling:
            self.observer(ProgressEvent(kind, self.run, **facts))

    def start(self, step: Step, *, waited: float, attempt: int) -> Step:
        """A statement is about to be sent. Returns the step that it belongs to."""
        if self._last is not None and step.repeats(self._last):
            self._last.waited += waited
            return self._last
        self._end_last()
        self._number += 1
        step.number, step.waited, step.attempt = self._number, waited, attempt
        content = {
            "step": step.number,
            "revision": step.revision,
            "direction": step.direction,
            "statement": step.statement,
            "sql": step.sql,
            "lock_wait_seconds": waited,
            "attempt": attempt,
        }
        self.note(Entry.STEP_STARTED, content)
        self._tell_step(ProgressKind.STEP_STARTED, step)
        return step

    def finish(self, step: Step, seconds: float, *, rows: int = 0, pending: bool) -> None:
        """The statement has ended well; ``pending``: within a transaction, of which nobody knows yet how it ends."""
        step.seconds += seconds
        step.times += 1
        step.rows += max(0, rows)
        if step.times == 1:
            (self._pending if pending else self._done).append(step)
        if pending and not step.ddl:
            self._last = step
            self._tell_count(step)
            return
        self._end(step, "done" if pending else "committed")

    def fail(self, step: Step, seconds: float, error: str) -> None:
        """The statement has failed."""
        step.seconds += seconds
        self._last = None
        self._end(step, "failed", redact(error))

    def committing(self, connection: int, xid: str, revision: str) -> None:
        """The transaction is about to be committed: ``pg_xact_status`` can tell, after a crash, whether it was."""
        self.unanswered = xid
        last, self._last = self._last, None
        with self.log.together():
            if last is not None:
                self._note_end(last, "done")
            self.note(Entry.COMMITTING, {"xid": xid, "revision": revision, "steps": self._steps_of(connection)})
        if last is not None:
            self._tell_step(ProgressKind.STEP_FINISHED, last)

    def ended(self, connection: int, *, committed: bool) -> None:
        """A transaction has ended."""
        self._end_last()
        self.unanswered = None
        steps = self._steps_of(connection)
        if committed:
            self._done += [step for step in self._pending if step.connection == connection]
        self._pending = [step for step in self._pending if step.connection != connection]
        if steps:
            state = "committed" if committed else "rolled back"
            self.note(Entry.TRANSACTION_ENDED, {"steps": steps, "state": state})

    def discard(self) -> None:
        """What was pending will never be committed: the process that would have had to is gone."""
        for connection in {step.connection for step in self._pending}:
            self.ended(connection, committed=False)
        self._last = None

    def derived(self, revision: PlannedRevision) -> None:
        """A revision begins whose downgrade is in no file: its text is kept, for repair to end it by."""
        content = {"revision": revision.revision, "derived": True, "script": redact(revision.derived)}
        self.note(Entry.NOTE, content)

    def revision_done(self, revision: PlannedRevision) -> None:
        """A revision has ended; its script is kept, so that what was applied can be told from what the file says."""
        path = self.scripts.get(revision.revision, Path(revision.file))
        data = path.read_bytes() if path.is_file() else b""
        data = revision.derived.encode() or data
        content = {
            "revision": revision.revision,
            "direction": revision.direction,
            "checksum": hashlib.sha256(data).hexdigest(),
            "script": redact(data.decode(errors="replace")).replace("\0", ""),
        }
        self.note(Entry.REVISION_DONE, content)
        self.tell(ProgressKind.REVISION_FINISHED, revision=revision.revision)

    def _tell_count(self, step: Step) -> None:
        """How many rows a loop has written so far, once a second."""
        now = time.monotonic()
        if step.times == 1:
            self._told = now
        elif now - self._told >= _COUNT_SECONDS:
            self._told = now
            self.tell(
                ProgressKind.PROGRESS,
                revision=step.revision,
                statement=step.statement,
                sql=redact(step.sql),
                seconds=step.seconds,
                done=step.rows,
                unit="rows",
            )

    def _steps_of(self, connection: int) -> list[int]:
        return [step.number for step in self._pending if step.connection == connection]

    def _end_last(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            self._end(last, "done")

    def _note_end(self, step: Step, state: str, error: str = "") -> None:
        content = {"step": step.number, "state": state, "seconds": step.seconds, "times": step.times, "error": error}
        self.note(Entry.STEP_ENDED, content)

    def _end(self, step: Step, state: str, error: str = "") -> None:
        self._note_end(step, state, error)
        self._tell_step(ProgressKind.STEP_FINISHED, step, state if state == "failed" else "")

    def _tell_step(self, kind: ProgressKind, step: Step, message: str = "") -> None:
        self.tell(
            kind,
            revision=step.revision,
            statement=step.statement,
            sql=redact(step.sql),
            seconds=step.seconds,
            attempt=step.attempt,
            message=message,
        )
