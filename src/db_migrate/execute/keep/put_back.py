"""Puts kept data back where a revision that undoes the loss has made room for it, in that revision's transaction."""

from __future__ import annotations

from db_migrate.errors import Failed
from db_migrate.execute.keep.store import Kept, Run, literal, purge
from db_migrate.results import Restored

_SHARED = """
SELECT pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_attribute k ON k.attname = a.attname AND k.attnum > 0 AND NOT k.attisdropped
 WHERE a.attrelid = {table}::pg_catalog.regclass AND k.attrelid = {kept}::pg_catalog.regclass
   AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum
"""

_TRIGGERS = """
SELECT pg_catalog.quote_ident(tgname) FROM pg_catalog.pg_trigger
 WHERE tgrelid = {table}::pg_catalog.regclass AND NOT tgisinternal AND tgenabled = 'O'
"""


def put_back(run: Run, kept: Kept) -> Restored | None:
    """Put one kept object back and give up the copy; None where there is no place for it.

    Raises ``Failed`` (``kept.not-restored``) when what was put back is not what was kept; the caller rolls back.
    """
    label = kept.label
    if not _is_there(run, kept):
        return None
    shared = run(_SHARED.format(table=literal(label.table), kept=literal(kept.qualified)))
    types = {str(name): str(kind) for name, kind in shared}
    if not types or (label.column and label.column not in types):
        return None
    triggers = [str(row[0]) for row in run(_TRIGGERS.format(table=literal(label.table)))]
    for trigger in triggers:
        run(f"ALTER TABLE {label.table} DISABLE TRIGGER {trigger}")
    restored = _column(run, kept, types) if label.column else _table(run, kept, types)
    for trigger in triggers:
        run(f"ALTER TABLE {label.table} ENABLE TRIGGER {trigger}")
    purge(run, kept)
    return Restored(label.object, restored)


def _is_there(run: Run, kept: Kept) -> bool:
    return run(f"SELECT pg_catalog.to_regclass({literal(kept.label.table)}) IS NOT NULL")[0][0] == "t"


def _table(run: Run, kept: Kept, types: dict[str, str]) -> int:
    label, names = kept.label, ", ".join(types)
    before = _sum(run, label.table, types)
    if before[0] != "0":
        raise _failed(kept, f"{label.table} has {before[0]} rows already")
    values = ", ".join(f"{name}::{kind}" for name, kind in types.items())
    run(f"INSERT INTO {label.table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {kept.qualified}")
    for column, last in label.sequences.items():
        run(
            "SELECT pg_catalog.setval(s::pg_catalog.regclass, "
            f"{last}) FROM pg_catalog.pg_get_serial_sequence({literal(label.table)}, "
            f"{literal(_bare(column))}) AS s WHERE s IS NOT NULL"
        )
    return _compare(kept, _sum(run, kept.qualified, types), _sum(run, label.table, types))


def _column(run: Run, kept: Kept, types: dict[str, str]) -> int:
    """Rows that were made since keep what the revision gave them; rows that are gone stay gone."""
    label = kept.label
    match = " AND ".join(f"t.{name} = k.{name}::{types[name]}" for name in label.key)
    column, kind = label.column, types[label.column]
    run(f"UPDATE {label.table} AS t SET {column} = k.{column}::{kind} FROM {kept.qualified} AS k WHERE {match}")
    joined = f"{kept.qualified} AS k JOIN {label.table} AS t ON {match}"
    rows = run(
        f"SELECT count(*)::text, count(*) FILTER (WHERE t.{column}::text IS DISTINCT FROM k.{column}::text)::text "
        f"FROM {joined}"
    )
    if rows[0][1] != "0":
        raise _failed(kept, f"{rows[0][1]} values are not what they were")
    return int(rows[0][0] or 0)


def _sum(run: Run, table: str, types: dict[str, str]) -> tuple[str, str]:
    """The number of rows, and a checksum over their values as text that does not depend on their order."""
    values = ", ".join(f"{name}::{kind}::text" for name, kind in types.items())
    query = (
        f"SELECT count(*)::text, coalesce(sum(pg_catalog.hashtextextended(ROW({values})::text, 0)::numeric), 0)::text "
        f"FROM {table}"
    )
    count, checksum = run(query)[0]
    return str(count), str(checksum)


def _compare(kept: Kept, wanted: tuple[str, str], found: tuple[str, str]) -> int:
    if wanted != found:
        raise _failed(kept, f"kept were {wanted[0]} rows, put back {found[0]}; their checksums differ")
    return int(found[0])


def _bare(name: str) -> str:
    """A quoted identifier as ``pg_get_serial_sequence`` wants it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _failed(kept: Kept, why: str) -> Failed:
    return Failed(
        "kept.not-restored",
        f"what was kept of {kept.label.object} cannot be put back",
        why=why,
        where=kept.qualified,
        state="the revision is rolled back, and the data is still kept",
        next=["db-migrate kept list"],
    )
