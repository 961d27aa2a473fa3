"""What the target's server gets through: it reads the beginning of a table that is touched anyway, by its own clock.

Writing cannot be measured where nothing may be written: rewrites and index builds are taken as the share of reading
that they were where all three were measured, and never as more than they were there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db_migrate.rules.facts import MIB, TableFacts, Throughput

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

_BLOCKS = 2048
_BLOCK_BYTES = 8192
_LEAST_BYTES = 4 * MIB
"""What is smaller is read in a moment, of which nothing follows."""
_TIMEOUT_MS = 2000
_RANGES_SINCE = 140000
"""Where a condition on ``ctid`` reads only those blocks (TID range scans)."""


def throughput(
    connection: Connection, tables: Iterable[TableFacts], given: Mapping[str, int], where: str = ""
) -> Throughput:
    """What is ``given`` by the settings, in bytes per second, else measured by the largest table, else assumed.

    ``connection`` is in a READ ONLY transaction. ``where`` says in words on which server, if not the target's.
    """
    all_given = given.keys() >= {"scan", "rewrite", "index_build"}
    found = Throughput() if all_given else _measured(connection, tables, where)
    known = Throughput(
        rewrite=given.get("rewrite", found.rewrite),
        scan=given.get("scan", found.scan),
        index_build=given.get("index_build", found.index_build),
        source=found.source,
    )
    if all_given:
        return replace(known, source="given in the settings")
    return replace(known, source=f"{found.source}; {', '.join(given)} by the settings") if given else known


def _measured(connection: Connection, tables: Iterable[TableFacts], where: str) -> Throughput:
    assumed = Throughput()
    if connection.info.server_version < _RANGES_SINCE:
        return assumed
    largest = max(tables, key=lambda each: each.table_bytes, default=None)
    if largest is None or largest.table_bytes < _LEAST_BYTES:
        return assumed
    seconds = _seconds(connection, largest.relation)
    if not seconds:
        return assumed
    speed = min(largest.table_bytes, _BLOCKS * _BLOCK_BYTES) / seconds
    scan = 2.0 ** math.floor(math.log2(speed))  # so that the same plan comes out the next time
    return Throughput(
        rewrite=min(assumed.rewrite, scan * assumed.rewrite / assumed.scan),
        scan=scan,
        index_build=min(assumed.index_build, scan * assumed.index_build / assumed.scan),
        source=f"reading was measured on {largest.relation}{where}; writing is taken from that",
    )


def _seconds(connection: Connection, relation: str) -> float | None:
    """How long the server needs to read the beginning of a table; None where it does not say."""
    from psycopg import DatabaseError, OperationalError

    query = f"SELECT count(*) FROM {relation} WHERE ctid < '({_BLOCKS},0)'::tid"
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}".encode())
            explained = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}"
            row: Any = connection.execute(explained.encode()).fetchone()
    except DatabaseError as error:
        if isinstance(error, OperationalError) and connection.broken:
            raise
        return None
    return float(row[0][0]["Execution Time"]) / 1000
