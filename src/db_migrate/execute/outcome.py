"""How a run ended, in words, with the exit code: made from what the database says, not from what was hoped. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from db_migrate.errors import (
    DbMigrateError,
    Failed,
    Interrupted,
    LockBudgetExceeded,
    PartiallyApplied,
)
from db_migrate.execute.discipline import BudgetSpent
from db_migrate.execute.expectation import Differs
from db_migrate.execute.interruption import InterruptedByUser, StoppedAtOnce
from db_migrate.execute.journal import failed
from db_migrate.postgres.redact import redact
from db_migrate.project.child_process import ChildDied
from db_migrate.project.events import Failure
from db_migrate.results import Plan
from db_migrate.results.typed import command_of, plan_command


class RunState(StrEnum):
    """Where a run left the database, as ``json.md`` names it."""

    DONE = "done"
    UNCHANGED = "unchanged"
    STOPPED = "stopped"
    PARTIAL = "partial"


LOOKS_AT_ROWS = "db-migrate doctor"
"""What names the rows that an upgrade fails on; of a downgrade its plan does."""

_OF_ROWS = ("21", "22", "23")
"""Classes of SQLSTATEs: cardinality, data exceptions, integrity constraints (PostgreSQL's manual, appendix A)."""
_RAISED = "P0001"
"""``RAISE EXCEPTION`` of the revision's own, or of a trigger."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What stopped a run: what the child's user code raised, or what we met ourselves.

    ``sql`` and ``message``: the last statement that failed and the server's words, with its ``sqlstate``; ``revision``
    was running. ``limit``: the limit on time that it met, in words.
    """

    verb: str
    revision: str
    failure: Failure | None = None
    error: BaseException | None = None
    sql: str = ""
    message: str = ""
    sqlstate: str = ""
    limit: str = ""

    @property
    def by_rows(self) -> bool:
        """Whether the target's rows are why: what runs on a copy without rows is refused there for what is in them."""
        return self.error is None and (self.sqlstate[:2] in _OF_ROWS or self.sqlstate == _RAISED)


def explain(ending: Ending, state: RunState, heads: Sequence[str], plan: Plan, done: int) -> DbMigrateError:
    """The error to show for a run of ``plan`` that did not reach its destination; ``done`` revisions have run."""
    told = _describe(ending)
    where = told.where
    again = command_of(plan, ending.verb)
    position = f"the database is at {', '.join(sorted(heads)) or 'base'}"
    if state is RunState.PARTIAL:
        goes_on = len(plan.revisions) > done + 1
        return PartiallyApplied(
            told.code,
            told.message,
            why=told.why,
            where=where,
            state=f"{position}; of revision {ending.revision} some statements are committed and others are not",
            next=list(dict.fromkeys(("db-migrate doctor", "db-migrate repair", *([again] if goes_on else ())))),
        )
    by_rows = plan_command(plan) if ending.verb == "rollback" else LOOKS_AT_ROWS
    look = told.look or (by_rows if ending.by_rows else "db-migrate status")
    return told.kind(
        told.code,
        told.message,
        why=told.why,
        where=where,
        state=f"{position}; nothing is half-done",
        next=[look, again] if told.kind is Failed else [again],
    )


@dataclass(frozen=True, slots=True)
class _Told:
    kind: type[DbMigrateError]
    code: str
    message: str
    why: str
    where: str = ""
    look: str = ""
    """The command that shows more of it, where there is one of its own."""


def _describe(ending: Ending) -> _Told:
    error = ending.error
    if isinstance(error, BudgetSpent):
        return _Told(
            LockBudgetExceeded,
            "lock.budget",
            f"the locks for revision {ending.revision} could not be had within {error.seconds:g} s",
            "; ".join(each.described() for each in error.blockers) or "others always came first",
        )
    if isinstance(error, InterruptedByUser | StoppedAtOnce):
        return _Told(Interrupted, f"{ending.verb}.interrupted", "interrupted", "you asked the run to stop")
    if isinstance(error, Differs):
        return _Told(
            Failed, f"{ending.verb}.differs", f"revision {ending.revision}: {error.message}", redact(error.why)
        )
    if isinstance(error, ChildDied):
        return _Told(Failed, f"{ending.verb}.child-died", error.message, error.why)
    if isinstance(error, DbMigrateError):
        look = error.next[0] if error.code.startswith("kept.") and error.next else ""
        return _Told(Failed, error.code, error.message, error.why, error.where, look)
    if error is not None:
        return _unexpected(ending, error)
    return _failed(ending)


def _unexpected(ending: Ending, error: BaseException) -> _Told:
    """What psycopg raised on a connection of our own; anything else is our mistake."""
    from psycopg import OperationalError

    why = redact(str(error).strip())
    if isinstance(error, OperationalError):
        return _Told(Failed, f"{ending.verb}.connection-lost", "the run lost its connection", why)
    return _Told(DbMigrateError, "internal", f"{type(error).__name__} in db-migrate itself", why)


def _failed(ending: Ending) -> _Told:
    failure = ending.failure
    where = f"{failure.file}:{failure.line}" if failure and failure.file else ""
    why = ending.message or (failure.message if failure else "")
    if ending.sql and ending.message:
        why = f"{why}\n{redact(ending.sql)}"
    if ending.limit:
        advice = 'op.execute("SET LOCAL statement_timeout = 0") before it, in its transaction, lets it take its time'
        why = f"{why}\n{ending.limit}; {advice}"
    message = failed(ending.revision) if ending.revision else "env.py failed"
    return _Told(Failed, f"{ending.verb}.failed", message, why, where)
