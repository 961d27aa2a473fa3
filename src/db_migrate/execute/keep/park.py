"""Parks a column: it stays in its table under a reserved name, where no row has to be touched, however many there are.

Beside it comes a marker, true in the rows that were there: a constant default is stored once for all of them. A
stand-in takes the column's name, for the reviewed statement to drop.
"""

from __future__ import annotations

from collections.abc import Callable

from db_migrate.execute.keep.store import Run, at_once, literal, step
from db_migrate.execute.keep.ties import ties_of
from db_migrate.schemas.scratch import PARKED

_ABOUT = """
SELECT a.attnum::text, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typtype = 'd', a.attidentity <> '',
       s.seq, pg_catalog.pg_sequence_last_value(s.seq::pg_catalog.regclass)::text, a.atthasdef,
       d.oid IS NOT NULL
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_serial_sequence({table}, a.attname)) AS s (seq)
  LEFT JOIN pg_catalog.pg_depend own ON own.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND own.objid = s.seq::pg_catalog.regclass AND own.deptype = 'a' AND own.refobjsubid = a.attnum
  LEFT JOIN pg_catalog.pg_class d ON d.oid = own.objid
 WHERE a.attrelid = {table}::pg_catalog.regclass AND pg_catalog.quote_ident(a.attname) = {column}
"""


def parked_name(suffix: str) -> str:
    """The reserved name that a column is parked under."""
    return f"{PARKED}{suffix}"


def park(run: Run, table: str, column: str, parked: str, label: Callable[[str, dict[str, int]], str]) -> None:
    """Park a column that the session holds ACCESS EXCLUSIVE on the table of.

    ``label`` makes the comment of the marker's name and the last value of the sequence that filled the column, by name.
    """
    number, kind, domain, identity, sequence, last, default, serial = run(
        _ABOUT.format(table=literal(table), column=literal(column))
    )[0]
    marker = f"{parked}_here"
    alter = f"ALTER TABLE {table}"
    stand_in = "text" if domain == "t" else kind  # a domain's own constraints would be checked in every row
    steps = [
        *ties_of(table, int(str(number))),
        *([step(f"{alter} ALTER COLUMN {column} DROP IDENTITY")] if identity == "t" else []),
        *([step(f"{alter} ALTER COLUMN {column} DROP DEFAULT")] if default == "t" else []),
        *([step(f"DROP SEQUENCE {sequence}")] if serial == "t" else []),
        step(f"{alter} RENAME COLUMN {column} TO {parked}"),
        step(f"{alter} ALTER COLUMN {parked} DROP NOT NULL, ADD COLUMN {marker} boolean DEFAULT true"),
        step(f"{alter} ALTER COLUMN {marker} DROP DEFAULT, ADD COLUMN {column} {stand_in}"),
        step(f"COMMENT ON COLUMN {table}.{marker} IS 'made by db-migrate, with {parked}'"),
    ]
    text = label(marker, {column: int(last)} if last is not None else {})
    at_once(run, [*steps, step(f"COMMENT ON COLUMN {table}.{parked} IS {literal(text)}")])
