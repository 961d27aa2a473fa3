"""Sessions in which a target was looked at, kept for the next look of the same command.

A new session costs more than most looks: PostgreSQL starts a process, and reads its catalogs anew for each query. One
that is kept is in no transaction, so it holds nothing and nobody waits for it. It does not see what becomes of the
settings of its role and database meanwhile, so it is not kept for long.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from db_migrate.postgres.conninfo import ConnInfo

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

_SECONDS = 5.0
"""For so long at most nobody has used a session that is used again."""

_idle: dict[ConnInfo, tuple[Connection, float]] = {}
"""What nobody uses at the moment, and since when; at most one of a target is kept."""

_open = 0
"""How many projects are open. While there is none, nothing is kept."""


@contextlib.contextmanager
def looks_kept() -> Iterator[None]:
    """Keep sessions until the end, when all that nobody uses are ended."""
    global _open
    _open += 1
    try:
        yield
    finally:
        _open -= 1
        for conninfo in list(_idle):
            forget(conninfo)


def taken(conninfo: ConnInfo) -> Connection | None:
    """The session that is kept for this address, if there is one and the server has not ended it."""
    import psycopg

    kept = _idle.pop(conninfo, None)
    if kept is None:
        return None
    connection, since = kept
    if time.monotonic() - since > _SECONDS:
        connection.close()
        return None
    try:
        connection.execute("SELECT")
    except psycopg.OperationalError:
        connection.close()
        return None
    return connection


def given_back(conninfo: ConnInfo, connection: Connection) -> None:
    """Keep a session that is in no transaction, or end it where one is kept already or nothing is to be."""
    kept = (connection, time.monotonic())
    if not _open or _idle.setdefault(conninfo, kept) is not kept:
        connection.close()


def forget(conninfo: ConnInfo) -> int:
    """End the session that is kept, for what is possible only while nobody is connected.

    Returns the process that served it, which may be there for a moment yet; 0 where none was kept.
    """
    kept = _idle.pop(conninfo, None)
    if kept is None:
        return 0
    connection, _since = kept
    process = connection.info.backend_pid
    connection.close()
    return process


def _leave_to_the_parent() -> None:
    """In a forked child: the sessions are the parent's, and closing them would say goodbye to the server for it."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for connection, _since in _idle.values():
        os.dup2(nowhere, connection.fileno(), inheritable=False)
        connection.close()
    os.close(nowhere)
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_the_parent)
