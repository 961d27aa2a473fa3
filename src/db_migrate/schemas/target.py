"""Which live database a command is about, and where Alembic keeps its version there."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db_migrate.catalog.tokens import quoted
from db_migrate.config import Settings
from db_migrate.errors import ConfigurationError, Failed
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.local import database, local_server
from db_migrate.project.child_process import LearnedTarget
from db_migrate.project.outcomes import ChildError
from db_migrate.schemas.asked import address_of, learn, migrated
from db_migrate.schemas.outcome import TargetSummary
from db_migrate.schemas.scratch import Scratch

if TYPE_CHECKING:
    from psycopg import Connection

EMBEDDED_SCHEME = "embedded://"


@dataclass(frozen=True, slots=True)
class VersionTable:
    """One of Alembic's version tables; ``schema`` is None for the first schema of the search_path."""

    name: str = "alembic_version"
    schema: str | None = None

    @property
    def qualified(self) -> str:
        """The table's name in a catalog."""
        return f"{self.schema or 'public'}.{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """The live database. ``as_is``: env.py connects there by itself, so it need not be redirected.

    ``only``: which of env.py's connections it is, by place, where env.py migrates other databases too.
    """

    name: str
    conninfo: ConnInfo
    as_is: bool
    version_tables: tuple[VersionTable, ...]
    only: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class LiveState:
    """What the live database said of itself when it was looked at.

    ``heads`` are those of each version table: None where there is no table, or where the role may not read it, and
    then the table is among ``unreadable``.
    """

    server_version: int
    summary: TargetSummary
    heads: tuple[tuple[VersionTable, tuple[str, ...] | None], ...]
    role: str
    unreadable: tuple[str, ...] = ()

    @property
    def current(self) -> tuple[str, ...]:
        """The revisions that the database is at; empty before the first.

        Raises ``Failed`` (``target.versions``) when the role may not read them.
        """
        if self.unreadable:
            raise Failed(
                "target.versions",
                f"the role {self.role} may not read {', '.join(self.unreadable)}",
                why="without it nobody knows which revisions the database is at",
                state="nothing was changed",
                next=[f"GRANT SELECT ON {', '.join(self.unreadable)} TO {quoted(self.role)}"],
            )
        return tuple(sorted({head for _table, heads in self.heads for head in heads or ()}))


@contextlib.contextmanager
def find_target(settings: Settings, scratch: Scratch) -> Iterator[Target]:
    """The target of a command: what the settings or flags name, else what env.py connects to.

    A target on our own embedded server runs as long as the context lasts. Raises ``ConfigurationError``
    (``target.several``) when env.py migrates several databases, and what the child process raises.
    """
    url = settings.target_url(os.environ)
    learned, configured = learn(scratch, with_targets=url is None)
    if url is None:
        yield Target(settings.target, _only(migrated(learned)), True, _tables(configured))
        return
    with ExitStack() as stack:
        if url.startswith(EMBEDDED_SCHEME):
            server = stack.enter_context(local_server(settings.root / ".db-migrate" / "embedded" / "18"))
            conninfo = database(server, url.removeprefix(EMBEDDED_SCHEME))
        else:
            conninfo = ConnInfo.from_url(url)
        only = _meant(learned, conninfo)
        if only is not None:
            _, configured = learn(replace(scratch, project=replace(scratch.project, only=only)), with_targets=False)
        yield Target(settings.target, conninfo, False, _tables(configured), only)


def _tables(configured: Sequence[tuple[str, str | None]]) -> tuple[VersionTable, ...]:
    return tuple(VersionTable(name, schema) for name, schema in configured) or (VersionTable(),)


def _only(addresses: Sequence[ConnInfo]) -> ConnInfo:
    """The one database among env.py's connections that is migrated."""
    if len(addresses) > 1:
        raise _several(addresses, "")
    return addresses[0]


def _meant(learned: Sequence[LearnedTarget], target: ConnInfo) -> tuple[int, ...] | None:
    """Which of env.py's connections stand for a target, by place: those to a database of its name.

    None where env.py migrates one database, whatever that is called elsewhere.
    """
    addresses = migrated(learned)
    if len(addresses) < 2:
        return None
    named = _standing_for(addresses, target)
    if len(named) != 1:
        raise _several(addresses, f", and which of them {target.redacted()} stands for cannot be told")
    return _places(learned, named[0])


def _standing_for(addresses: Sequence[ConnInfo], target: ConnInfo) -> list[ConnInfo]:
    named = [each for each in addresses if each.dbname == target.dbname]
    return [each for each in named if (each.host, each.port) == (target.host, target.port)] or named


def _places(learned: Sequence[LearnedTarget], address: ConnInfo) -> tuple[int, ...]:
    found = (address_of(each) for each in learned)
    place = (address.host, address.port, address.dbname)
    return tuple(n for n, each in enumerate(found) if (each.host, each.port, each.dbname) == place)


def each_migrated(settings: Settings, scratch: Scratch) -> Mapping[str, Scratch]:
    """For each database that env.py migrates its name and the scratch on which that one alone is migrated.

    Where the settings or flags name a target it is the one that stands for that, if this can be told. Nothing is
    connected to. Where env.py cannot be asked it is one database: what it raises is heard when it is run.
    """
    try:
        learned, _ = learn(scratch, with_targets=False)
    except ChildError:
        return {"": scratch}
    addresses = migrated(learned)
    if len(addresses) < 2:
        return {"": scratch}
    url = settings.target_url(os.environ)
    if url is not None:
        named = _standing_for(addresses, ConnInfo.from_url(url.replace(EMBEDDED_SCHEME, "postgresql:///", 1)))
        addresses = tuple(named) if len(named) == 1 else addresses
    names = [each.dbname for each in addresses]
    return {
        each.dbname if names.count(each.dbname) == 1 else each.redacted(): replace(
            scratch, project=replace(scratch.project, only=_places(learned, each))
        )
        for each in addresses
    }


def _several(addresses: Sequence[ConnInfo], more: str) -> ConfigurationError:
    return several_databases(tuple(each.redacted() for each in addresses), more)


def several_databases(names: Sequence[str], more: str, verb: str = "status") -> ConfigurationError:
    """The error (``target.several``) where one of several databases has to be named."""
    return ConfigurationError(
        "target.several",
        f"env.py migrates several databases{more}",
        why=", ".join(names),
        state="nothing was changed",
        next=[f"db-migrate --url postgresql://{each} {verb}" for each in names],
    )


def look_at(connection: Connection[tuple[object, ...]], target: Target) -> LiveState:
    """Read the version tables and the server's own version, in the session's read-only transaction."""
    version = connection.info.server_version
    tables = [_located(connection, table) for table in target.version_tables]
    unreadable = {table for table in tables if not _may_read(connection, table)}
    heads = tuple((table, None if table in unreadable else _heads(connection, table)) for table in tables)
    row = connection.execute("SELECT current_database(), current_user").fetchone()
    name, role = (str(row[0]), str(row[1])) if row else (target.conninfo.dbname, target.conninfo.user)
    text = f"{version // 10000}.{version % 10000}"
    summary = TargetSummary(target.name, name, text, _server_id(connection))
    return LiveState(version, summary, heads, role, tuple(t.qualified for t in tables if t in unreadable))


def _server_id(connection: Connection[tuple[object, ...]]) -> str:
    """The server's system identifier; empty where the role may not ask."""
    allowed = connection.execute(
        "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
    ).fetchone()
    if allowed != (True,):
        return ""
    row = connection.execute("SELECT system_identifier::text FROM pg_catalog.pg_control_system()").fetchone()
    return str(row[0]) if row else ""


def _located(connection: Connection[tuple[object, ...]], table: VersionTable) -> VersionTable:
    """The version table with the schema that Alembic finds it in, or would make it in.

    Our own sessions look at ``pg_catalog`` only; the session's default path is what the role's settings say.
    """
    if table.schema is not None:
        return table
    own = "(SELECT reset_val FROM pg_settings WHERE name = 'search_path')"
    connection.execute(f"SELECT set_config('search_path', {own}, true)".encode())
    row = connection.execute(
        "SELECT coalesce((SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass(quote_ident(%s))), current_schema())",
        [table.name],
    ).fetchone()
    connection.execute("SET search_path = pg_catalog")
    return VersionTable(table.name, str(row[0]) if row and row[0] else "public")


def _may_read(connection: Connection[tuple[object, ...]], table: VersionTable) -> bool:
    """False only where the table exists and the role may not read it."""
    row = connection.execute(
        "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
        "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        [table.schema or "public", table.name],
    ).fetchone()
    return row is None or bool(row[0])


def _heads(connection: Connection[tuple[object, ...]], table: VersionTable) -> tuple[str, ...] | None:
    """What the version table holds; None where there is no such table."""
    from psycopg import errors, sql

    schema = table.schema or "public"
    found = connection.execute(
        "SELECT to_regclass(format('%%I.%%I', %s::text, %s::text))", [schema, table.name]
    ).fetchone()
    if found is None or found[0] is None:
        return None
    query = sql.SQL("SELECT version_num FROM {} ORDER BY 1").format(sql.Identifier(schema, table.name))
    try:
        return tuple(str(row[0]) for row in connection.execute(query).fetchall())
    except errors.UndefinedColumn as error:
        name = f"{quoted(schema)}.{quoted(table.name)}"
        raise Failed(
            "target.versions",
            f"{schema}.{table.name} is not Alembic's version table: it has no column version_num",
            why=str(error).partition("\n")[0],
            where=f"{schema}.{table.name}",
            state="nothing was changed",
            next=[f"psql {shlex.quote(connection.info.dbname)} -c {shlex.quote(f'TABLE {name}')}"],
        ) from error


def without_version_tables(names: Iterable[VersionTable]) -> frozenset[str]:
    """The names under which Alembic's own tables are left out of comparisons."""
    return frozenset(table.qualified for table in names)
