"""Reads from the target what effects are weighed with. It only reads, in a transaction that can do nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from db_migrate.plan.preconditions import ask
from db_migrate.plan.speed import throughput
from db_migrate.rules.facts import Blocker, Facts, Relationship, ServerFacts, TableFacts
from db_migrate.rules.questions import Question

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

EXACT_BYTES = 16 * 1024 * 1024
"""Tables up to this size are counted; of larger ones PostgreSQL's estimate is taken."""

LONG_S = 10.0
"""From when on a transaction is worth being told of, in seconds: what is shorter is soon over."""

_BYTES_PER_ROW = 100
"""What a row is taken to need where the server has no estimate yet (never analyzed)."""


def read_facts(
    connection: Connection,
    relations: Iterable[str],
    questions: Iterable[Question],
    timeout_s: float = 5.0,
    *,
    values: bool = True,
    relationships: tuple[Relationship, ...] = (),
    replica: Connection | None = None,
    given: Mapping[str, int] = MappingProxyType({}),
    long_s: float = LONG_S,
) -> Facts:
    """The facts of the ``relations`` (names as the target prints them; unknown ones are left out) and the answers.

    Where there is a ``replica``, rows are read there: what is counted, asked and measured; sessions, locks and
    statistics are the target's own. ``given`` is the throughput that the settings know; ``long_s`` from when on a
    transaction is long, in seconds.

    ``connection`` must not be in autocommit mode nor in a transaction that may write: everything happens in one READ
    ONLY transaction of it, which is left open. ``timeout_s`` limits each question and each count, in seconds. With
    ``values`` False no value of any row is read into the facts. What could not be found out is in ``warnings`` or the
    answer's ``error``, never an exception.
    """
    rows = replica or connection
    for each in {connection, rows}:
        each.execute("SET TRANSACTION READ ONLY")
        each.execute("SET LOCAL search_path = pg_catalog")
        each.execute("SET LOCAL row_security = off")
    wanted = sorted(set(relations))
    warnings: list[str] = []
    tables = _tables(connection, rows, wanted, timeout_s, warnings)
    answers = ask(rows, questions, timeout_s, values=values)
    warnings += [f"not known: {a.question}: {a.error}" for a in answers.values() if a.error]
    return Facts(
        known=True,
        server_version=connection.info.server_version,
        tables=tables,
        answers=answers,
        relationships=relationships,
        now_blocking=_blockers(connection, wanted),
        long_transactions=tuple(Blocker(*row) for row in _rows(connection, "long", seconds=long_s)),
        throughput=throughput(rows, tables.values(), given, " of the replica" if replica is not None else ""),
        server=_server(connection),
        warnings=tuple(warnings),
    )


def _query(name: str) -> bytes:
    return resources.files("db_migrate.plan").joinpath("queries", f"{name}.sql").read_bytes()


def _rows(connection: Connection, query: str, **parameters: object) -> list[Any]:
    return connection.execute(_query(query), parameters).fetchall()


def _tables(
    connection: Connection, rows: Connection, relations: list[str], timeout_s: float, warnings: list[str]
) -> Mapping[str, TableFacts]:
    found: dict[str, TableFacts] = {}
    for name, estimate, size, table_size, reads, writes, readable, nulls in _rows(
        connection, "tables", relations=relations
    ):
        total, own = _number(size), _number(table_size)
        exact = None
        if readable and own <= EXACT_BYTES:
            exact = _count(rows, str(name), timeout_s, warnings)
        guess = _number(estimate) if _number(estimate) > 0 else max(1, own // _BYTES_PER_ROW)
        found[str(name)] = TableFacts(
            relation=str(name),
            rows=guess if exact is None else exact,
            exact=exact is not None,
            bytes=total,
            table_bytes=own,
            reads_per_second=_rate(reads),
            writes_per_second=_rate(writes),
            null_fractions=nulls or {},
        )
    return found


def _count(connection: Connection, relation: str, timeout_s: float, warnings: list[str]) -> int | None:
    from psycopg import errors

    try:
        with connection.transaction(force_rollback=True):  # the timeout goes with the savepoint
            connection.execute(f"SET LOCAL statement_timeout = {int(timeout_s * 1000)}".encode())
            row = connection.execute(f"SELECT count(*) FROM {relation}".encode()).fetchone()
    except (errors.QueryCanceled, errors.InsufficientPrivilege, errors.LockNotAvailable) as error:
        warnings.append(f"the rows of {relation} were not counted: {error.diag.message_primary}")
        return None
    return None if row is None else _number(row[0])


def _blockers(connection: Connection, relations: list[str]) -> tuple[Blocker, ...]:
    return tuple(Blocker(*row) for row in _rows(connection, "blockers", relations=relations))


def _server(connection: Connection) -> ServerFacts:
    ((replicas, lag, slots, slot_lag, settings, limit),) = _rows(connection, "server")
    return ServerFacts(replicas, lag, slots, slot_lag, _free_bytes(connection), settings, limit)


def _free_bytes(connection: Connection) -> int | None:
    """What is free beside the data, where the server is on this machine and lets the role know its place."""
    from psycopg import errors

    if not connection.info.host.startswith("/"):
        return None
    try:
        with connection.transaction(force_rollback=True):
            row = connection.execute("SELECT current_setting('data_directory')").fetchone()
        return None if row is None else shutil.disk_usage(str(row[0])).free
    except (errors.InsufficientPrivilege, OSError):
        return None


def _number(value: object) -> int:
    return int(str(value))


def _rate(value: object) -> float | None:
    return None if value is None else float(str(value))
