"""The superuser's session in which scratch databases are made and dropped: opened once, and used again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from db_migrate.postgres.idle import Idle
from db_migrate.postgres.session import connect

if TYPE_CHECKING:
    import psycopg

    from db_migrate.postgres.instance import Instance
    from db_migrate.postgres.server import Server

_idle: Idle[Path] = Idle()
"""By the server's folder."""


@contextlib.contextmanager
def upkeep(server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session of the superuser in the database ``postgres``, in no transaction; for one thread at a time.

    It is kept for the next one, but not after an exception. Raises ``Failed`` as ``connect`` does.
    """
    folder = server.instance.directory
    connection = _idle.taken(folder) or connect(server.conninfo(), told=True)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    _idle.given_back(folder, connection)


def end_upkeep(instance: Instance) -> None:
    """End the session that is kept for this server, if there is one."""
    _idle.end(instance.directory)
