"""Puts a table or a column aside, in the transaction of the statement that is about to drop it.

That statement is sent unchanged: a moved table or a parked column leaves an empty stand-in of its name for it to drop;
of what is copied it drops the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from db_migrate.errors import Failed
from db_migrate.execute.keep.choose import MOVE, PARK, ROWS
from db_migrate.execute.keep.names import rows_of, table_of, without_last
from db_migrate.execute.keep.park import park, parked_name
from db_migrate.execute.keep.store import SCHEMA, Label, Run, at_once, each_of, literal, step
from db_migrate.execute.keep.ties import ties_of
from db_migrate.execute.keep.unseen import every_row, show_all
from db_migrate.results import KeptObject

_COLUMNS = """
SELECT pg_catalog.quote_ident(a.attname), t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
       AND t.typtype = 'b', pg_catalog.pg_sequence_last_value(
           pg_catalog.pg_get_serial_sequence({table}, a.attname)::pg_catalog.regclass)::text,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute w
         WHERE w.attrelid = a.attrelid AND w.attnum > 0 AND NOT w.attisdropped)::text,
       a.attnum::text
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum
"""

_KEY = """
SELECT pg_catalog.quote_ident(a.attname)
  FROM pg_catalog.pg_constraint k CROSS JOIN LATERAL pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
 WHERE k.conrelid = {table}::pg_catalog.regclass AND k.contype = 'p'
 ORDER BY u.place
"""

_NAMES = """
SELECT 'ALTER ' || CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'INDEX ' END || c.oid::pg_catalog.regclass
       || ' RENAME TO ' || pg_catalog.quote_ident({prefix} || pg_catalog.row_number() OVER (ORDER BY c.oid))
  FROM pg_catalog.pg_class c
 WHERE c.oid IN (SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = {table}::pg_catalog.regclass)
    OR c.oid IN (SELECT d.objid FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
                    AND d.refobjid = {table}::pg_catalog.regclass AND d.refobjsubid > 0
                    AND d.objid IN (SELECT s.seqrelid FROM pg_catalog.pg_sequence s))
"""


_QUICKLY_COUNTED = 1 << 20
"""The rows of a table of fewer bytes are counted while it is locked: that takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """In which run, by which revision in which direction, something is dropped; ``number`` is unique in the run.

    ``schema``: see ``Target``.
    """

    run: str
    revision: str
    direction: str
    number: int
    schema: str = ""

    @property
    def suffix(self) -> str:
        """What names that are made on this occasion end with."""
        return f"{self.run.replace('-', '')[:16]}_{self.number}"

    @property
    def name(self) -> str:
        """A name in ``db_migrate_kept`` that nothing else has."""
        return f"k_{self.suffix}"

    def label(self, kept: KeptObject, **facts: object) -> Label:
        """What the kept object is to say of itself."""
        given = {
            "object": kept.object,
            "strategy": kept.strategy,
            "run": self.run,
            "revision": self.revision,
            "direction": self.direction,
            "number": self.number,
            "schema": self.schema,
            "kept_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return msgspec.convert({**given, **facts}, Label)


def stays_empty(run: Run, kept: KeptObject) -> bool:
    """Whether there is nothing to keep: the plan has seen no row in a table, and none has come, nor can any now.

    Where some have, the schema for what is kept is made if need be: nobody foresaw that it would take one.
    """
    if kept.rows != 0:
        return False
    rows = rows_of(run, table_of(kept.object))
    run(f"LOCK TABLE {rows} IN {'SHARE ROW' if kept.strategy == ROWS else 'ACCESS'} EXCLUSIVE MODE")
    with every_row(run, table_of(kept.object)):
        filled = run(f"SELECT EXISTS (SELECT FROM {rows})")[0][0] == "t"
    if not filled:
        return True
    run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    return False


def put_aside(run: Run, kept: KeptObject, occasion: Occasion, *, held: bool = False) -> KeptObject:
    """Keep one object. Returns what was kept, with its rows as counted and its bytes.

    ``held``: the session holds the locks already that the statement is going to need.
    """
    table = table_of(kept.object)
    if kept.strategy == PARK:
        if not held:
            run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        return _park(run, kept, occasion, table)
    run(f"LOCK TABLE {rows_of(run, table)} IN ACCESS EXCLUSIVE MODE")
    return _move(run, kept, occasion) if kept.strategy == MOVE else _copy(run, kept, occasion, table)


def _park(run: Run, kept: KeptObject, occasion: Occasion, table: str) -> KeptObject:
    column = kept.object[len(table) + 1 :]

    def label(marker: str, sequences: dict[str, int]) -> str:
        made = occasion.label(kept, table=table, column=column, rows=kept.rows, sequences=sequences, marker=marker)
        return msgspec.json.encode(made).decode()

    park(run, table, column, parked_name(occasion.suffix), label)
    return kept


def stored_columns(run: Run, table: str) -> Sequence[Sequence[str | None]]:
    """The columns that hold values: name, whether the type is PostgreSQL's own, the last value of its sequence.

    Then the number of all columns, and the column's own, which stays when it gets another name.
    """
    return run(_COLUMNS.format(table=literal(table)))


def no_key(table: str) -> Failed:
    """A table has no primary key any more, by which what is copied of its rows would find them again."""
    return Failed(
        "kept.no-key",
        f"{table} has lost its primary key, by which its rows would be found again",
        state="what was begun is rolled back",
        next=["db-migrate plan"],
    )


def key_of(run: Run, table: str) -> tuple[str, ...]:
    """The columns of the primary key; none where there is none."""
    return tuple(str(row[0]) for row in run(_KEY.format(table=literal(table))))


def _copy(run: Run, kept: KeptObject, occasion: Occasion, table: str) -> KeptObject:
    """Copy a table, or a column with the key of its rows. What no type of PostgreSQL's own holds, as text."""
    column = kept.object[len(table) + 1 :]
    columns = stored_columns(run, table)
    key = key_of(run, table) if column else ()
    if column and not key:
        raise no_key(table)
    wanted = {column, *key} if column else {str(name) for name, *_ in columns}
    chosen = ", ".join(
        f"{name}" if own == "t" else f"{name}::text AS {name}" for name, own, *_ in columns if name in wanted
    )
    with every_row(run, table):
        run(f"CREATE TABLE {SCHEMA}.{occasion.name} AS SELECT {chosen} FROM {rows_of(run, table)}")
    rows = _count(run, occasion)
    mine = [each for each in columns if each[0] == column] if column else columns
    label = occasion.label(
        kept, table=table, column=column, key=key, rows=rows, sequences=_last_values(mine), width=_width(run, occasion)
    )
    return _named(run, kept, occasion, label)


def _move(run: Run, kept: KeptObject, occasion: Occasion) -> KeptObject:
    """Move a table with its indexes, sequences and rows, and leave an empty one of its name."""
    table, there = kept.object, f"{SCHEMA}.{occasion.name}"
    show_all(run, table)  # for good: what is kept has to be seen by whoever puts it back, and its policies are gone
    columns = stored_columns(run, table)
    size = int(run(f"SELECT pg_catalog.pg_relation_size({literal(table)})::text")[0][0] or 0)
    rows = kept.rows
    if rows is None or size < _QUICKLY_COUNTED:  # the plan may have expected rows that have not come back
        rows = int(run(f"SELECT pg_catalog.count(*)::text FROM ONLY {table}")[0][0] or 0)
    width = int(columns[0][3] or 0) if columns else 0
    label = occasion.label(kept, table=table, rows=rows, sequences=_last_values(columns), width=width)
    steps = [
        *ties_of(table),
        each_of(_NAMES.format(table=literal(table), prefix=literal(occasion.name + "_"))),
        step(f"ALTER TABLE {table} RENAME TO {occasion.name}"),
        step(f"ALTER TABLE {without_last(table)}.{occasion.name} SET SCHEMA {SCHEMA}"),
        step(f"CREATE TABLE {table} ()"),
        step(f"COMMENT ON TABLE {there} IS {_text(label)}"),
    ]
    at_once(run, steps)
    total = run(f"SELECT pg_catalog.pg_total_relation_size({literal(there)})::text")[0][0]
    return KeptObject(kept.object, kept.strategy, rows, int(total or 0))


def _count(run: Run, occasion: Occasion) -> int:
    return int(run(f"SELECT pg_catalog.count(*)::text FROM {SCHEMA}.{occasion.name}")[0][0] or 0)


def _width(run: Run, occasion: Occasion) -> int:
    found = run(
        "SELECT pg_catalog.count(*)::text FROM pg_catalog.pg_attribute WHERE attnum > 0 AND NOT attisdropped "
        f"AND attrelid = '{SCHEMA}.{occasion.name}'::pg_catalog.regclass"
    )
    return int(found[0][0] or 0)


def _last_values(columns: Sequence[Sequence[str | None]]) -> dict[str, int]:
    return {str(name): int(last) for name, _own, last, *_ in columns if last is not None}


def _named(run: Run, kept: KeptObject, occasion: Occasion, label: Label) -> KeptObject:
    run(f"COMMENT ON TABLE {SCHEMA}.{occasion.name} IS {_text(label)}")
    size = run(f"SELECT pg_catalog.pg_total_relation_size('{SCHEMA}.{occasion.name}')::text")[0][0]
    return KeptObject(kept.object, kept.strategy, label.rows, int(size or 0))


def _text(label: Label) -> str:
    return literal(msgspec.json.encode(label).decode())
