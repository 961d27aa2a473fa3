"""What a run tells while it goes on: values for the terminal's lines and for the JSONL stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class ProgressKind(StrEnum):
    """The kinds of event, as the stream names them."""

    RUN_STARTED = "run_started"
    STEP_STARTED = "step_started"
    LOCK_WAIT = "lock_wait"
    RETRY = "retry"
    PROGRESS = "progress"
    STEP_FINISHED = "step_finished"
    REVISION_FINISHED = "revision_finished"
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
        who = f"process {self.pid}" if self.pid is not None else f"prepared transaction {self.query}"
        if self.autovacuum:
            who = f"autovacuum (process {self.pid}){' against wraparound' if self.wraparound else ''}"
        named = " ".join(part for part in (self.user, f"({self.application})" if self.application else "") if part)
        age = "" if self.age is None else f", in a transaction for {self.age:.1f} s"
        state = f", {self.state}" if self.state else ""
        query = f": {self.query}" if self.query and self.pid is not None else ""
        return f"{who}{' of ' + named if named else ''}{age}{state} holds {self.mode} on {self.relation}{query}"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One thing that happened in a run. ``seconds``: how long it took, or has been waited so far.

    ``phase``, ``done`` and ``total`` are what PostgreSQL says of a long statement's progress; ``attempt`` counts
    from 1.
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


Observer = Callable[[ProgressEvent], None]


def nobody(_event: ProgressEvent) -> None:
    """The observer of a run that nobody watches."""
