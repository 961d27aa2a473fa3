"""The lock between runners of one target: at most one apply, rollback or repair at a time.

It is polled, on a connection of its own. Waiting inside ``pg_advisory_lock()`` would hold a snapshot that the other
runner's CREATE INDEX CONCURRENTLY waits for: measured, both deadlock and an invalid index stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from db_migrate.errors import Failed, LockBudgetExceeded, Refused
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.redact import redact
from db_migrate.postgres.session import connect

if TYPE_CHECKING:
    import psycopg

LOCK_KEY = 0x64622D6D69677261
"""The letters ``db-migra``: the lock's number among the advisory locks of the target database."""

_POLL_SECONDS = 0.2
_KEEPALIVE = {"tcp_keepalives_idle": "20", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""Within a minute the server notices that the machine which held the lock is gone; by itself it takes two hours."""

_END_SESSION = """
SELECT pg_catalog.pg_terminate_backend(pid)
FROM pg_catalog.pg_stat_activity WHERE pid = %s AND backend_start::text = %s AND usename = current_user
"""
_HOLDER = """
SELECT a.pid, a.usename, a.application_name, extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start), a.query
FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = %s
"""


NOT_POOLED = (
    "the lock between runners, SET and CREATE INDEX CONCURRENTLY need a session of their own; a pooler in transaction "
    "mode (PgBouncer) gives another one to every transaction"
)
"""Why there must be no pooler."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the lock: its session, whose age is in seconds, and what it ran last."""

    pid: int
    user: str
    application: str
    age: float
    query: str


class RunnerLock:
    """The lock, held for as long as its connection lives. A context manager that releases it."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], conninfo: ConnInfo) -> None:
        self.connection = connection
        self._conninfo = conninfo
        self._session = _session_of(connection)

    @classmethod
    def acquire(
        cls,
        conninfo: ConnInfo,
        *,
        budget_s: float,
        poll_s: float = _POLL_SECONDS,
        on_wait: Callable[[Holder], None] = lambda _holder: None,
    ) -> Self:
        """Get the lock within ``budget_s`` seconds, trying every ``poll_s``.

        ``on_wait`` is told who has it, once for each holder. Raises ``LockBudgetExceeded`` (``lock.runner``), and what
        ``session.connect`` raises.
        """
        connection = _open(conninfo)
        try:
            _poll(connection, conninfo, budget_s, poll_s, on_wait)
            return cls(connection, conninfo)
        except BaseException:
            connection.close()
            raise

    def renew(self, *, budget_s: float) -> None:
        """Get the lock again, on a new connection, when the old one was lost.

        The server may not have noticed that it was: the session that is left of it is ended first. Raises as
        ``acquire`` does, when somebody else has got the lock in between.
        """
        self.connection.close()
        connection = _open(self._conninfo)
        try:
            connection.execute(_END_SESSION, self._session)
            _poll(connection, self._conninfo, budget_s, _POLL_SECONDS, lambda _holder: None)
        except BaseException:
            connection.close()
            raise
        self.connection, self._session = connection, _session_of(connection)

    def check(self) -> None:
        """Raise ``Failed`` (``lock.lost``) when the lock's connection has ended, and with it the lock."""
        from psycopg import OperationalError

        try:
            self.connection.execute("SELECT")
        except OperationalError as error:
            raise Failed(
                "lock.lost",
                "the connection that holds the lock between runners was lost",
                why=redact(str(error)).strip(),
                where=self._conninfo.redacted(),
                next=["db-migrate doctor"],
            ) from error

    def release(self) -> None:
        """Give the lock back; doing it twice is no error."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _open(conninfo: ConnInfo) -> psycopg.Connection[tuple[object, ...]]:
    """A connection that is idle most of the time, and not to be ended for it."""
    connection = connect(conninfo, application_name="db-migrate lock", settings=_KEEPALIVE)
    _check_direct(connection, conninfo)
    if connection.info.server_version >= 140000:
        connection.execute("SELECT pg_catalog.set_config('idle_session_timeout', '0', false)")
    return connection


def _check_direct(connection: psycopg.Connection[tuple[object, ...]], conninfo: ConnInfo) -> None:
    """Raise ``Refused`` (``target.pooler``) when there is something between us and the server that pools sessions.

    A pooler announces a process number of its own when a session begins; the server knows its own better.
    """
    if not is_pooled(connection):
        return
    connection.close()
    raise Refused(
        "target.pooler",
        "there is a connection pooler between us and the server",
        why=NOT_POOLED,
        where=conninfo.redacted(),
        state="nothing was changed",
        next=["db-migrate --url postgresql://SERVER:5432/DATABASE status", "db-migrate config --sources"],
    )


def is_pooled(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether something between us and the server pools sessions, as far as it gives itself away."""
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return row != (connection.info.backend_pid,)


def _session_of(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[int, str]:
    """Which session this is: numbers of processes are used again, so it takes its beginning too."""
    pid = connection.info.backend_pid
    query = "SELECT backend_start::text FROM pg_catalog.pg_stat_activity WHERE pid = %s"
    row = connection.execute(query, [pid]).fetchone()
    return pid, str(row[0]) if row else ""


def _poll(
    connection: psycopg.Connection[tuple[object, ...]],
    conninfo: ConnInfo,
    budget_s: float,
    poll_s: float,
    on_wait: Callable[[Holder], None],
) -> None:
    deadline = time.monotonic() + budget_s
    told: set[int] = set()
    while True:
        row = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
        if row == (True,):
            return
        holder = holder_of(connection)
        if holder is not None and holder.pid not in told:
            told.add(holder.pid)
            on_wait(holder)
        if time.monotonic() >= deadline:
            raise _budget_exceeded(holder, conninfo, budget_s)
        time.sleep(min(poll_s, max(0.0, deadline - time.monotonic())))


def holder_of(connection: psycopg.Connection[tuple[object, ...]]) -> Holder | None:
    """Who has the runner lock of the connected database, or None."""
    row = connection.execute(_HOLDER, [LOCK_KEY]).fetchone()
    if row is None:
        return None
    pid, user, application, age, query = row
    # User and query are NULL for those who may not see them.
    return Holder(int(str(pid)), str(user or ""), str(application or ""), float(str(age)), redact(str(query or "")))


def _budget_exceeded(holder: Holder | None, conninfo: ConnInfo, budget_s: float) -> LockBudgetExceeded:
    why = "whoever had the lock has just released it"
    if holder is not None:
        why = f"process {holder.pid} of {holder.user} ({holder.application}) has had it for {holder.age:.0f} s"
    return LockBudgetExceeded(
        "lock.runner",
        f"another run is going on in {conninfo.dbname!r}, and did not end within {budget_s:g} s",
        why=why,
        where=conninfo.redacted(),
        state="nothing was changed",
        next=["db-migrate status"],
    )
