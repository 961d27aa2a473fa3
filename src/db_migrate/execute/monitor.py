"""Looks, from a session and a thread of its own, how far a statement has come that takes longer than a moment."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db_migrate.catalog.reader import for_version
from db_migrate.errors import DbMigrateError
from db_migrate.execute.blockers import statement
from db_migrate.execute.progress import Blocker, ProgressKind
from db_migrate.execute.recording import Recorder, Step
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.redact import redact
from db_migrate.postgres.session import connect

if TYPE_CHECKING:
    from psycopg import Connection

PATIENCE_SECONDS = 1.0
"""A statement that is over by then is not looked at."""
INTERVAL_SECONDS = 1.0
_LONGEST_QUERY = 200


@dataclass(frozen=True, slots=True)
class Watched:
    """A statement that is being executed by process ``pid`` of the server since ``began`` (``time.monotonic``).

    ``statement`` is its index in the revision, None where it is of none.
    """

    revision: str
    statement: int | None
    sql: str
    pid: int
    began: float


class Monitor:
    """Tells of the progress of one statement after the other. Made by ``monitoring``."""

    def __init__(self, target: ConnInfo, recorder: Recorder) -> None:
        self._target = target
        self._recorder = recorder
        self._wake = threading.Condition()
        self._watched: Watched | None = None
        self._ended = False
        self._looked = 0.0
        self._thread = threading.Thread(target=self._work, name="db-migrate-monitor", daemon=True)

    def begin(self, step: Step, pid: int) -> None:
        """A statement is being sent."""
        self._set(Watched(step.revision, step.statement, step.sql, pid, time.monotonic()))

    def begin_own(self, sql: str, pid: int) -> None:
        """A statement of our own is being sent, which belongs to no revision."""
        self._set(Watched("", None, sql, pid, time.monotonic()))

    def end(self) -> None:
        """It has ended, however it did."""
        self._set(None)

    def _set(self, watched: Watched | None) -> None:
        with self._wake:
            self._watched = watched
            if watched is not None and self._thread.ident is None and not self._ended:
                self._thread.start()  # once: when the server could not be asked, it is not asked again
            self._wake.notify()

    def close(self) -> None:
        """Stop looking."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(INTERVAL_SECONDS * 5)

    def _work(self) -> None:
        # What cannot be seen is not shown: the run itself must not depend on it.
        with contextlib.suppress(DbMigrateError, OSError), contextlib.ExitStack() as stack:
            connection: Connection[tuple[object, ...]] | None = None
            while (watched := self._next()) is not None:
                if connection is None:
                    connection = stack.enter_context(contextlib.closing(_session(self._target)))
                if not _look(connection, watched, self._recorder):
                    return

    def _next(self) -> Watched | None:
        """The statement that is to be looked at now; None when the run is over."""
        with self._wake:
            while not self._ended:
                watched, now = self._watched, time.monotonic()
                due = now if watched is None else max(watched.began + PATIENCE_SECONDS, self._looked + INTERVAL_SECONDS)
                if watched is not None and now >= due:
                    self._looked = now
                    return watched
                self._wake.wait(None if watched is None else due - now)
            return None


def _session(target: ConnInfo) -> Connection[tuple[object, ...]]:
    return connect(target, application_name="db-migrate progress", settings={"search_path": "pg_catalog"})


def _look(connection: Connection[tuple[object, ...]], watched: Watched, recorder: Recorder) -> bool:
    """Look once and tell; False when the server cannot be asked any more."""
    from psycopg import Error

    try:
        text = for_version(statement("progress").decode(), connection.info.server_version // 10000)
        row: Any = connection.execute(text.encode(), {"pid": watched.pid}).fetchone()
    except Error:
        return False
    if row is None:
        return True
    command, phase, done, total, unit, pid, user, application, age, state, query = row
    seconds = time.monotonic() - watched.began
    shown = redact(" ".join(query.split()))[:_LONGEST_QUERY]
    blockers = () if pid is None else (Blocker(pid, user, application, age, state, shown, "", ""),)
    recorder.tell(
        ProgressKind.PROGRESS,
        revision=watched.revision,
        statement=watched.statement,
        sql=redact(watched.sql),
        seconds=seconds,
        phase=f"{command}: {phase}" if command and phase else phase or command,
        done=done,
        total=total,
        unit=unit,
        blockers=blockers,
    )
    return True


@contextlib.contextmanager
def monitoring(target: ConnInfo, recorder: Recorder) -> Iterator[Monitor]:
    """A monitor for as long as the context lasts."""
    monitor = Monitor(target, recorder)
    try:
        yield monitor
    finally:
        monitor.close()
