"""Who is in the way: sessions that hold locks which conflict with those that a statement needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, cast

from db_migrate.execute.locks import conflict
from db_migrate.execute.progress import Blocker
from db_migrate.postgres.redact import redact
from db_migrate.trace.effects import Lock, mode_of

if TYPE_CHECKING:
    from psycopg import Connection

    Row = tuple[str, str, int | None, str | None, str | None, float | None, str | None, str | None, bool, bool]

_LONGEST_QUERY = 200


@cache
def statement(name: str) -> bytes:
    """The text of one of this room's ``sql`` files."""
    return resources.files("db_migrate.execute").joinpath("sql", f"{name}.sql").read_bytes()


def look(
    connection: Connection[tuple[object, ...]], locks: Iterable[Lock], own: Collection[int]
) -> tuple[Blocker, ...]:
    """The sessions that hold what conflicts with ``locks``; ``own`` are the processes that do not count.

    A relation that does not exist yet is in nobody's way. The connection's ``search_path`` must be ``pg_catalog``.
    """
    wanted = {lock.relation: lock.mode for lock in locks}
    if not wanted:
        return ()
    parameters = {"relations": list(wanted), "own": list(own)}
    rows = connection.execute(statement("holders"), parameters).fetchall()
    found = (cast("Row", row) for row in rows)
    return tuple(_blockers(row for row in found if conflict(wanted[row[0]], mode_of(row[1]))))


def reachable(connection: Connection[tuple[object, ...]], relations: Iterable[str]) -> tuple[str, ...]:
    """The tables whose rows a write to ``relations`` may change through foreign keys' actions, themselves included."""
    rows = connection.execute(statement("reachable"), {"relations": list(relations)}).fetchall()
    return tuple(str(name) for (name,) in rows)


def end_idle(
    connection: Connection[tuple[object, ...]], blockers: Iterable[Blocker], age: float
) -> Iterator[tuple[Blocker, str]]:
    """End sessions that are still idle in a transaction older than ``age``: each with why not, empty where it was."""
    from psycopg import errors

    for each in blockers:
        try:
            row = connection.execute(statement("end_idle"), {"pid": each.pid, "age": age}).fetchone()
        except errors.InsufficientPrivilege as error:
            yield each, str(error).strip()
            continue
        if row is not None:
            yield each, ""


def _blockers(rows: Iterable[Row]) -> Iterator[Blocker]:
    """One for each session and relation, with the strongest lock in the way."""
    strongest: dict[tuple[int | None, str, str], Row] = {}
    for row in rows:
        key = (row[2], row[0], row[7] or "" if row[2] is None else "")
        known = strongest.get(key)
        if known is None or mode_of(row[1]).strength > mode_of(known[1]).strength:
            strongest[key] = row
    for relation, mode, pid, user, application, age, state, query, autovacuum, wraparound in strongest.values():
        yield Blocker(
            pid=pid,
            user=user or "",
            application=application or "",
            age=age,
            state=state or "",
            query=redact(" ".join((query or "").split()))[:_LONGEST_QUERY],
            relation=relation,
            mode=mode_of(mode).value,
            autovacuum=autovacuum,
            wraparound=wraparound,
        )
