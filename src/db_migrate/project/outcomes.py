"""What comes back from the child process, what may be done while it waits, and the errors it can end with."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from db_migrate.errors import ConfigurationError, DbMigrateError
from db_migrate.project import events
from db_migrate.project.jobs import Candidate, ModelFacts

_OUTPUT_TAIL = 20
_ENVIRON = re.compile(r'^  File "(?:<frozen os>|.*/os\.py|.*/child/inputs\.py)", line \d+, in __getitem__$')
"""Where Python says that a variable is not set, and where we note that it was asked for."""


class ChildError(ConfigurationError):
    """User code, or Alembic on its behalf, raised. ``failure`` has the details; codes begin with ``project.``."""

    def __init__(self, failure: events.Failure, *, next: Sequence[str] = ()) -> None:
        self.failure = failure
        place = f"{failure.file}:{failure.line}" if failure.file else ""
        name = failure.type.removeprefix("builtins.")
        if failure.kind == "alembic":
            super().__init__("project.alembic", "Alembic cannot do this", why=failure.message, where=place, next=next)
        elif failure.kind == "project":
            super().__init__("project.setting", failure.message, where=place, next=next)
        elif (variable := unset_variable(failure)) is not None:
            why = f"'{variable}': the environment variable {variable} is not set"
            wanted = next or [f"export {variable}=VALUE", "db-migrate doctor"]
            super().__init__("project.raised", f"the project's code raised {name}", why=why, where=place, next=wanted)
        else:
            code = "project.exit" if failure.kind == "exit" else "project.raised"
            super().__init__(code, f"the project's code raised {name}", why=failure.message, where=place, next=next)


def unset_variable(failure: events.Failure) -> str | None:
    """The environment variable that user code has asked for and that is not set; None where it failed for another
    reason."""
    asked = any(_ENVIRON.search(each) for each in failure.traceback)
    return failure.message.strip("'\"") if failure.type == "builtins.KeyError" and asked else None


class ChildDied(DbMigrateError):
    """The child process ended by itself: a crash in a library, ``os._exit``, the out-of-memory killer."""

    exit_code = 4

    def __init__(self, status: int | None, output: str) -> None:
        how = (
            f"was killed by {signal.Signals(-status).name}" if status is not None and status < 0 else f"exited {status}"
        )
        lines = output.strip().splitlines()[-_OUTPUT_TAIL:]
        super().__init__(
            "project.child-died",
            f"the process that runs the project's code {how}",
            why="\n".join(lines),
            state="what it had not committed is rolled back by the server",
        )


class Link(Protocol):
    """What a handler may do about the event that it was called with."""

    def query(self, sql: str) -> list[list[str | None]]:
        """Rows of ``sql``, run on the event's own connection. Raises ``QueryError``."""

    def abort(self, reason: str) -> None:
        """Refuse: user code gets an exception that it cannot swallow, and nothing more is sent or committed."""

    def again(self) -> None:
        """Of a statement that has failed (``MayRetry``): send it once more, and let user code hear nothing."""

    def stop(self) -> None:
        """Let the current step end (at its beginning: do not begin it) and begin no further one."""

    def skip(self) -> None:
        """Leave out the statement that is about to be sent; user code goes on as if it had run, and had no rows."""


class Handler(Protocol):
    """Gets every event of a job, in order."""

    def event(self, event: events.Event, link: Link) -> None:
        """``link`` may be used only while a waiting event (``event.waits``) is handled."""


class QueryError(Exception):
    """A query on a borrowed connection failed. Within a transaction, the transaction has failed with it."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class Ignore:
    """The handler that lets everything pass."""

    def event(self, event: events.Event, link: Link) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class LearnedTarget:
    """Where env.py connects: SQLAlchemy's driver name, and the driver's own parameters with the password.

    ``at_import``: some module connects while it is imported; that need not be what is migrated. ``configured``: env.py
    gave this connection to Alembic (known only when the connection was really made, on scratch).
    """

    drivername: str
    parameters: Mapping[str, object]
    at_import: bool = False
    configured: bool = False

    def __repr__(self) -> str:
        """Without parameters, since passwords hide in several of them."""
        return f"LearnedTarget({self.drivername!r}, at_import={self.at_import}, configured={self.configured})"


@dataclass(frozen=True, slots=True)
class MigrateOutcome:
    """How a run ended. ``state``: done, stopped (by the handler or the limit of steps), aborted or failed.

    ``revisions`` are the steps that ended well, in order. What the database holds must be read from the database.
    """

    state: str
    revisions: tuple[str, ...]
    failure: events.Failure | None = None

    def raise_for_failure(self) -> None:
        """Raise ``ChildError`` if the run failed or was aborted."""
        if self.failure is not None:
            raise ChildError(self.failure)


@dataclass(frozen=True, slots=True)
class ModelsOutcome:
    """What the models declare, and which candidates Alembic's filters let through."""

    facts: ModelFacts
    included: Mapping[Candidate, bool]
