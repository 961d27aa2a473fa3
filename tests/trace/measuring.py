"""What a statement does, measured without anything of ours: two plain sessions and PostgreSQL's own views."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[tuple[object, ...]]

_RELATIONS = """
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), c.relkind, pg_relation_filenode(c.oid), i.indrelid
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
 WHERE c.relkind IN ('r', 'p', 'i', 'I', 'v', 'm', 'S', 'c') AND n.nspname = ANY (%s)
"""
_LOCKS = "SELECT relation, mode FROM pg_locks WHERE pid = %s AND locktype = 'relation' AND granted"
_SCANS = "SELECT relid, seq_scan FROM pg_stat_xact_all_tables WHERE seq_scan > 0"


@dataclass(frozen=True, slots=True)
class Measured:
    """Relations that existed before the statement, by the names that they had then; built indexes by their new ones."""

    locks: frozenset[tuple[str, str]]
    scans: frozenset[str]
    rewrites: frozenset[str]
    truncated: frozenset[str]
    built: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Relation:
    name: str
    kind: str
    filenode: int | None
    table: int | None


def measure(database: ConnInfo, schema: str, local: str, sql: str) -> Measured:
    """Run the statement in a transaction, which is committed, and measure before it is."""
    with contextlib.closing(connect(database)) as first, contextlib.closing(connect(database)) as second:
        first.execute(f"SET search_path = {schema}, public".encode())
        schemas = [schema, f"{schema}_renamed", "public"]
        rows_before = _rows(second, _relations(second, schemas))
        first.execute(b"BEGIN")
        if local:
            first.execute(local.encode())
        before, scans_before = _relations(first, schemas), _scans(first)
        first.execute(sql.encode())
        locks = second.execute(_LOCKS, [first.info.backend_pid]).fetchall()
        scans, after = _scans(first), _relations(first, schemas)
        first.execute(b"COMMIT")
        rows_after = _rows(second, after)
    kept = before.keys() & after.keys()
    replaced = {o for o in kept if before[o].kind in "rm" and before[o].filenode != after[o].filenode}
    truncated = {o for o in replaced if rows_before.get(o) and not rows_after[o]}
    storage = {each.filenode for each in before.values()}
    return Measured(
        locks=frozenset((before[cast(int, o)].name, SPELLED[str(m)]) for o, m in locks if o in before),
        scans=frozenset(before[o].name for o, n in scans.items() if o in before and n > scans_before.get(o, 0)),
        rewrites=frozenset(before[o].name for o in replaced - truncated),
        truncated=frozenset(before[o].name for o in truncated),
        built=frozenset(
            each.name
            for each in after.values()
            if each.kind == "i" and each.filenode not in storage and each.table in before.keys() - truncated
        ),
    )


def _relations(session: Session, schemas: list[str]) -> dict[int, _Relation]:
    rows = session.execute(_RELATIONS, [schemas]).fetchall()
    return {
        cast(int, oid): _Relation(*cast("tuple[str, str, int | None, int | None]", tuple(rest))) for oid, *rest in rows
    }


def _rows(session: Session, relations: Mapping[int, _Relation]) -> dict[int, int]:
    found = {}
    for oid, each in relations.items():
        if each.kind == "r":
            row = session.execute(f"SELECT count(*) FROM ONLY {each.name}".encode()).fetchone()
            found[oid] = cast(int, row[0]) if row else 0
    return found


def _scans(session: Session) -> dict[int, int]:
    return {cast(int, oid): cast(int, scans) for oid, scans in session.execute(_SCANS).fetchall()}


SPELLED = {
    "AccessShareLock": "ACCESS SHARE",
    "RowShareLock": "ROW SHARE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
