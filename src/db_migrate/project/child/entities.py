"""What alembic_utils declares beside the metadata: functions, views, triggers, policies and extensions.

A project registers these in env.py (``register_entities``), and they are as much its models as its tables are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_NOT_SCHEMA = frozenset({"PGGrantTable"})
"""Grants are compared when asked for, between history and live."""
_BEFORE_TABLES = ("PGExtension", "PGFunction")
_ORDER = (*_BEFORE_TABLES, "PGView", "PGMaterializedView", "PGTrigger", "PGPolicy")


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing that is declared, with the statement that makes it."""

    kind: str
    schema: str
    sql: str


def entities() -> tuple[Entity, ...]:
    """The registered entities in an order of creation; none in a project that does not use alembic_utils."""
    module = sys.modules.get("alembic_utils.replaceable_entity")
    if module is None:
        return ()
    found = [_entity(each) for each in module.registry.entities() if type(each).__name__ not in _NOT_SCHEMA]
    return tuple(sorted(found, key=lambda each: _ORDER.index(each.kind) if each.kind in _ORDER else len(_ORDER)))


def _entity(registered: Any) -> Entity:
    kind = next((each.__name__ for each in type(registered).__mro__ if each.__name__ in _ORDER), "")
    sql = str(registered.to_sql_statement_create()).strip().rstrip(";")
    if kind == "PGExtension":
        sql = sql.replace("CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS", 1)
    return Entity(kind, registered.schema, sql)


def create_before_tables(connection: Any, wanted: Iterable[Entity]) -> tuple[Entity, ...]:
    """Make what tables may need; returns what is left to be made after them."""
    wanted = tuple(wanted)
    early = [each for each in wanted if each.kind in _BEFORE_TABLES]
    left = [each for each in early if _failure(connection, each) is not None]
    return tuple(each for each in wanted if each not in early or each in left)


def create_after_tables(connection: Any, wanted: Iterable[Entity]) -> None:
    """Make the rest, whatever of it needs what else of it. Raises what the server says when that cannot be."""
    left = tuple(wanted)
    while left:
        failed = [(each, failure) for each in left if (failure := _failure(connection, each)) is not None]
        if len(failed) == len(left):
            raise failed[0][1]
        left = tuple(each for each, _ in failed)


def _failure(connection: Any, entity: Entity) -> Exception | None:
    from sqlalchemy.exc import DBAPIError

    try:
        with connection.begin_nested():
            connection.exec_driver_sql(entity.sql.replace("%", "%%"))
    except DBAPIError as error:
        return error
    return None


def drafted(wanted: Iterable[Entity], *, before_tables: bool) -> Iterator[str]:
    """The statements that come before the tables', or after them: only extensions come before."""
    for each in wanted:
        if (each.kind == "PGExtension") is before_tables:
            yield each.sql
