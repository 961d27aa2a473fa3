"""A live database that a command is about, and where Alembic keeps its version there."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.catalog.tokens import quoted, split_list, unquoted
from db_migrate.errors import Failed
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project.config import ProjectConfig
from db_migrate.schemas.asked import Configured
from db_migrate.schemas.outcome import TargetSummary

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class VersionTable:
    """One of Alembic's version tables; ``schema`` is None for the first schema of the search_path.

    ``path`` is the search_path that env.py sets; empty where it is the role's own.
    """

    name: str = "alembic_version"
    schema: str | None = None
    path: str = ""

    @property
    def qualified(self) -> str:
        """The table's name in a catalog."""
        return f"{self.home}.{self.name}"

    @property
    def home(self) -> str:
        """The schema that the table is in, or would be made in."""
        named = (unquoted(each.strip()) for each in split_list(self.path))
        return self.schema or next((each for each in named if each and each != "$user"), "public")


@dataclass(frozen=True, slots=True)
class Target:
    """The live database. ``as_is``: env.py connects there by itself, so it need not be redirected.

    ``only``: which of env.py's connections it is, by place, where env.py migrates other databases too. ``table``: its
    one version table, where env.py migrates other schemas of the database too, and ``schema`` the schema of that.
    ``heard``: env.py has said which version tables there are; else they are Alembic's default.
    """

    name: str
    conninfo: ConnInfo
    as_is: bool
    version_tables: tuple[VersionTable, ...]
    only: tuple[int, ...] | None = None
    table: Configured | None = None
    heard: bool = True

    @property
    def schema(self) -> str:
        """See the class."""
        return VersionTable(*self.table).home if self.table is not None else ""

    def meant_in(self, project: ProjectConfig) -> ProjectConfig:
        """The project that migrates this alone."""
        table = self.table
        tables = None if table is None else ((table[0], table[1] or "", table[2]),)
        return replace(project, only=self.only, tables=tables)


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


def look_at(connection: Connection[tuple[object, ...]], target: Target) -> LiveState:
    """Read the version tables and the server's own version, in the session's read-only transaction."""
    version = connection.info.server_version
    tables = [_located(connection, table) for table in target.version_tables]
    unreadable = {table for table in tables if not _may_read(connection, table)}
    heads = tuple((table, None if table in unreadable else _heads(connection, table)) for table in tables)
    row = connection.execute(
        "SELECT datname, current_user, oid::text FROM pg_catalog.pg_database WHERE datname = current_database()"
    ).fetchone()
    name, role, number = map(str, row) if row else (target.conninfo.dbname, target.conninfo.user, "")
    text = f"{version // 10000}.{version % 10000}"
    summary = TargetSummary(target.name, name, text, _server_id(connection), target.schema, number)
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
    own = "coalesce(nullif(%s, ''), (SELECT reset_val FROM pg_settings WHERE name = 'search_path'))"
    connection.execute(f"SELECT set_config('search_path', {own}, true)".encode(), [table.path])
    row = connection.execute(
        "SELECT coalesce((SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass(quote_ident(%s))), current_schema())",
        [table.name],
    ).fetchone()
    connection.execute("SET search_path = pg_catalog")
    return VersionTable(table.name, str(row[0]) if row and row[0] else table.home)


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


def like_version_tables(catalog: Catalog) -> frozenset[str]:
    """The tables that look like version tables, whatever they are called: other projects have theirs beside ours."""
    columns: dict[str, list[str]] = {}
    for each in catalog:
        if each.kind is Kind.COLUMN:
            columns.setdefault(each.parent or "", []).append(each.name)
    return frozenset(table for table, names in columns.items() if names == [f"{table}.version_num"])


def without_version_tables(names: Iterable[VersionTable]) -> frozenset[str]:
    """The names under which Alembic's own tables are left out, as they are stored and as SQL writes them."""
    return frozenset(
        f"{schema}.{name}"
        for table in names
        for schema in (table.home, quoted(table.home))
        for name in (table.name, quoted(table.name))
    )
