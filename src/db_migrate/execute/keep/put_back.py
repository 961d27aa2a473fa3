"""Puts kept data back where a revision that undoes the loss has made room for it, in that revision's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed
from db_migrate.execute.keep.choose import ROWS
from db_migrate.execute.keep.homeless import keep_columns, without_place
from db_migrate.execute.keep.names import bare, rows_of
from db_migrate.execute.keep.rows import rows_back
from db_migrate.execute.keep.store import Kept, Run, literal, purge
from db_migrate.execute.keep.unpark import unpark
from db_migrate.execute.keep.unseen import show_all, unseen
from db_migrate.results import Restored

_SHARED = """
SELECT pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_attribute k ON k.attname = a.attname AND k.attnum > 0 AND NOT k.attisdropped
 WHERE a.attrelid = {table}::pg_catalog.regclass AND k.attrelid = {kept}::pg_catalog.regclass
   AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum
"""


_DEMANDED = """
SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attgenerated = ''
"""
"""The columns that every new row needs a value for."""

_REFERS = """
SELECT DISTINCT conrelid::text, confrelid::text FROM pg_catalog.pg_constraint
 WHERE contype = 'f' AND conrelid <> confrelid AND conrelid = ANY ({oids}) AND confrelid = ANY ({oids})
"""


def in_order(run: Run, due: Sequence[Kept]) -> list[Kept]:
    """What is due back, in that order but for whole tables, each of which comes after those that it refers to.

    In a circle they come as they are: then it can only be done where the foreign keys are deferred.
    """
    tables = [each for each in due if each.is_whole_table]
    if len(tables) < 2:
        return list(due)
    names = ", ".join(f"pg_catalog.to_regclass({literal(each.label.table)})::oid" for each in tables)
    oids = [row[0] for row in run(f"SELECT pg_catalog.unnest(ARRAY[{names}])::text")]
    refers = run(_REFERS.format(oids=f"ARRAY[{names}]"))
    waiting = dict(zip(oids, tables, strict=True)) if len(set(oids)) == len(oids) else {}
    ordered: list[Kept] = []
    while waiting:
        free = next(
            (oid for oid in waiting if not any(a == oid and b in waiting for a, b in refers)), next(iter(waiting))
        )
        ordered.append(waiting.pop(free))
    places = iter(ordered or tables)
    return [next(places) if each in tables else each for each in due]


def is_complete(run: Run, kept: Kept) -> bool:
    """Whether the table of a whole one that is kept is there, with every column that it had."""
    if not kept.is_whole_table or not kept.whole or not is_there(run, kept.label.table):
        return False
    shared = run(_SHARED.format(table=literal(kept.label.table), kept=literal(kept.qualified)))
    stored = f"SELECT pg_catalog.count(*)::text FROM pg_catalog.pg_attribute WHERE attrelid = {literal(kept.qualified)}"
    columns = run(f"{stored}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''")
    return len(shared) == int(columns[0][0] or 0)


def put_back(run: Run, kept: Kept, before: Catalog | None = None) -> Restored | None:
    """Put one kept object back and give up the copy, but for columns that have no place in its table.

    None where there is no place for any of it, or other rows are there.

    With the catalog of ``before`` the run, say too what can be done ahead, and what remains under the table's lock.
    Raises ``Failed`` (``kept.not-restored``) when what was put back is not what was kept; the caller rolls back.
    """
    if not kept.whole:
        raise not_restored(kept, "columns of what was kept are gone: something was dropped with CASCADE that they used")
    if kept.parked_in:
        done = unpark(run, kept, before)
        if done is None:
            return None
        _set_sequences(run, kept, kept.parked_in)
        restored = Restored(kept.label.object, done.rows, done.since)
        return restored if before is None else replace(restored, ahead=done.ahead, under_lock=done.under_lock)
    return _from_copy(run, kept)


def _from_copy(run: Run, kept: Kept) -> Restored | None:
    label = kept.label
    if not is_there(run, kept.label.table):
        return None
    shared = run(_SHARED.format(table=literal(label.table), kept=literal(kept.qualified)))
    types = {str(name): str(kind) for name, kind in shared}
    if not types or (label.column and label.column not in types):
        return None
    if not label.column and label.rows and _demanded(run, label.table) - types.keys():
        return None  # a column that was dropped by hand before the table was: what its values were nobody knows
    if label.strategy == ROWS:
        done = rows_back(run, kept, types)
        if done is not None:
            purge(run, kept)
        return done
    show_all(run, kept.qualified)
    with unseen(run, label.table):
        if not label.column and _has_rows(run, label.table):
            return None  # the revision itself puts them there; whose rows are the right ones is for a person to say
        restored = _column(run, kept, types) if label.column else Restored(label.object, _table(run, kept, types))
        left = without_place(run, kept, types)
        _set_sequences(run, kept, label.table)
    if left:
        keep_columns(run, kept, left, types)
    else:
        purge(run, kept)
    return replace(restored, left=left)


def is_there(run: Run, table: str) -> bool:
    """Whether there is a table of that name."""
    return run(f"SELECT pg_catalog.to_regclass({literal(table)}) IS NOT NULL")[0][0] == "t"


def _demanded(run: Run, table: str) -> set[str]:
    return {str(name) for (name,) in run(_DEMANDED.format(table=literal(table)))}


def _has_rows(run: Run, table: str) -> bool:
    return run(f"SELECT EXISTS (SELECT FROM {rows_of(run, table)})")[0][0] == "t"


def _table(run: Run, kept: Kept, types: dict[str, str]) -> int:
    label, names, rows = kept.label, ", ".join(types), rows_of(run, kept.label.table)
    values = ", ".join(f"{name}::{kind}" for name, kind in types.items())
    run(f"INSERT INTO {label.table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {kept.qualified}")
    return _compare(kept, _sum(run, kept.qualified, types), _sum(run, rows, types))


def _set_sequences(run: Run, kept: Kept, table: str) -> None:
    """Let what fills a column go on from where it was."""
    for column, last in kept.label.sequences.items():
        run(
            f"SELECT pg_catalog.setval(s::pg_catalog.regclass, greatest({last}, "
            "pg_catalog.pg_sequence_last_value(s::pg_catalog.regclass))) "
            f"FROM pg_catalog.pg_get_serial_sequence({literal(table)}, {literal(bare(column))}) AS s "
            "WHERE s IS NOT NULL"
        )


def _column(run: Run, kept: Kept, types: dict[str, str]) -> Restored:
    """Rows that were made since keep what the revision gave them; rows that are gone stay gone."""
    label = kept.label
    rows = rows_of(run, label.table)
    match = " AND ".join(f"t.{name} = k.{name}::{types[name]}" for name in label.key)
    column, kind = label.column, types[label.column]
    run(f"UPDATE {rows} AS t SET {column} = k.{column}::{kind} FROM {kept.qualified} AS k WHERE {match}")
    first = label.key[0]
    found = run(
        f"SELECT pg_catalog.count(k.{first})::text, pg_catalog.count(*) FILTER (WHERE k.{first} IS NOT NULL AND "
        f"t.{column}::text IS DISTINCT FROM k.{column}::{kind}::text)::text, "
        f"pg_catalog.count(*) FILTER (WHERE k.{first} IS NULL)::text "
        f"FROM {rows} AS t LEFT JOIN {kept.qualified} AS k ON {match}"
    )
    back, wrong, since = (int(each or 0) for each in found[0])
    if wrong:
        raise not_restored(kept, f"{wrong} values are not what they were")
    return Restored(label.object, back, since)


def _sum(run: Run, rows: str, types: dict[str, str]) -> tuple[str, str]:
    """The number of rows, and a checksum over their values as text that does not depend on their order."""
    values = ", ".join(f"{name}::{kind}::text" for name, kind in types.items())
    query = (
        f"SELECT count(*)::text, coalesce(sum(pg_catalog.hashtextextended(ROW({values})::text, 0)), 0)::text "
        f"FROM {rows}"
    )
    count, checksum = run(query)[0]
    return str(count), str(checksum)


def _compare(kept: Kept, wanted: tuple[str, str], found: tuple[str, str]) -> int:
    if wanted != found:
        raise not_restored(kept, f"kept were {wanted[0]} rows, put back {found[0]}; their checksums differ")
    return int(found[0])


def not_restored(kept: Kept, why: str) -> Failed:
    """What was kept cannot be put back, for this reason."""
    return Failed(
        "kept.not-restored",
        f"what was kept of {kept.label.object} cannot be put back",
        why=why,
        where=kept.qualified,
        state="what was begun is rolled back, and the data is still kept",
        next=[f"db-migrate kept list {kept.id}"],
    )
