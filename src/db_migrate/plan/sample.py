"""Rows of the target for revisions that look at rows before they write: copied to scratch, and to nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import reference
from db_migrate.config import Settings
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect, read_only
from db_migrate.rules.matching import relation_named
from db_migrate.rules.names import last, parts
from db_migrate.trace.effects import Trace

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[tuple[object, ...]]

DEFAULT_ROWS = 1000
"""How many rows of each table the setting ``scratch_data`` copies where ``sample`` does not say."""

_TIMEOUT_MS = 10_000
_TABLES = (Kind.TABLE, Kind.PARTITION)


@dataclass(frozen=True, slots=True)
class Sampled:
    """The tables that got rows, and what could not be copied, in plain sentences."""

    relations: frozenset[str]
    warnings: tuple[str, ...]


def touched_tables(done: Trace) -> frozenset[str]:
    """The tables whose rows a run read or wrote."""
    return frozenset(
        name for r in done.revisions for s in r.statements for name in (*s.effects.reads, *s.effects.writes)
    )


def sample_for(
    settings: Settings, target: ConnInfo, scratch: ConnInfo, catalog: Catalog, touched: frozenset[str]
) -> Sampled:
    """What the settings want copied: of the touched tables, and of those that are always wanted."""
    always = [relation_named(name, catalog) for name in settings.scratch_data]
    unknown = [name for name in always if not _is_table(catalog, name)]
    warnings = tuple(f"no rows of {name} were copied to scratch: the target has no such table" for name in unknown)
    tables = sorted({*touched, *always}.difference(unknown))
    if not tables:
        return Sampled(frozenset(), warnings)
    copied = copy_sample(target, scratch, catalog, tables, settings.sample or DEFAULT_ROWS)
    return replace(copied, warnings=warnings + copied.warnings)


def copy_sample(target: ConnInfo, scratch: ConnInfo, catalog: Catalog, tables: Iterable[str], rows: int) -> Sampled:
    """Copy up to ``rows`` rows of each table, with the rows that their foreign keys need.

    ``catalog`` is the schema that both have; ``scratch`` is the superuser's address, whose triggers and foreign keys
    are off meanwhile. All is read in one READ ONLY transaction. A table that cannot be copied is in the warnings.
    """
    with read_only(target) as source, closing(connect(scratch, told=True)) as sink:
        source.execute(b"SET LOCAL search_path = pg_catalog")
        source.execute(b"SET LOCAL row_security = off")
        source.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}".encode())
        sink.execute(b"SET session_replication_role = replica")
        sink.execute(b"SET search_path = pg_catalog")
        return _Sample(source, sink, catalog).copy(tables, rows)


class _Sample:
    """One copying, table by table."""

    def __init__(self, source: Connection, sink: Connection, catalog: Catalog) -> None:
        self._source = source
        self._sink = sink
        self._catalog = catalog
        self._copied: set[str] = set()
        self._warnings: list[str] = []

    def copy(self, tables: Iterable[str], rows: int) -> Sampled:
        """The tables, then what their foreign keys need, then what those need."""
        from psycopg import sql

        wanted = [name for name in dict.fromkeys(map(self._whole, tables)) if _is_table(self._catalog, name)]
        for table in wanted:
            self._rows(table, sql.SQL("LIMIT {}").format(sql.Literal(rows)))
        waiting = [key for table in wanted for key in self._keys.get(table, ())]
        for _round in range(len(self._catalog)):  # a row may need one of its own table, and that one another
            if not waiting:
                break
            key = waiting.pop(0)
            parent = self._whole(reference(str(key.attributes["referenced"]))[0])
            if self._parents(key, parent):
                waiting += [each for each in self._keys.get(parent, ()) if each not in waiting]
        for table in sorted(self._copied):
            self._set_sequences(table)
        partitions = (o.name for o in self._catalog.of_kinds(Kind.PARTITION))
        parts_of_them = frozenset(name for name in partitions if self._whole(name) in self._copied)
        return Sampled(parts_of_them | self._copied, tuple(self._warnings))

    def _whole(self, table: str) -> str:
        """The table of which this one is a partition, which has its columns, keys and rows; else the table itself."""
        partition = self._catalog.get(Kind.PARTITION, table)
        return table if partition is None else self._whole(str(partition.attributes["partition_of"]))

    @cached_property
    def _keys(self) -> Mapping[str, Sequence[SchemaObject]]:
        """The foreign keys of each table and its partitions."""
        found: dict[str, list[SchemaObject]] = {}
        for key in self._catalog.of_kinds(Kind.FOREIGN_KEY):
            found.setdefault(self._whole(key.parent or ""), []).append(key)
        return found

    def _parents(self, key: SchemaObject, parent: str) -> bool:
        """Copy the rows that the key's table needs and that are not there; whether there were any."""
        from psycopg import sql

        own = _names(key.attributes.get("columns"))
        _table, there = reference(str(key.attributes["referenced"]))
        columns = [self._catalog.get(Kind.COLUMN, f"{parent}.{name}") for name in there]
        if not _is_table(self._catalog, parent) or any(column is None for column in columns):
            return False
        missing = sql.SQL("SELECT DISTINCT {} FROM {} c WHERE {} AND NOT EXISTS (SELECT FROM {} p WHERE {})").format(
            sql.SQL(", ").join(sql.SQL("c.{}::text").format(_identifier(name)) for name in own),
            _qualified(key.parent or ""),
            sql.SQL(" AND ").join(sql.SQL("c.{} IS NOT NULL").format(_identifier(name)) for name in own),
            _qualified(parent),
            sql.SQL(" AND ").join(
                sql.SQL("c.{} = p.{}").format(_identifier(a), _identifier(b)) for a, b in zip(own, there, strict=True)
            ),
        )
        values = self._sink.execute(missing).fetchall()
        if not values:
            return False
        types = [sql.SQL(str(column.attributes["type"])) for column in columns if column is not None]
        row = sql.SQL(", ").join(
            sql.SQL("({})").format(
                sql.SQL(", ").join(
                    sql.SQL("{}::{}").format(sql.Literal(v), t) for v, t in zip(each, types, strict=True)
                )
            )
            for each in values
        )
        names = sql.SQL(", ").join(map(_identifier, there))
        return self._rows(parent, sql.SQL("WHERE ({}) IN (VALUES {})").format(names, row))

    def _rows(self, table: str, which: sql.Composed) -> bool:
        """Copy some rows of a table; whether that went well."""
        import psycopg
        from psycopg import sql

        stored = [c for c in self._catalog.columns(table) if not c.attributes.get("generated")]
        names = sql.SQL(", ").join(_identifier(last(column.name)) for column in stored)
        item = self._catalog.get(Kind.TABLE, table)
        own = sql.SQL("" if item is not None and item.attributes.get("partition_key") else "ONLY ")  # not its heirs'
        read = sql.SQL("COPY (SELECT {} FROM {}{} {}) TO STDOUT").format(names, own, _qualified(table), which)
        write = sql.SQL("COPY {} ({}) FROM STDIN").format(_qualified(table), names)
        try:
            with (
                self._source.transaction(),
                self._sink.transaction(),
                self._source.cursor().copy(read) as out,
                self._sink.cursor().copy(write) as into,
            ):
                for block in out:
                    into.write(block)
        except psycopg.DatabaseError as error:
            if self._source.closed or self._sink.closed:
                raise
            self._warnings.append(f"no rows of {table} were copied to scratch: {error.diag.message_primary or error}")
            return False
        self._copied.add(table)
        return True

    def _set_sequences(self, table: str) -> None:
        """New rows get numbers that no copied one has."""
        from psycopg import sql

        for column in self._catalog.columns(table):
            name = last(column.name)
            row = self._sink.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, name]).fetchone()
            if row is not None and row[0] is not None:
                query = sql.SQL("SELECT setval({}, greatest(1, (SELECT max({}) FROM {})))").format(
                    sql.Literal(row[0]), _identifier(name), _qualified(table)
                )
                self._sink.execute(query)


def _is_table(catalog: Catalog, name: str) -> bool:
    return any(catalog.get(kind, name) is not None for kind in _TABLES)


def _names(value: object) -> Sequence[str]:
    return value if isinstance(value, tuple) else ()


def _identifier(name: str) -> sql.Identifier:
    """A column's name as the catalog has it, quoted or not."""
    from psycopg import sql

    return sql.Identifier(parts(name)[-1])


def _qualified(name: str) -> sql.Identifier:
    from psycopg import sql

    return sql.Identifier(*parts(name))
