"""The place where schemas are made real: one scratch server and one jailed child process for a whole command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.reader import read_catalog
from db_migrate.postgres import binaries
from db_migrate.postgres.conninfo import DEFAULT_PORT, ConnInfo
from db_migrate.postgres.instance import scratch_instance
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server, scratch_server
from db_migrate.postgres.session import read_only, server_version
from db_migrate.project.child_process import Child, open_child
from db_migrate.project.config import ProjectConfig

if TYPE_CHECKING:
    from psycopg import Connection

KEPT_SCHEMA = "db_migrate_kept"
"""Where kept data is."""

PARKED = "db_migrate_kept_"
"""How the names of parked columns begin; nothing of ours that looks at columns counts them."""

OUR_SCHEMAS = ("db_migrate", KEPT_SCHEMA, "db_migrate_scratch")


@dataclass(frozen=True, slots=True)
class Scratch:
    """A scratch server, the child process that may reach it and nothing else, and where results are cached."""

    server: Server
    child: Child
    project: ProjectConfig
    cache: Path | None

    @contextmanager
    def database(self, purpose: str, *, template: str | None = None, owner: str | None = None) -> Iterator[ConnInfo]:
        """A scratch database for as long as the context lasts."""
        with scratch_database(self.server, template=template, owner=owner, purpose=purpose) as database:
            yield database


def write_cached(file: Path, content: bytes) -> None:
    """Put a file into the cache, whole or not at all, whoever else does the same at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=file.parent, delete=False) as temporary:
        temporary.write(content)
    Path(temporary.name).replace(file)


@contextmanager
def open_scratch(project: ProjectConfig, cache: Path | None, major: int | None = None) -> Iterator[Scratch]:
    """A scratch server and a child process that can reach this machine's scratch servers, of whichever major version.

    ``major`` is None for the embedded server's own.
    """
    with scratch_server(major) as server, open_child(project, allowed=list(_addresses())) as child:
        yield Scratch(server, child, project, cache)


@contextmanager
def like_the_target(scratch: Scratch, server_version: int, major: int | None) -> Iterator[Scratch]:
    """The same, on a server of the target's own major version where its programs are found on this machine.

    ``major`` is what the settings demand, or None.
    """
    wanted = major or server_version // 10000
    if wanted == scratch.server.major or binaries.find(wanted) is None:
        yield scratch
        return
    with scratch_server(wanted) as server:
        yield replace(scratch, server=server)


def _addresses() -> Iterator[dict[str, str]]:
    """Where the scratch servers that may be used listen, whether or not they run."""
    newest = binaries.embedded()
    for major in range(binaries.OLDEST_MAJOR, newest.major + 1):
        found = binaries.find(major)
        if found is not None:
            yield {"host": str(scratch_instance(found).sockets), "port": str(DEFAULT_PORT)}


def read(database: ConnInfo, *, privileges: bool = False, exclude_schemas: tuple[str, ...] = ()) -> Catalog:
    """The catalog of a database, read in one REPEATABLE READ READ ONLY transaction."""
    with read_only(database) as connection:
        return read_through(connection, privileges=privileges, exclude_schemas=exclude_schemas)


def read_through(
    connection: Connection[tuple[object, ...]], *, privileges: bool = False, exclude_schemas: tuple[str, ...] = ()
) -> Catalog:
    """The catalog as an open read-only session sees it."""

    def run(sql: str) -> str:
        row = connection.execute(sql.encode()).fetchone()
        return "" if row is None else str(row[0])

    return read_catalog(
        run,
        server_version(connection),
        privileges=privileges,
        exclude_schemas=(*OUR_SCHEMAS, *exclude_schemas),
    )
