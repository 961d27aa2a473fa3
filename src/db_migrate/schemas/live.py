"""The live schema carried over to scratch with pg_dump."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db_migrate.catalog.objects import Catalog
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.dump import dump_schema, load, loaded
from db_migrate.postgres.roles import ensure_roles, read_roles
from db_migrate.postgres.scratch import first_template, keep_as_template
from db_migrate.postgres.session import connect, read_only
from db_migrate.postgres.settings import apply_settings, read_settings
from db_migrate.postgres.upkeep import upkeep
from db_migrate.schemas.scratch import KEPT_SCHEMA, OUR_SCHEMAS, PARKED, Scratch, read, read_through
from db_migrate.schemas.target import LiveState, Target, VersionTable
from db_migrate.schemas.unreadable import not_covered, unreadable, with_stand_ins

if TYPE_CHECKING:
    from psycopg import Connection

_KEPT_FROM = 250_000
"""Characters of a dump from which on what it makes is kept, and copied for as long as the target has the same.

Measured: 260,000 (90 tables, 450 indexes) take 0.29 s to load, 0.12 s to keep and 0.03 s to copy; 2.9 million 3 s,
0.34 s and 0.24 s.
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A scratch database with the live schema; ``runner`` connects as a role like the target's own.

    ``unreadable`` are tables of which there are only stand-ins.
    """

    superuser: ConnInfo
    runner: ConnInfo
    unreadable: tuple[str, ...] = ()


@contextlib.contextmanager
def copy_of_live(
    scratch: Scratch, target: Target, live: LiveState, *, kept: bool = False, known: Catalog | None = None
) -> Iterator[Copy]:
    """The live schema in a scratch database, with the target's roles and the version tables' rows, and no other row.

    With ``kept`` it has what is kept as well, and a place for more; without, parked columns are left out. ``known`` is
    the target's own catalog: with it there are stand-ins where the role may not read a table, and the copy names
    these; without it such a table raises ``Failed`` (``dump.privilege``).
    """
    with read_only(target.conninfo, again=True) as connection:
        missing = () if known is None else unreadable(connection)
        roles = read_roles(connection)
        settings = read_settings(connection, [live.role])
        row = connection.execute(
            "SELECT pg_get_userbyid(datdba), has_database_privilege(datname, 'CREATE')"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    excluded = [each for each in OUR_SCHEMAS if not (kept and each == KEPT_SCHEMA)]
    closed = [(schema, name) for schema, name, _ in missing]
    dump = dump_schema(target.conninfo, scratch.server.binaries, exclude_tables=closed, exclude_schemas=excluded)
    names = tuple(full for _, _, full in missing)
    if known is not None and missing:
        dump = with_stand_ins(dump, known, names)
    with upkeep(scratch.server) as connection:
        ensure_roles(connection, roles, login=live.role)
    owner = str(row[0]) if row else live.role
    key = f"schema {hashlib.sha256(dump.encode()).hexdigest()}" if len(dump) >= _KEPT_FROM else ""
    template = first_template(scratch.server, [key]) if key else None
    with scratch.database("copy of the live schema", template=template, owner=owner) as database:
        if key and template is None:
            load(database, dump)
            _keep(scratch, database, key)
        with contextlib.closing(connect(database, told=True)) if key else loaded(database, dump) as connection:
            apply_settings(connection, settings)
            if row and row[1]:
                _let_create(connection, database, live.role)
            if kept:
                _place_for_kept(connection, live.role)
            else:
                _without_parked(connection)
            for table, heads in live.heads:
                _stamp(connection, table, heads)
        yield Copy(database, database.replace(user=live.role), names)


def _keep(scratch: Scratch, database: ConnInfo, key: str) -> None:
    """Keep what was loaded for the next copy of the same; where the disk is full, that one has to be loaded too."""
    from psycopg.errors import DiskFull

    with contextlib.suppress(DiskFull):
        keep_as_template(scratch.server, database, key)


def _let_create(connection: Connection[tuple[object, ...]], database: ConnInfo, role: str) -> None:
    """What the role may do with the database itself is in no dump of a schema."""
    from psycopg import sql

    statement = sql.SQL("GRANT CREATE ON DATABASE {} TO {}")
    connection.execute(statement.format(sql.Identifier(database.dbname), sql.Identifier(role)))


def _place_for_kept(connection: Connection[tuple[object, ...]], role: str) -> None:
    from psycopg import sql

    if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [KEPT_SCHEMA]).fetchone() is None:
        statement = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}")
        connection.execute(statement.format(sql.Identifier(KEPT_SCHEMA), sql.Identifier(role)))


def _without_parked(connection: Connection[tuple[object, ...]]) -> None:
    """Take away the columns that are only parked: no revision knows of them."""
    rows = connection.execute(
        "SELECT format('ALTER TABLE %%s DROP COLUMN %%I', attrelid::regclass, attname) FROM pg_attribute"
        " WHERE starts_with(attname, %s) AND NOT attisdropped AND attinhcount = 0",
        [PARKED],
    ).fetchall()
    for (command,) in rows:
        connection.execute(str(command).encode())


def carried_over(
    scratch: Scratch,
    target: Target,
    live: LiveState,
    *,
    privileges: bool = False,
    exclude_schemas: tuple[str, ...] = (),
) -> Catalog:
    """The live schema as the scratch server prints it, for a target of another major version.

    Tables that the role may not read are named in ``not_covered``; what is said of them is only their columns and keys.
    """
    with read_only(target.conninfo, again=True) as connection:
        known = read_through(connection)
    with copy_of_live(scratch, target, live, known=known) as copy:
        catalog = read(copy.superuser, privileges=privileges, exclude_schemas=exclude_schemas)
    return replace(catalog, not_covered=(*known.not_covered, *not_covered(copy.unreadable, live.role)))


def empty_schema(connection: Connection[tuple[object, ...]], name: str) -> None:
    """Take everything out of a schema."""
    from psycopg import sql

    row = connection.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = %s", [name]).fetchone()
    if row is None:
        return
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
    owner = sql.SQL(str(row[0]))  # as regrole prints it, quoted where it has to be
    connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(name), owner))


def stamp(database: ConnInfo, table: VersionTable, heads: tuple[str, ...] | None) -> None:
    """Let a version table of a copy hold these revisions."""
    with contextlib.closing(connect(database, told=True)) as connection:
        _stamp(connection, table, heads)


def _stamp(connection: Connection[tuple[object, ...]], table: VersionTable, heads: tuple[str, ...] | None) -> None:
    from psycopg import sql

    name = sql.Identifier(table.schema or "public", table.name)
    for head in heads or ():
        connection.execute(sql.SQL("INSERT INTO {} (version_num) VALUES ({})").format(name, sql.Literal(head)))
