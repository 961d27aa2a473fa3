"""Sessions that nobody uses at the moment, kept for the next use: a new one costs more than most of what it is for.

PostgreSQL starts a process for a session, and reads its catalogs anew. One that is kept is in no transaction, so it
holds nothing, and nobody waits for it.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

from db_migrate.errors import Failed

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

K = TypeVar("K", bound=Hashable)

_all: weakref.WeakSet[Idle[Hashable]] = weakref.WeakSet()


class Idle(Generic[K]):
    """At most one session of each server, or database, by whatever tells them apart; none after ``seconds``."""

    def __init__(self, seconds: float = float("inf")) -> None:
        self._seconds = seconds
        self._kept: dict[K, tuple[Connection, float]] = {}
        _all.add(self)  # type: ignore[arg-type] # by no key of its own is it asked there

    def taken(self, key: K) -> Connection | None:
        """The session that is kept, if there is one, not for too long, and the server has not ended it."""
        import psycopg

        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        connection, since = kept
        try:
            if time.monotonic() - since <= self._seconds:
                connection.execute("SELECT")
                return connection
        except (psycopg.OperationalError, Failed):
            pass  # a new one will say why, if it cannot be had either
        connection.close()
        return None

    def given_back(self, key: K, connection: Connection) -> None:
        """Keep a session that is in no transaction, or end it where one is kept already.

        What was kept for too long, for whomever, is ended.
        """
        now = time.monotonic()
        for other, (_connection, since) in list(self._kept.items()):
            if now - since > self._seconds:
                self.end(other)
        kept = (connection, now)
        if self._kept.setdefault(key, kept) is not kept:
            connection.close()

    def end(self, key: K) -> int:
        """End the session that is kept. Returns the process that served it, which may be there yet; 0 without one."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return 0
        connection, _since = kept
        process = connection.info.backend_pid
        connection.close()
        return process

    def end_all(self) -> None:
        """End all that are kept."""
        for key in list(self._kept):
            self.end(key)

    def leave_to_the_parent(self) -> None:
        """In a forked child: the sessions are the parent's, and closing them would say goodbye to the server for it."""
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for connection, _since in self._kept.values():
            os.dup2(nowhere, connection.fileno(), inheritable=False)
            connection.close()
        os.close(nowhere)
        self._kept.clear()


def _leave_all_to_the_parent() -> None:
    for each in _all:
        each.leave_to_the_parent()


os.register_at_fork(after_in_child=_leave_all_to_the_parent)
