"""Sessions in which a target was looked at, kept for the next look of the same command.

Such a session does not see what becomes of the settings of its role and database meanwhile, so it is not kept for long.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.idle import Idle

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

_idle: Idle[ConnInfo] = Idle(seconds=5.0)

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
        _idle.end_all()


def taken(conninfo: ConnInfo) -> Connection | None:
    """The session that is kept for this address, if there is one and the server has not ended it."""
    return _idle.taken(conninfo)


def given_back(conninfo: ConnInfo, connection: Connection) -> None:
    """Keep a session that is in no transaction, or end it where one is kept already or nothing is to be."""
    if _open:
        _idle.given_back(conninfo, connection)
    else:
        connection.close()


def forget(conninfo: ConnInfo) -> int:
    """End the session that is kept, for what is possible only while nobody is connected.

    Returns the process that served it, which may be there for a moment yet; 0 where none was kept.
    """
    return _idle.end(conninfo)
