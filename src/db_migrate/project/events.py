"""What the child process tells while it runs a user's code, one message for each thing that happens.

Events of the ``Waiting`` classes hold the child until the parent has answered: until then the statement is not sent,
the transaction not committed. All of them are frozen values which print as JSON, tagged with ``event``.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec


def _tag(name: str) -> str:
    """``StepBegin`` -> ``step_begin``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=_tag, kw_only=True, omit_defaults=True):
    """Something that happened in the child process."""

    waits: ClassVar[bool] = False


class Ready(Event, frozen=True):
    """The child has locked itself in; ``jail`` is ``seccomp``, ``namespace``, ``python`` or ``none``."""

    jail: str
    why: str = ""
    """Why a stronger jail was not to be had; empty where it was."""


class Target(Event, frozen=True):
    """An engine wanted to connect: with this driver and these parameters, after all of the project's own listeners.

    ``at_import``: it was a module's own code that connected while it was being imported. ``configured``: it is the
    connection that env.py then gave to Alembic (known only where the connection was made, on scratch).
    """

    drivername: str
    parameters: dict[str, Any]
    at_import: bool = False
    configured: bool = False
    connection: int | None = None

    def __repr__(self) -> str:
        """Without any parameter: passwords hide in several of them."""
        return f"Target(drivername={self.drivername!r}, at_import={self.at_import})"


class Connected(Event, frozen=True):
    """A SQLAlchemy connection was opened. ``connection`` numbers the connections of this child from 1."""

    waits: ClassVar[bool] = True
    connection: int
    backend_pid: int | None
    driver: str


class Configure(Event, frozen=True):
    """env.py configured a migration context: the ``index``-th of this run, from 0.

    ``search_path``: what env.py has set it to, where that decides in which schema the version table is.
    """

    index: int
    connection: int | None
    version_table: str
    version_table_schema: str | None
    include_schemas: bool
    transaction_per_migration: bool
    external_transaction: bool
    search_path: str = ""


class StepBegin(Event, frozen=True):
    """A revision is about to be run. ``index`` counts steps of this context, ``context`` is ``Configure.index``."""

    waits: ClassVar[bool] = True
    revision: str
    direction: str
    index: int
    context: int
    connection: int | None


class StepEnd(Event, frozen=True):
    """A revision has run, its transaction has ended and the version table says so."""

    waits: ClassVar[bool] = True
    revision: str
    direction: str
    index: int
    context: int
    connection: int | None


class Begin(Event, frozen=True):
    """A transaction began at the server, whatever began it."""

    connection: int


class Committing(Event, frozen=True):
    """A transaction is about to be committed; ``sql`` when it is by a statement that user code wrote."""

    waits: ClassVar[bool] = True
    connection: int
    revision: str | None = None
    sql: str | None = None


class Commit(Event, frozen=True):
    """A transaction was committed."""

    connection: int


class Rollback(Event, frozen=True):
    """A transaction was rolled back (a commit of a failed transaction is a rollback too)."""

    connection: int


class Statement(Event, frozen=True):
    """A statement is about to be sent, exactly as the driver gets it.

    ``internal``: by Alembic itself, for its version table. ``revision``: the revision whose function is running.
    ``file`` and ``line``: the innermost place within the running revision's file; where there is none (``env.py``, a
    helper called by nobody we know), ``caller_file`` and ``caller_line`` still name the innermost code of the user.
    ``autocommit``: it runs outside of any transaction block. ``rendered``: with its parameters written as literals,
    so that psql could run it; several sets of them give several statements, very many none (None).
    """

    waits: ClassVar[bool] = True
    connection: int
    sql: str
    parameters: Any = None
    parameter_sets: int = 1
    rendered: str | None = None
    executemany: bool = False
    internal: bool = False
    autocommit: bool = False
    revision: str | None = None
    file: str | None = None
    line: int | None = None
    caller_file: str | None = None
    caller_line: int | None = None


class StatementDone(Event, frozen=True):
    """The statement of this connection has ended well. ``rowcount`` is the driver's, -1 where it does not say."""

    waits: ClassVar[bool] = True
    connection: int
    rowcount: int
    seconds: float


class StatementFailed(Event, frozen=True):
    """The server, or the driver, refused the statement. User code may catch this and go on."""

    connection: int
    sqlstate: str | None
    message: str
    seconds: float


class MayRetry(Event, frozen=True):
    """A statement outside of any transaction block has just failed: nothing of it is left, so it can be sent again.

    Where the parent says so, user code hears nothing of it.
    """

    waits: ClassVar[bool] = True
    connection: int
    sqlstate: str | None


class Notice(Event, frozen=True):
    """The server said something beside the result. ``severity`` is not translated (NOTICE, WARNING, DEBUG, ...)."""

    connection: int
    severity: str
    message: str
    sqlstate: str | None = None


class ExternalTransaction(Event, frozen=True):
    """env.py's own transaction would have swallowed this revision's; the child committed at the driver instead."""

    connection: int
    revision: str


class Refused(Event, frozen=True):
    """User code tried to reach something that is not the allowed server, and was stopped by ``by``.

    ``address`` is ``host:port`` or a path. ``file`` and ``line``: the innermost code of the user, where known.
    """

    address: str
    by: str
    file: str | None = None
    line: int | None = None


class Attempt(Event, frozen=True):
    """Code is about to open a connection behind SQLAlchemy's back; says where, should it be refused."""

    address: str
    file: str | None = None
    line: int | None = None


class Failure(Event, frozen=True, tag="error"):
    """User code, or Alembic, raised. Without passwords. ``file`` and ``line``: the innermost code of the user.

    ``kind``: ``alembic`` for what Alembic itself refuses (unknown revision, several heads, ...), ``exit`` for
    ``sys.exit``, ``aborted`` when it was the parent's refusal, ``project`` for a setting of ours that cannot be used,
    else ``user``.
    """

    kind: str
    type: str
    message: str
    sqlstate: str | None = None
    traceback: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None


class Done(Event, frozen=True):
    """The job has ended; ``result`` is the job's own answer."""

    result: Any = None


AnyEvent = (
    Ready
    | Target
    | Connected
    | Configure
    | StepBegin
    | StepEnd
    | Begin
    | Committing
    | Commit
    | Rollback
    | Statement
    | StatementDone
    | StatementFailed
    | MayRetry
    | Notice
    | ExternalTransaction
    | Refused
    | Attempt
    | Failure
    | Done
)
