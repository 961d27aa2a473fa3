"""Every error that a user can meet, as one tree.

.. code-block:: text

    DbMigrateError                      exit code
    ├── UsageError                      2    a flag, an argument or an answer is missing or wrong
    ├── ConfigurationError              2    settings, alembic.ini, env.py or the models cannot be used
    ├── Refused                         3    allowed to run, but not like this: intent, stale plan, wrong place
    ├── Failed                          4    it failed and nothing is half-done
    │   └── ConnectionLost              4    a server has ended, or hung up, while it was looked at
    ├── PartiallyApplied                5    it failed inside a revision of which something is committed
    ├── LockBudgetExceeded              6    the lock was not to be had; nothing is half-done
    └── Interrupted                     130  the user stopped it; nothing is half-done

An error says what happened (``message``), why, where, what state the database is in now (``state``) and what to
type next (``next``). ``code`` is dotted, stable and lower case; programs may match on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The printable form of an error; exactly the ``error`` object of the JSON envelope."""

    code: str
    message: str
    why: str
    where: str
    state: str
    next: tuple[str, ...]


class DbMigrateError(Exception):
    """The base of everything that db-migrate raises on purpose.

    ``message`` is one line without a final stop's worth of detail; ``why`` explains the cause; ``where`` names a
    file and line, an object or a server; ``state`` says what the database looks like now; ``next`` are commands
    that can be pasted. Where nothing is said of the last two, the report has what errors of the kind
    have in common.
    """

    exit_code: int = 70
    usual_state: str = ""
    usual_next: tuple[str, ...] = ("db-migrate status",)

    def __init__(
        self,
        code: str,
        message: str,
        *,
        why: str = "",
        where: str = "",
        state: str = "",
        next: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.why = why
        self.where = where
        self.state = state
        self.next = tuple(next)
        self.known: object | None = None
        """What the verb's result would be, as far as it is known: printed as JSON beside the error."""

    def knowing(self, result: object) -> Self:
        """This error with what is known of the verb's result; what an inner call said of it stays."""
        self.known = self.known or result
        return self

    def report(self) -> ErrorReport:
        """The error as a value that a renderer can print."""
        return ErrorReport(
            self.code, self.message, self.why, self.where, self.state or self.usual_state, self.next or self.usual_next
        )


class UsageError(DbMigrateError):
    """A flag, an argument or an answer is missing or wrong (exit code 2)."""

    exit_code = 2
    usual_state = "nothing was changed"
    usual_next = ("db-migrate help",)


class ConfigurationError(DbMigrateError):
    """Settings, ``alembic.ini``, ``env.py`` or the models cannot be used as they are (exit code 2)."""

    exit_code = 2
    usual_state = "nothing was changed"
    usual_next = ("db-migrate doctor",)


class Refused(DbMigrateError):
    """The command is understood and will not be carried out like this (exit code 3)."""

    exit_code = 3
    usual_state = "nothing was changed"


class Failed(DbMigrateError):
    """The command failed and the database is at a whole revision (exit code 4)."""

    exit_code = 4
    usual_state = "nothing is half-done"


class ConnectionLost(Failed):
    """A server has ended, or hung up, while it was looked at: nothing follows from what it has not answered."""


class PartiallyApplied(DbMigrateError):
    """The command failed inside a revision of which something is committed (exit code 5)."""

    exit_code = 5
    usual_state = "something of a revision is committed"
    usual_next = ("db-migrate doctor", "db-migrate repair")


class LockBudgetExceeded(DbMigrateError):
    """The lock could not be had within the budget; nothing is half-done (exit code 6)."""

    exit_code = 6
    usual_state = "nothing is half-done"


class Interrupted(DbMigrateError):
    """The user interrupted the command; nothing is half-done (exit code 130)."""

    exit_code = 130
    usual_state = "nothing is half-done"
