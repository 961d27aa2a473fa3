"""Indexes that a CREATE INDEX CONCURRENTLY began and did not finish."""

from __future__ import annotations

import contextlib
import time
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


def drop_indexes(
    connection: Connection[tuple[object, ...]], names: Iterable[str], patience: float | None = None
) -> tuple[str, ...]:
    """Drop indexes without blocking anybody; ``connection`` is in autocommit mode. Returns the names of the dropped.

    It waits for every transaction that has used the table, at most ``patience`` seconds in all; what is not
    dropped by then is left, invalid, to the next run.
    """
    from psycopg import errors

    wanted = tuple(names)
    if not wanted:
        return ()
    deadline = None if patience is None else time.monotonic() + patience
    connection.execute("SET lock_timeout = 0")
    dropped = []
    for name in wanted:
        left = 0 if deadline is None else max(1, round((deadline - time.monotonic()) * 1000))
        connection.execute(f"SET statement_timeout = {left}".encode())
        with contextlib.suppress(errors.QueryCanceled):
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
            dropped.append(name)
    return tuple(dropped)
