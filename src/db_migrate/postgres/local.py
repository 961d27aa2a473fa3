"""``embedded://NAME`` targets: databases that last, on an embedded server whose data is in the project's folder.

The same sharing and stopping as the scratch server: it runs while anyone uses it. But its data is written safely and
never made anew, it is not jailed, and it listens on its socket only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from db_migrate.errors import ConfigurationError
from db_migrate.postgres import binaries as programs
from db_migrate.postgres.binaries import Binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.instance import Instance, private_directory, socket_directory
from db_migrate.postgres.server import Server, running
from db_migrate.postgres.session import connect


@contextlib.contextmanager
def local_server(directory: Path) -> Iterator[Server]:
    """The server whose data is in ``directory``, made there if there is none, while the context lasts.

    Raises ``ConfigurationError`` (``server.major``) when the data is another major version's, ``Failed``
    (``server.start``) when it does not start; the data is left as it is.
    """
    found = programs.embedded()
    folder = private_directory(directory.absolute())
    _check_major(folder, found)
    sockets = socket_directory(folder)
    with running(Instance(folder, sockets, found.bindir, found.version, durable=True), found) as server:
        yield server


def database(server: Server, name: str) -> ConnInfo:
    """The address of database ``name``, which is created if it is not there."""
    from psycopg import errors, sql

    with contextlib.closing(connect(server.conninfo(), told=True)) as connection:
        query = "SELECT FROM pg_catalog.pg_database WHERE datname = %s"
        if connection.execute(query, [name]).fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            # Another process may make it at the same time.
            with contextlib.suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                connection.execute(statement)
    return server.conninfo(name)


def _check_major(folder: Path, found: Binaries) -> None:
    made_by = folder / "data" / "PG_VERSION"
    if made_by.exists() and made_by.read_text().strip() != str(found.major):
        raise ConfigurationError(
            "server.major",
            f"the data in {folder} was made by PostgreSQL {made_by.read_text().strip()}, this is {found.major}",
            why="PostgreSQL cannot read another major version's files",
            where=str(folder),
        )
