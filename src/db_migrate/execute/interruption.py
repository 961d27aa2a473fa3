"""Ctrl-C during a run: the first cancels the running statement and ends cleanly, the second stops at once.

A statement is cancelled by a thread with a connection of its own, since the main thread is waiting for the child.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from db_migrate.errors import DbMigrateError
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

_AGAIN_SECONDS = 0.5


class InterruptedByUser(Exception):
    """The user wants the run to end; raised where it can end cleanly."""


class StoppedAtOnce(KeyboardInterrupt):
    """The user has asked twice."""


class Interruption:
    """Whether the user has interrupted the run. Made by ``listening``."""

    def __init__(self, target: ConnInfo) -> None:
        self._target = target
        self._asked = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.working: Callable[[], tuple[int, ...]] = lambda: ()
        """The processes at the server whose statement is to be cancelled."""

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self._asked.is_set()

    def check(self) -> None:
        """Raise ``InterruptedByUser`` if the run is to end."""
        if self.asked:
            raise InterruptedByUser

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long, unless interrupted. Raises ``InterruptedByUser``."""
        self._asked.wait(seconds)
        self.check()

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise StoppedAtOnce
        self._asked.set()
        threading.Thread(target=self._cancel, daemon=True).start()

    def end(self) -> None:
        """There is nothing to be cancelled any more."""
        self._over.set()

    def _cancel(self) -> None:
        # A statement that was let go just before may reach the server after the first call.
        while not self._over.is_set():
            # It may have ended by itself, or the server be gone: the run then ends without our help.
            with contextlib.suppress(DbMigrateError), self._lock:
                signal_backends(self._target, self.working(), "pg_cancel_backend")
            self._over.wait(_AGAIN_SECONDS)


def signal_backends(target: ConnInfo, pids: tuple[int, ...], function: str) -> None:
    """Call ``pg_cancel_backend`` or ``pg_terminate_backend`` for sessions of our own role."""
    if not pids:
        return
    with contextlib.closing(connect(target, application_name="db-migrate")) as connection:
        for pid in pids:
            connection.execute(f"SELECT pg_catalog.{function}(%s)".encode(), [pid])


@contextlib.contextmanager
def listening(target: ConnInfo) -> Iterator[Interruption]:
    """Take SIGINT and SIGTERM as a wish to end, while the context lasts; only the main thread can."""
    interruption = Interruption(target)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {each: signal.signal(each, interruption._handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        interruption.end()
        for each, handler in before.items():
            signal.signal(each, handler)
