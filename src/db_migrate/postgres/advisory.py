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

from db_migrate.errors import Failed, LockBudgetExceeded
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.redact import redact
from db_migrate.postgres.session import connect

if TYPE_CHECKING:
    import psycopg

LOCK_KEY = 0x64622D6D69677261
"""The letters ``db-migra``: the lock's number among the advisory locks of the target database."""

_HOLDER = """
SELECT a.pid, a.usename, a.application_name, extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start), a.query
FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = %s
"""


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

    @classmethod
    def acquire(
        cls,
        conninfo: ConnInfo,
        *,
        budget_s: float,
        poll_s: float = 0.2,
        on_wait: Callable[[Holder], None] = lambda _holder: None,
    ) -> Self:
        """Get the lock within ``budget_s`` seconds, trying every ``poll_s``.

        ``on_wait`` is told who has it, once for each holder. Raises ``LockBudgetExceeded`` (``lock.runner``), and what
        ``session.connect`` raises.
        """
        # Idle most of the time, and not to be ended for it.
        settings = {"idle_session_timeout": "0"}
        connection = connect(conninfo, application_name="db-migrate lock")
        try:
            if connection.info.server_version >= 140000:
                connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", list(*settings.items()))
            _poll(connection, conninfo, budget_s, poll_s, on_wait)
        except BaseException:
            connection.close()
            raise
        return cls(connection, conninfo)

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
