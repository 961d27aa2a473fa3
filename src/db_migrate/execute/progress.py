"""What a run tells while it goes on: values for the terminal's lines and for the JSONL stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from db_migrate.results import Plan


class ProgressKind(StrEnum):
    """The kinds of event, as the stream names them."""

    RUN_STARTED = "run_started"
    STEP_STARTED = "step_started"
    LOCK_WAIT = "lock_wait"
    RETRY = "retry"
    PROGRESS = "progress"
    STEP_FINISHED = "step_finished"
    REVISION_FINISHED = "revision_finished"
    REHEARSAL = "rehearsal"
    HOOK_STARTED = "hook_started"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds what we need. What the role may not see of it is empty.

    ``age`` is that of its transaction in seconds, None when hidden; ``pid`` is None for a prepared transaction, whose
    name is ``query`` then. ``relation`` and ``mode`` are the lock that is in the way.
    """

    pid: int | None
    user: str
    application: str
    age: float | None
    state: str
    query: str
    relation: str
    mode: str
    autovacuum: bool = False
    wraparound: bool = False

    def described(self) -> str:
        """One line for people."""
        age = "" if self.age is None else f"in a transaction for {self.age:.1f} s"
        holds = f"holds {self.mode} on {self.relation}" if self.relation else ""
        query = f": {self.query}" if self.query and self.pid is not None else ""
        return ", ".join(part for part in (self._who(), age, self.state, holds) if part) + query

    def _who(self) -> str:
        if self.autovacuum:
            plain = f"autovacuum (process {self.pid})"
            return f"{plain} against wraparound" if self.wraparound else plain
        named = " ".join(part for part in (self.user, f"({self.application})" if self.application else "") if part)
        if self.pid is None:
            return f"prepared transaction {self.query} of {named}" if named else f"prepared transaction {self.query}"
        return f"process {self.pid} of {named}" if named else f"process {self.pid}"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One thing that happened in a run. ``seconds``: how long it took, or has been waited so far.

    ``phase``, ``done`` and ``total`` are what PostgreSQL says of a long statement's progress, counted in ``unit``
    (rows, blocks, transactions, statements); ``attempt`` counts from 1. ``blockers`` are waited for.
    """

    event: ProgressKind
    run: str
    revision: str = ""
    statement: int | None = None
    sql: str = ""
    seconds: float = 0.0
    attempt: int = 1
    blockers: tuple[Blocker, ...] = ()
    message: str = ""
    phase: str = ""
    done: int | None = None
    total: int | None = None
    unit: str = ""
    target: str = ""
    """Which of several databases or schemas it happened in."""

    @property
    def rate(self) -> float | None:
        """What is done in a second, since the statement began; None where that is not known."""
        return self.done / self.seconds if self.done and self.seconds > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds until it is done, if it goes on like that; None where that is not known."""
        if self.total is None or self.done is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate


class Watcher(Protocol):
    """Somebody who is told of a run: a plan before it is executed, then each event."""

    def planned(self, plan: Plan) -> None:
        """This plan is about to be executed, if the user agrees."""

    def happened(self, event: ProgressEvent) -> None:
        """Something happened; from whichever thread, one at a time."""


@dataclass(frozen=True, slots=True)
class Named:
    """Hands on what happens, with the name of the database or schema that it happens in."""

    watcher: Watcher
    name: str

    def planned(self, plan: Plan) -> None:
        """As it is."""
        self.watcher.planned(plan)

    def happened(self, event: ProgressEvent) -> None:
        """With the name."""
        self.watcher.happened(replace(event, target=self.name))


class Unwatched:
    """Nobody is told."""

    def planned(self, plan: Plan) -> None:
        """Nothing."""

    def happened(self, event: ProgressEvent) -> None:
        """Nothing."""


Observer = Callable[[ProgressEvent], None]


def nobody(_event: ProgressEvent) -> None:
    """The observer of a run that nobody watches."""
