"""What statements make on the ground that other objects prepare, in a scratch database."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

import msgspec

from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.lacking import lacking
from db_migrate.postgres.session import connect
from db_migrate.schemas.asked import name_of
from db_migrate.schemas.scratch import Scratch, read

_AT_ONCE = 100
"""Statements in one transaction. Measured: 6,000 that make 1,000 tables take 3.8 s as one transaction, 2.9 s as 60."""


def created(
    scratch: Scratch,
    lent: Iterable[SchemaObject],
    statements: Sequence[str],
    otherwise: Callable[[ConnInfo], object],
    *,
    plain: bool,
) -> tuple[Catalog, bool]:
    """What is there after the statements and was not before them, schemas aside, on the ground of ``lent``.

    ``otherwise`` does it where the statements do not run, or where there are none; the second value says whether they
    ran. Statements that are ``plain`` DDL need not be in one transaction.
    """
    ground = tuple(lent)

    def by_statements(database: ConnInfo) -> bool:
        return _run(database, statements, at_once=_AT_ONCE if plain else len(statements))

    def in_another_way(database: ConnInfo) -> bool:
        otherwise(database)
        return True

    catalog = _made_by(by_statements, scratch, ground) if statements else None
    if catalog is not None:
        return catalog, True
    catalog = _made_by(in_another_way, scratch, ground)
    assert catalog is not None
    return catalog, False


def _made_by(make: Callable[[ConnInfo], bool], scratch: Scratch, ground: Sequence[SchemaObject]) -> Catalog | None:
    """What ``make`` has made in a database with nothing but the ground; None where it says that it could not."""
    with scratch.database("models") as database:
        _prepare(database, ground)
        before = _there(scratch, database, ground)
        if not make(database):
            return None
        after = read(database)
    return after.only(lambda o: o.key not in before and o.kind is not Kind.SCHEMA)


def _there(scratch: Scratch, database: ConnInfo, ground: Sequence[SchemaObject]) -> frozenset[Key]:
    """The keys of what is there on this ground and nothing else; the same ground makes the same each time."""
    name = name_of(scratch, f"ground {[ground_sql(each) for each in ground]}")
    kept = scratch.cache.get(name) if scratch.cache is not None else None
    if kept is not None:
        with contextlib.suppress(msgspec.DecodeError):  # a file that something else has written to: as good as none
            return frozenset(msgspec.msgpack.decode(kept, type=list[Key]))
    keys = [each.key for each in read(database)]
    if scratch.cache is not None:
        scratch.cache.put(name, msgspec.msgpack.encode(keys))
    return frozenset(keys)


def _run(database: ConnInfo, statements: Sequence[str], *, at_once: int) -> bool:
    """Run the statements, each ``at_once`` of them in one round trip and transaction; False where one fails."""
    import psycopg

    with contextlib.closing(connect(database, told=True)) as connection:
        try:
            for start in range(0, len(statements), at_once):
                connection.execute(";\n".join(statements[start : start + at_once]).encode())
        except psycopg.Error:
            return (
                False  # whoever does it otherwise meets the same error with the user's own code around it, or gets by
            )
    return True


def _prepare(database: ConnInfo, objects: Iterable[SchemaObject]) -> None:
    """Make the ground. What cannot be made without tables is left out: the models will say if they need it."""
    import psycopg

    with contextlib.closing(connect(database, settings={"check_function_bodies": "off"}, told=True)) as connection:
        for item in objects:
            with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject):
                try:
                    connection.execute(ground_sql(item).encode())
                except psycopg.errors.FeatureNotSupported as error:
                    raise lacking("models.extension", str(error), item.name) or error from error


def ground_sql(item: SchemaObject) -> str:
    """The SQL that makes an object of the ground."""
    if item.kind is Kind.SCHEMA:
        return item.definition.replace("CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS", 1)
    if item.kind is Kind.EXTENSION:
        return item.definition.replace("CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS", 1)
    if item.kind is Kind.SEQUENCE:
        return f"CREATE SEQUENCE {item.name}"
    if item.kind is Kind.ENUM:
        labels = item.attributes["labels"]
        quoted = (
            ", ".join("'" + label.replace("'", "''") + "'" for label in labels) if isinstance(labels, tuple) else ""
        )
        return f"CREATE TYPE {item.name} AS ENUM ({quoted})"
    return item.definition
