"""Keeps rows that a revision deletes, and the old values of those that it changes.

Before the first statement that could do so, the table is locked against other writers and copied; before the commit,
what is as it was is taken out of the copy again. So whatever changes the rows is seen: dynamic SQL, cascades, triggers,
a change of type. What is kept has the new value beside the old one, so that nothing written since is overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from db_migrate.execute.keep.put_aside import Occasion, key_of, no_key, stored_columns
from db_migrate.execute.keep.store import SCHEMA, Kept, Run, literal
from db_migrate.execute.keep.unseen import every_row, unseen
from db_migrate.results import KeptObject, Restored

GONE = "db_migrate_gone"
"""The column that is true for a row which was deleted."""

NEW = "db_migrate_new_"
"""How the columns with the new values begin; the place of the column follows."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table as it was before the revision, until the revision commits, or is about to drop the table or a column.

    ``oid`` and ``numbers`` (of the columns, by name) find them again under other names.
    """

    kept: KeptObject
    occasion: Occasion
    key: tuple[str, ...]
    oid: str
    numbers: Mapping[str, str]

    @property
    def place(self) -> str:
        """Where the copy is."""
        return f"{SCHEMA}.{self.occasion.name}"


def snapshot(run: Run, kept: KeptObject, occasion: Occasion) -> Snapshot:
    """Copy a table that nobody else can write to from now on, until the transaction ends."""
    run(f"LOCK TABLE ONLY {kept.object} IN SHARE ROW EXCLUSIVE MODE")
    key = key_of(run, kept.object)
    if not key:
        raise no_key(kept.object)
    columns = stored_columns(run, kept.object)
    chosen = ", ".join(f"{name}" if own == "t" else f"{name}::text AS {name}" for name, own, *_ in columns)
    with every_row(run, kept.object):
        run(f"CREATE TABLE {SCHEMA}.{occasion.name} AS SELECT {chosen} FROM ONLY {kept.object}")
    oid = str(run(f"SELECT {literal(kept.object)}::pg_catalog.regclass::oid::text")[0][0])
    return Snapshot(kept, occasion, key, oid, {str(name): str(number) for name, *_, number in columns})


def is_of(run: Run, taken: Snapshot, table: str) -> bool:
    """Whether it is a table of this name that was copied, whatever it was called then."""
    return run(f"SELECT pg_catalog.to_regclass({literal(table)})::oid = {taken.oid}")[0][0] == "t"


def settle(run: Run, taken: Snapshot) -> KeptObject | None:
    """Keep of the copy what the revision has deleted or changed; None when that is nothing."""
    place = taken.place
    table = _name_now(run, taken)
    columns = stored_columns(run, table) if table else ()
    now = {str(number): (str(name), own == "t") for name, own, *_, number in columns}
    names = {name: now[number] for name, number in taken.numbers.items() if number in now}
    before = [str(name) for name, *_ in stored_columns(run, place)]
    shared = [name for name in before if name in names]
    if not set(taken.key) <= set(shared):
        run(f"DROP TABLE {place}")  # the table itself is gone, or its rows cannot be told apart any more
        return None
    old = ", ".join(f"k.{name}::text" for name in shared)
    new = ", ".join(f"t.{names[name][0]}::text" for name in shared)
    news = ", ".join(
        f"t.{names[name][0]}{'' if names[name][1] else '::text'} AS {NEW}{number}" for number, name in enumerate(shared)
    )
    match = " AND ".join(f"t.{names[name][0]}::text = k.{name}::text" for name in taken.key)
    missing = f"t.{names[taken.key[0]][0]} IS NULL"
    with every_row(run, table):
        run(
            f"CREATE TABLE {place}_ AS SELECT k.*, {missing} AS {GONE}, {news} FROM {place} AS k "
            f"LEFT JOIN ONLY {table} AS t ON {match} WHERE {missing} OR ROW({old}) IS DISTINCT FROM ROW({new})"
        )
    run(f"DROP TABLE {place}")
    run(f"ALTER TABLE {place}_ RENAME TO {taken.occasion.name}")
    rows = int(run(f"SELECT pg_catalog.count(*)::text FROM {place}")[0][0] or 0)
    if not rows:
        run(f"DROP TABLE {place}")
        return None
    width = len(before) + 1 + len(shared)
    label = taken.occasion.label(
        taken.kept, table=taken.kept.object, key=taken.key, rows=rows, width=width, compared=tuple(shared)
    )
    run(f"COMMENT ON TABLE {place} IS {literal(msgspec.json.encode(label).decode())}")
    size = run(f"SELECT pg_catalog.pg_total_relation_size({literal(place)})::text")[0][0]
    return KeptObject(taken.kept.object, taken.kept.strategy, rows, int(size or 0))


def _name_now(run: Run, taken: Snapshot) -> str:
    """What the table is called; empty where it is gone."""
    found = run(
        "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.oid = {taken.oid}"
    )
    return str(found[0][0]) if found else ""


def rows_back(run: Run, kept: Kept, types: dict[str, str]) -> Restored | None:
    """Put rows and old values back. What has been written since stays, and is counted.

    ``types`` are the columns that the table and the copy share, with the table's types. None where the key is gone.
    """
    label = kept.label
    if not set(label.key) <= set(types):
        return None
    with unseen(run, label.table):
        inserted, changed, total = _insert(run, kept, types), _update(run, kept, types), label.rows
    return Restored(label.object, inserted + changed, total - inserted - changed)


def _insert(run: Run, kept: Kept, types: dict[str, str]) -> int:
    label = kept.label
    names = ", ".join(types)
    values = ", ".join(f"k.{name}::{kind}" for name, kind in types.items())
    return _counted(
        run,
        f"INSERT INTO {label.table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {kept.qualified} AS k "
        f"WHERE k.{GONE} ON CONFLICT DO NOTHING",
    )


def _update(run: Run, kept: Kept, types: dict[str, str]) -> int:
    """Give rows their old values again, but for those that were written since; how many have all of theirs."""
    label = kept.label
    match = " AND ".join(f"t.{name}::text = k.{name}::{types[name]}::text" for name in label.key)
    rows = f"{kept.qualified} AS k WHERE NOT k.{GONE} AND {match}"
    sets, right = [], []
    for number, name in enumerate(label.compared):
        if name in types and name not in label.key:
            now, old = f"t.{name}::text", f"k.{name}::{types[name]}::text"
            new = f"k.{NEW}{number}::text::{types[name]}::text"
            changed = f"{old} IS DISTINCT FROM {new}"
            untouched = f"{now} IS NOT DISTINCT FROM {new}"
            sets.append(f"{name} = CASE WHEN {changed} AND {untouched} THEN k.{name}::{types[name]} ELSE t.{name} END")
            right.append(f"(NOT {changed} OR {now} IS NOT DISTINCT FROM {old})")
    if not sets:
        return 0
    run(f"UPDATE ONLY {label.table} AS t SET {', '.join(sets)} FROM {rows}")
    done = f"SELECT pg_catalog.count(*)::text FROM ONLY {label.table} AS t, {rows} AND {' AND '.join(right)}"
    return int(run(done)[0][0] or 0)


def _counted(run: Run, sql: str) -> int:
    """How many rows a statement has written."""
    return int(run(f"WITH written AS ({sql} RETURNING 1) SELECT pg_catalog.count(*)::text FROM written")[0][0] or 0)
