"""Puts a parked column back: under its old name again where that is all it takes, else row by row.

Rows that came since have what the revision gave them; they are the ones without the marker.
"""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.execute.keep.store import Kept, Run, literal

_ABOUT = """
SELECT a.attnum::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation::text,
       a.attgenerated <> '', a.attidentity <> '' OR a.attacl IS NOT NULL OR a.attoptions IS NOT NULL
       OR a.attcompression <> '' OR a.attstorage <> t.typstorage OR coalesce(a.attstattarget, -1) >= 0,
       a.attnotnull, pg_catalog.pg_get_expr(f.adbin, f.adrelid), pg_catalog.col_description(a.attrelid, a.attnum)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
 WHERE a.attrelid = {table}::pg_catalog.regclass AND pg_catalog.quote_ident(a.attname) = {column}
   AND a.attnum > 0 AND NOT a.attisdropped
"""

_MADE_AGAIN = """
SELECT 'ALTER TABLE {table} ADD CONSTRAINT ' || pg_catalog.quote_ident(k.conname) || ' '
       || pg_catalog.pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = {name}::pg_catalog.regclass AND {number} = ANY (k.conkey) AND k.contype IN ('p', 'u', 'c', 'f', 'x')
   AND NOT k.condeferrable
UNION ALL
SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
  FROM pg_catalog.pg_index i
 WHERE i.indrelid = {name}::pg_catalog.regclass AND i.indisvalid AND NOT i.indisreplident AND NOT i.indisclustered
   AND i.indexrelid NOT IN (SELECT k.conindid FROM pg_catalog.pg_constraint k)
   AND i.indexrelid IN (SELECT d.objid FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refobjid = i.indrelid AND d.refobjsubid = {number})
"""

_TIED = """
SELECT pg_catalog.count(*)::text
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_constraint k
       ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = {name}::pg_catalog.regclass
   AND d.refobjsubid = {number} AND d.classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass
   AND coalesce(k.contype, '') <> 'n'
"""

_TRIGGERS = """
SELECT pg_catalog.quote_ident(tgname) FROM pg_catalog.pg_trigger
 WHERE tgrelid = {table}::pg_catalog.regclass AND NOT tgisinternal AND tgenabled = 'O'
"""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as the catalog has it; ``special``: it has something that a renamed one would not have."""

    number: int
    kind: str
    collation: str
    generated: bool
    special: bool
    required: bool
    default: str | None
    comment: str | None


def triggers_of(run: Run, table: str) -> list[str]:
    """The table's own triggers that fire, which are not to see what only comes home."""
    return [str(row[0]) for row in run(_TRIGGERS.format(table=literal(table)))]


def unpark(run: Run, kept: Kept) -> tuple[int, int] | None:
    """Put a parked column back: how many rows have their value again, and how many came since.

    None where the revision made no column for it.
    """
    table, column, marker = kept.parked_in, kept.label.column, kept.label.marker
    made, parked = _about(run, table, column), _about(run, table, kept.name)
    if made is None or parked is None or made.generated:
        return None
    triggers = triggers_of(run, table)
    for trigger in triggers:
        run(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    again = _made_again(run, table, made) if _alike(made, parked) else None
    if again is None:
        run(f"UPDATE {table} SET {column} = {kept.name}::{made.kind} WHERE {marker}")
    else:
        run(f"UPDATE {table} SET {kept.name} = {column} WHERE {marker} IS NULL AND {column} IS NOT NULL")
    run("SET CONSTRAINTS ALL IMMEDIATE")
    here = f"pg_catalog.count({marker})"
    counted = run(f"SELECT {here}::text, (pg_catalog.count(*) - {here})::text FROM {table}")[0]
    if again is None:
        run(f"ALTER TABLE {table} DROP COLUMN {kept.name}, DROP COLUMN {marker}")
    else:
        _swap(run, kept, made, again)
    for trigger in triggers:
        run(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")
    return int(counted[0] or 0), int(counted[1] or 0)


def _about(run: Run, table: str, column: str) -> _Column | None:
    found = run(_ABOUT.format(table=literal(table), column=literal(column)))
    if not found:
        return None
    number, kind, collation, *flags, default, comment = found[0]
    generated, special, required = (each == "t" for each in flags)
    return _Column(int(number or 0), kind or "", collation or "", generated, special, required, default, comment)


def _alike(made: _Column, parked: _Column) -> bool:
    return not made.special and (made.kind, made.collation) == (parked.kind, parked.collation)


def _made_again(run: Run, table: str, made: _Column) -> list[str] | None:
    """What the revision has put on the new column, as SQL that makes it again; None where that is not all there is."""
    place = {"table": table, "name": literal(table), "number": made.number}
    again = [str(row[0]) for row in run(_MADE_AGAIN.format(**place))]
    return again if len(again) == int(run(_TIED.format(**place))[0][0] or 0) else None


def _swap(run: Run, kept: Kept, made: _Column, again: list[str]) -> None:
    """Let the parked column take the place of the one that the revision made."""
    table, column = kept.parked_in, kept.label.column
    run(f"ALTER TABLE {table} DROP COLUMN {column}, DROP COLUMN {kept.label.marker}")
    run(f"ALTER TABLE {table} RENAME COLUMN {kept.name} TO {column}")
    if made.default is not None:
        run(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {made.default}")
    run(f"COMMENT ON COLUMN {table}.{column} IS {'NULL' if made.comment is None else literal(made.comment)}")
    if made.required:
        run(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
    for command in again:
        run(command)
