"""The superuser's session in which scratch databases are made and dropped: opened once, and used again.

A new session costs several times what it is for: PostgreSQL starts a process and reads its catalogs anew.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from db_migrate.postgres.session import connect

if TYPE_CHECKING:
    import psycopg

    from db_migrate.postgres.instance import Instance
    from db_migrate.postgres.server import Server

_idle: dict[Path, psycopg.Connection[tuple[object, ...]]] = {}
"""By the server's folder, what nobody uses at the moment; at most one of a server is kept."""


@contextlib.contextmanager
def upkeep(server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session of the superuser in the database ``postgres``, in no transaction; for one thread at a time.

    It is kept for the next one, but not after an exception. Raises ``Failed`` as ``connect`` does.
    """
    folder = server.instance.directory
    connection = _taken(folder) or connect(server.conninfo())
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    if _idle.setdefault(folder, connection) is not connection:
        connection.close()


def end_upkeep(instance: Instance) -> None:
    """End the session that is kept for this server, if there is one."""
    connection = _idle.pop(instance.directory, None)
    if connection is not None:
        connection.close()


def _taken(folder: Path) -> psycopg.Connection[tuple[object, ...]] | None:
    """The session that is kept, if there is one and the server has not ended it."""
    import psycopg

    connection = _idle.pop(folder, None)
    if connection is None:
        return None
    try:
        connection.execute("SELECT")
    except psycopg.OperationalError:
        connection.close()
        return None
    return connection


def _leave_to_the_parent() -> None:
    """In a forked child: the sessions are the parent's, and closing them would say goodbye to the server for it."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for connection in _idle.values():
        os.dup2(nowhere, connection.fileno(), inheritable=False)
        connection.close()
    os.close(nowhere)
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_the_parent)
