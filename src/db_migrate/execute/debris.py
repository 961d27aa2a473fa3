"""Indexes that a CREATE INDEX CONCURRENTLY began and did not finish."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from db_migrate.execute.blockers import statement
from db_migrate.results import PlannedRevision

if TYPE_CHECKING:
    from psycopg import Connection


def invalid_indexes(connection: Connection[tuple[object, ...]]) -> tuple[str, ...]:
    """The invalid indexes of the database, qualified."""
    return tuple(str(name) for (name,) in connection.execute(statement("invalid_indexes")).fetchall())


def built_by(revisions: Iterable[PlannedRevision]) -> frozenset[str]:
    """The indexes that a plan builds."""
    return frozenset(b.index for r in revisions for s in r.statements for b in s.effects.index_builds)


def drop_indexes(connection: Connection[tuple[object, ...]], names: Iterable[str]) -> tuple[str, ...]:
    """Drop invalid indexes without blocking anybody; ``connection`` is in autocommit mode. Returns their names."""
    dropped = []
    for name in names:
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
        dropped.append(name)
    return tuple(dropped)
