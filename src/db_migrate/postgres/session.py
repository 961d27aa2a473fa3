"""Our own connections: psycopg 3, with timeouts, a name, and errors that say which server and why."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from shlex import quote
from typing import TYPE_CHECKING

from db_migrate.errors import Failed, LockBudgetExceeded
from db_migrate.postgres import looks
from db_migrate.postgres.conninfo import ConnInfo, connect_timeout_given
from db_migrate.postgres.lost import LOOKED, is_scratch, loss, scratch_lost
from db_migrate.postgres.redact import redact

if TYPE_CHECKING:
    import psycopg

_NOT_FROM_ENVIRONMENT = {"hostaddr": "", "options": "", "target_session_attrs": "any"}
"""An address is complete: without these, PGHOSTADDR would send even a scratch session to another server."""

_NOT_LET_IN = ("authentication failed", "no password supplied", "pg_hba.conf", "not permitted to log in")
_LOOK_STATEMENT_MS, _LOOK_LOCK_MS = 60_000, 5_000
"""On a scratch server a look may take its time: nobody else is there, and the machine may be busy."""
_CLIENT_CHECK_MS = 10_000
_IDLE_IN_TRANSACTION_MS = 600_000


def connect(
    conninfo: ConnInfo,
    *,
    application_name: str = "db-migrate",
    autocommit: bool = True,
    lock_timeout_ms: int = 0,
    statement_timeout_ms: int = 0,
    connect_timeout: int | None = None,
    settings: Mapping[str, str] | None = None,
    told: bool = False,
) -> psycopg.Connection[tuple[object, ...]]:
    """A connection to ``conninfo``; ``connect_timeout`` in seconds, else PGCONNECT_TIMEOUT, else 10.

    Other timeouts are none unless given.

    The server notices within 10 s that we are gone (14+), and ends a transaction that we leave idle for 10 minutes; a
    session that waits while others work is not ended, and what takes long is not cancelled, whatever the role's
    settings say: those are for an application's sessions (pg_dump does the same).
    ``settings`` are further configuration parameters for the session. ``told``: that the connection was lost is raised
    as ``Failed`` (``connect.lost``, ``scratch.lost``) by whatever notices it, and not as an error of psycopg's; so it
    is for all that does not run on a target. Raises ``Failed`` with ``connect.database``, ``connect.authentication``,
    ``connect.too-many`` or ``connect.failed``.
    """
    import psycopg
    from psycopg.conninfo import make_conninfo

    from db_migrate.postgres.told import Told

    patience = str(connect_timeout or connect_timeout_given())
    parameters = {**_NOT_FROM_ENVIRONMENT, "connect_timeout": patience, **conninfo.as_libpq()}
    parameters["application_name"] = application_name
    try:
        kind = Told if told else psycopg.Connection
        connection = kind.connect(make_conninfo("", **parameters), autocommit=True)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:  # the latter of what psycopg reads itself
        raise _explain(error, conninfo) from None
    if isinstance(connection, Told):
        connection.conninfo = conninfo
    wanted = {
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS),
        "lock_timeout": str(lock_timeout_ms),
        "statement_timeout": str(statement_timeout_ms),
    }
    if connection.info.server_version >= 140000:
        wanted["client_connection_check_interval"] = str(_CLIENT_CHECK_MS)
        wanted["idle_session_timeout"] = "0"
    if connection.info.server_version >= 170000:
        wanted["transaction_timeout"] = "0"
    try:
        _configure(connection, {**wanted, **(settings or {})})
        connection.autocommit = autocommit
    except BaseException as error:
        closed = connection.closed
        connection.close()
        if closed and isinstance(error, psycopg.Error):
            raise loss(conninfo, error) from error
        raise
    return connection


def _configure(connection: psycopg.Connection[tuple[object, ...]], settings: Mapping[str, str]) -> None:
    from psycopg import sql

    call = sql.SQL("pg_catalog.set_config({}, {}, false)")
    calls = [call.format(sql.Literal(name), sql.Literal(value)) for name, value in settings.items()]
    connection.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls)))


@contextlib.contextmanager
def read_only(conninfo: ConnInfo, *, again: bool = False) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection in one REPEATABLE READ READ ONLY transaction with ``search_path`` set to ``pg_catalog``.

    So every query sees one state, and ``pg_get_*`` functions qualify each name. ``again``: the database will be looked
    at again, and the session is kept for that. Errors are as in ``connect``, ``LockBudgetExceeded``
    (``target.locked``) for a lock that was not to be had in time, and ``Failed`` (``connect.lost``, ``scratch.lost``,
    ``target.canceled``) for a look that was ended.
    """
    import psycopg

    connection = (looks.taken(conninfo) if again else None) or connect(
        conninfo,
        statement_timeout_ms=0 if is_scratch(conninfo) else _LOOK_STATEMENT_MS,
        lock_timeout_ms=_LOOK_LOCK_MS,
        settings={"search_path": "pg_catalog"},
        told=True,
    )
    with contextlib.ExitStack() as ending:
        ending.callback(connection.close)
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield connection
        except psycopg.errors.LockNotAvailable as error:
            raise LockBudgetExceeded(
                "target.locked",
                f"somebody has locked what has to be read of the database {conninfo.dbname}",
                why=f"waited for it for {_LOOK_LOCK_MS / 1000:g} s: {str(error).strip()}",
                state="nothing was changed",
                next=["db-migrate doctor"],
            ) from error
        except (psycopg.errors.QueryCanceled, psycopg.errors.SerializationFailure) as error:
            raise Failed(
                "target.canceled",
                f"the server has ended a look at the database {conninfo.dbname}",
                why=redact(str(error)).strip(),
                where=conninfo.redacted(),
                state=LOOKED,
                next=["db-migrate doctor"],
            ) from error
        except psycopg.OperationalError as error:  # noticed by what does not wait for the server
            if connection.closed:
                raise loss(conninfo, error) from error
            raise
        if again and not connection.closed:
            connection.execute("ROLLBACK")
            ending.pop_all()
            looks.given_back(conninfo, connection)


def run_text(connection: psycopg.Connection[tuple[object, ...]]) -> Callable[[str], str]:
    """What runs one SQL text in this session and returns its one value as text; empty where there is no row."""

    def run(sql: str) -> str:
        row = connection.execute(sql.encode()).fetchone()
        return "" if row is None else str(row[0])

    return run


def server_version(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """The server's version as ``server_version_num`` has it, for example 150018."""
    return connection.info.server_version


def _explain(error: psycopg.Error, conninfo: ConnInfo) -> Failed:
    """The reason as one of ours. libpq gives no SQLSTATE for a refused connection, only the server's message."""
    text = redact(str(error)).strip()
    code, message, first = _reason(text, conninfo)
    if code == "connect.failed" and is_scratch(conninfo):
        return scratch_lost(conninfo, text)
    state = "nothing was read or changed"
    where = conninfo.redacted()
    return Failed(code, message, why=text, where=where, state=state, next=[*first, "db-migrate config --sources"])


def _reason(text: str, conninfo: ConnInfo) -> tuple[str, str, list[str]]:
    """Code, message and what to do first, by what the server or libpq says."""
    if "does not exist" in text and "database" in text:
        return (
            "connect.database",
            f"the database {conninfo.dbname!r} does not exist",
            [f"createdb {quote(conninfo.dbname)}"],
        )
    if any(words in text for words in _NOT_LET_IN):
        return "connect.authentication", f"the server does not let {conninfo.user!r} in", []
    if 'role "' in text and "does not exist" in text:
        return "connect.authentication", f"the role {conninfo.user!r} does not exist", []
    if "too many clients" in text or "remaining connection slots" in text:
        return "connect.too-many", "the server has no free connection", []
    return "connect.failed", "the server cannot be reached", []
