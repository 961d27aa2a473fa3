"""What a project's own tests can use: throw-away databases on the embedded server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def scratch_database(driver: str = "psycopg") -> Iterator[str]:
    """The SQLAlchemy URL of an empty throw-away database, for ``driver`` (``psycopg``, ``psycopg2``, ``asyncpg``).

    Its server is started if it does not run, and stopped with the last process that uses it.
    """
    from db_migrate.postgres import scratch
    from db_migrate.postgres.server import scratch_server

    with scratch_server() as server, scratch.scratch_database(server, purpose="a test's own") as database:
        yield database.url(f"postgresql+{driver}")
