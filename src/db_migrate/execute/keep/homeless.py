"""What is kept and has no place where it was put back: columns that the table made again does not have, or narrower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from db_migrate.execute.keep.choose import COPY
from db_migrate.execute.keep.put_aside import key_of, stored_columns
from db_migrate.execute.keep.store import SCHEMA, Kept, Label, Run, literal, purge

_NARROWER = """
SELECT pg_catalog.quote_ident(a.attname)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  JOIN pg_catalog.pg_attribute k ON k.attname = a.attname AND k.attnum > 0 AND NOT k.attisdropped
  JOIN pg_catalog.pg_type u ON u.oid = k.atttypid
 WHERE a.attrelid = {table}::pg_catalog.regclass AND k.attrelid = {kept}::pg_catalog.regclass AND a.attnum > 0
   AND (a.atttypid = k.atttypid AND a.atttypmod <> k.atttypmod
        OR a.atttypid <> k.atttypid AND t.typcategory = 'S' AND u.typcategory = 'S')
"""
"""Columns whose values a cast may cut: those of one type with another length, scale or precision, and texts."""


def without_place(run: Run, kept: Kept, types: Mapping[str, str]) -> tuple[str, ...]:
    """The columns of a kept table that have values for which the table made again has no place.

    ``types`` are the columns that both have, with the table's types. Where nothing is in the copy though there were
    rows (it is there to tell how a run will go) they are the columns that the table does not have.
    """
    columns = [str(name) for name, *_ in stored_columns(run, kept.qualified) if str(name) not in kept.label.key]
    there = {"table": literal(kept.label.table), "kept": literal(kept.qualified)}
    narrower = {str(name) for (name,) in run(_NARROWER.format(**there))} & types.keys()
    asked = {name: f"{name} IS NOT NULL" for name in columns if name not in types}
    asked |= {
        name: f"{name}::text IS DISTINCT FROM {name}::{types[name]}::text" for name in columns if name in narrower
    }
    if not asked:
        return ()
    counts = ", ".join(f"pg_catalog.count(*) FILTER (WHERE {each})::text" for each in asked.values())
    (total, *found), *_ = run(f"SELECT pg_catalog.count(*)::text, {counts} FROM {kept.qualified}")
    if total == "0" and kept.label.rows:
        return tuple(name for name in asked if name not in types)
    return tuple(name for name, rows in zip(asked, found, strict=True) if rows != "0")


def keep_columns(run: Run, kept: Kept, names: Sequence[str], types: Mapping[str, str]) -> None:
    """Give up what is kept and is back, but for these columns: each is kept by itself, with the rows' key.

    A kept column itself, and a table without a key that both have, stays as it is. None of them has a direction any
    more, so that no later run puts it back over what was written since: that is for a person to do.
    """
    label = kept.label
    key = key_of(run, label.table)
    if label.column or not key or not set(key) <= set(types):
        _describe(run, kept.qualified, msgspec.structs.replace(label, direction=""))
        return
    own = {str(name): own == "t" for name, own, *_ in stored_columns(run, kept.qualified)}
    for number, name in enumerate(names, 1):
        place = f"{SCHEMA}.{kept.name}c{number}"
        chosen = ", ".join(each if own[each] else f"{each}::text AS {each}" for each in (*key, name))
        run(f"CREATE TABLE {place} AS SELECT {chosen} FROM {kept.qualified} WHERE {name} IS NOT NULL")
        rows = int(run(f"SELECT pg_catalog.count(*)::text FROM {place}")[0][0] or 0)
        column = Label(
            object=f"{label.table}.{name}",
            table=label.table,
            strategy=COPY,
            run=label.run,
            revision=label.revision,
            direction="",
            kept_at=label.kept_at,
            rows=rows,
            column=name,
            key=key,
            sequences={name: label.sequences[name]} if name in label.sequences else {},
            number=label.number,
            width=len(key) + 1,
            schema=label.schema,
        )
        _describe(run, place, column)
    purge(run, kept)


def _describe(run: Run, place: str, label: Label) -> None:
    run(f"COMMENT ON TABLE {place} IS {literal(msgspec.json.encode(label).decode())}")
