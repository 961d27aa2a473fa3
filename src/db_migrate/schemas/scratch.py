"""The place where schemas are made real: one scratch server and one jailed child process for a whole command."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.reader import read_catalog
from db_migrate.postgres import binaries
from db_migrate.postgres.binaries import Binaries
from db_migrate.postgres.conninfo import DEFAULT_PORT, ConnInfo
from db_migrate.postgres.instance import possible_sockets, scratch_instance
from db_migrate.postgres.lost import scratch_lost
from db_migrate.postgres.scratch import free_roles, scratch_database
from db_migrate.postgres.server import Server, programs_of, scratch_server
from db_migrate.postgres.session import read_only, run_text, server_version
from db_migrate.project.child_process import Child, Handler, MigrateOutcome, open_child
from db_migrate.project.config import ProjectConfig
from db_migrate.schemas.cache import Cache
from db_migrate.schemas.replay import RoomForRoles

if TYPE_CHECKING:
    from psycopg import Connection

KEPT_SCHEMA = "db_migrate_kept"
"""Where kept data is."""

PARKED = "db_migrate_kept_"
"""How the names of parked columns begin; nothing of ours that looks at columns counts them."""

OUR_SCHEMAS = ("db_migrate", KEPT_SCHEMA, "db_migrate_scratch")


@dataclass(frozen=True)
class Scratch:
    """A scratch server, the child process that may reach it and nothing else, and where results are cached.

    Neither is started before it is asked for. ``notices`` say what could not be kept, and why. ``consulted`` are the
    kept answers that this command has used, by file, each with a digest of what it depends on; None where that is
    unknown, so that nothing which rests on the answer can be kept either. ``anew`` are those that were not kept, or
    not any more: nothing that is kept rests on these.
    """

    programs: Binaries
    project: ProjectConfig
    cache: Cache | None
    start_server: Callable[[], Server]
    start_child: Callable[[ProjectConfig], Started]
    notices: list[str] = field(default_factory=list)
    consulted: dict[str, str | None] = field(default_factory=dict)
    anew: set[str] = field(default_factory=set)

    @cached_property
    def server(self) -> Server:
        """The scratch server."""
        return self.start_server()

    @property
    def child(self) -> Child:
        """The child process."""
        child = self.start_child(self.project).child
        child.mean(self.project.only, self.project.tables)
        return child

    @property
    def version(self) -> int:
        """The server's version, as ``server_version_num``, whether or not it runs."""
        return self.programs.version

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.programs.major

    @contextmanager
    def database(self, purpose: str, *, template: str | None = None, owner: str | None = None) -> Iterator[ConnInfo]:
        """A scratch database for as long as the context lasts."""
        with scratch_database(self.server, template=template, owner=owner, purpose=purpose) as database:
            yield database

    def migrate(
        self, direction: str, target: str, database: ConnInfo, handler: Handler, steps: int | None = None
    ) -> MigrateOutcome:
        """Run revisions in a scratch database as ``Child.migrate`` does, whatever roles earlier runs have made.

        Raises ``Failed`` (``scratch.lost``) where the server has ended meanwhile: then no revision has failed.
        """
        room = RoomForRoles(handler, functools.partial(free_roles, self.server))
        outcome = self.child.migrate(direction, target, database.as_libpq(), room, steps)
        if outcome.failure is not None and not self.server.listens():
            raise scratch_lost(database, outcome.failure.message)
        return outcome


@dataclass(frozen=True, slots=True)
class Started:
    """A child process, when it was started, in seconds since the epoch, and whether it notes what it looks at."""

    child: Child
    began: float
    noted: bool


def scratch_of(server: Server, child: Child, project: ProjectConfig, cache: Cache | None = None) -> Scratch:
    """Scratch of a server and a child process that run already."""
    started = Started(child, time.time(), noted=False)
    return Scratch(server.binaries, project, cache, lambda: server, lambda _project: started)


@contextmanager
def open_scratch(project: ProjectConfig, cache: Path | None, major: int | None = None) -> Iterator[Scratch]:
    """A scratch server and a child process that can reach this machine's scratch servers, of whichever major version.

    ``major`` is None for the embedded server's own. Raises ``ConfigurationError`` (``server.binaries``).
    """
    found = programs_of(major)
    with ExitStack() as stack:

        @functools.cache
        def started(of: ProjectConfig) -> Started:
            began = time.time()
            opened = open_child(of, allowed=list(_addresses()), inputs=cache is not None)
            return Started(stack.enter_context(opened), began, noted=cache is not None)

        def child(of: ProjectConfig) -> Started:
            return started(replace(of, only=None, tables=None))  # which of them is meant, it is told each time

        def server() -> Server:
            return stack.enter_context(scratch_server(major))

        yield Scratch(found, project, Cache(cache) if cache is not None else None, server, child)


@contextmanager
def like_the_target(scratch: Scratch, server_version: int, major: int | None) -> Iterator[Scratch]:
    """The same, on a server of the target's own major version where its programs are found on this machine.

    ``major`` is what the settings demand, or None.
    """
    wanted = major or server_version // 10000
    found = None if wanted == scratch.major else binaries.find(wanted)
    if found is None:
        yield scratch
        return
    with ExitStack() as stack:
        yield replace(scratch, programs=found, start_server=lambda: stack.enter_context(scratch_server(wanted)))


@contextmanager
def hashing_otherwise(scratch: Scratch, seed: str) -> Iterator[Scratch]:
    """The same, with a child process of its own whose sets have another order: ``seed`` is its PYTHONHASHSEED."""
    project = replace(scratch.project, only=None, tables=None)  # which of them is meant, it is told each time
    allowed = [scratch.server.conninfo().as_libpq()]
    with open_child(project, allowed=allowed, env={"PYTHONHASHSEED": seed}) as child:
        started = Started(child, time.time(), noted=False)
        yield replace(scratch, start_child=lambda _project: started)


def _addresses() -> Iterator[dict[str, str]]:
    """Where the scratch servers that may be used listen, or are going to."""
    newest = binaries.embedded()
    for major in range(binaries.OLDEST_MAJOR, newest.major + 1):
        found = binaries.find(major)
        if found is not None:
            for sockets in sorted(possible_sockets(scratch_instance(found))):
                yield {"host": str(sockets), "port": str(DEFAULT_PORT)}


def read(database: ConnInfo, *, privileges: bool = False, exclude_schemas: tuple[str, ...] = ()) -> Catalog:
    """The catalog of a database, read in one REPEATABLE READ READ ONLY transaction."""
    with read_only(database) as connection:
        return read_through(connection, privileges=privileges, exclude_schemas=exclude_schemas)


def read_through(
    connection: Connection[tuple[object, ...]], *, privileges: bool = False, exclude_schemas: tuple[str, ...] = ()
) -> Catalog:
    """The catalog as an open read-only session sees it."""

    return read_catalog(
        run_text(connection),
        server_version(connection),
        privileges=privileges,
        exclude_schemas=(*OUR_SCHEMAS, *exclude_schemas),
    )
