"""Puts a table or a column aside, in the transaction of the statement that is about to drop it.

That statement is sent unchanged: a moved table leaves an empty stand-in of its name for it to drop; of what is copied
it drops the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from db_migrate.execute.keep.choose import MOVE
from db_migrate.execute.keep.store import SCHEMA, Label, Run, literal
from db_migrate.results import KeptObject

_COLUMNS = """
SELECT pg_catalog.quote_ident(a.attname), t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
       AND t.typtype = 'b', pg_catalog.pg_sequence_last_value(
           pg_catalog.pg_get_serial_sequence({table}, a.attname)::pg_catalog.regclass)::text
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

_TIES = """
SELECT 'ALTER TABLE ' || k.conrelid::pg_catalog.regclass || ' DROP CONSTRAINT ' || pg_catalog.quote_ident(k.conname)
  FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND k.conparentid = 0
   AND {table}::pg_catalog.regclass IN (k.conrelid::pg_catalog.regclass, k.confrelid::pg_catalog.regclass)
UNION ALL
SELECT 'DROP TRIGGER ' || pg_catalog.quote_ident(g.tgname) || ' ON ' || g.tgrelid::pg_catalog.regclass
  FROM pg_catalog.pg_trigger g WHERE g.tgrelid = {table}::pg_catalog.regclass AND NOT g.tgisinternal
UNION ALL
SELECT 'ALTER PUBLICATION ' || pg_catalog.quote_ident(p.pubname) || ' DROP TABLE ' || r.prrelid::pg_catalog.regclass
  FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
 WHERE r.prrelid = {table}::pg_catalog.regclass
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


@dataclass(frozen=True, slots=True)
class Occasion:
    """In which run, by which revision in which direction, something is dropped; ``number`` is unique in the run."""

    run: str
    revision: str
    direction: str
    number: int

    @property
    def name(self) -> str:
        """A name in ``db_migrate_kept`` that nothing else has."""
        return f"k_{self.run.replace('-', '')[:16]}_{self.number}"


def put_aside(run: Run, kept: KeptObject, occasion: Occasion) -> KeptObject:
    """Keep one object. Returns what was kept, with its rows as counted and its bytes."""
    if kept.strategy == MOVE:
        return _move_table(run, kept, occasion)
    return _copy(run, kept, occasion, _table_of(kept.object))


def _table_of(name: str) -> str:
    """The table that a qualified name is about: of three parts, the last is a column."""
    without = _without_last(name)
    return without if _without_last(without) else name


def _without_last(name: str) -> str:
    """``schema.table`` of ``schema.table.column``, each as SQL writes it."""
    inside, cut = False, 0
    for place, letter in enumerate(name):
        inside ^= letter == '"'
        if letter == "." and not inside:
            cut = place
    return name[:cut]


def _copy(run: Run, kept: KeptObject, occasion: Occasion, table: str) -> KeptObject:
    """Copy a table, or a column with the key of its rows. What no type of PostgreSQL's own holds, as text."""
    run(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
    column = kept.object[len(table) + 1 :]
    columns = run(_COLUMNS.format(table=literal(table)))
    key = tuple(str(row[0]) for row in run(_KEY.format(table=literal(table)))) if column else ()
    wanted = {column, *key} if column else {str(name) for name, *_ in columns}
    chosen = ", ".join(
        f"{name}" if own == "t" else f"{name}::text AS {name}" for name, own, _last in columns if name in wanted
    )
    run(f"CREATE TABLE {SCHEMA}.{occasion.name} AS SELECT {chosen} FROM ONLY {table}")
    rows = int(run(f"SELECT count(*) FROM {SCHEMA}.{occasion.name}")[0][0] or 0)
    sequences = {} if column else _last_values(columns)
    return _label(run, kept, occasion, table=table, column=column, key=key, rows=rows, sequences=sequences)


def _move_table(run: Run, kept: KeptObject, occasion: Occasion) -> KeptObject:
    """Move a table with its indexes, sequences and rows, and leave an empty one of its name."""
    table, name = kept.object, literal(kept.object)
    run(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
    sequences = _last_values(run(_COLUMNS.format(table=name)))
    names = _NAMES.format(table=name, prefix=literal(occasion.name + "_"))
    for (command,) in (*run(_TIES.format(table=name)), *run(names)):
        run(str(command))
    schema = table[: len(_without_last(table))]
    run(f"ALTER TABLE {table} RENAME TO {occasion.name}")
    run(f"ALTER TABLE {schema}.{occasion.name} SET SCHEMA {SCHEMA}")
    run(f"CREATE TABLE {table} ()")
    rows = int(run(f"SELECT count(*) FROM {SCHEMA}.{occasion.name}")[0][0] or 0) if kept.rows is None else kept.rows
    return _label(run, kept, occasion, table=table, column="", key=(), rows=rows, sequences=sequences)


def _last_values(columns: Sequence[Sequence[str | None]]) -> dict[str, int]:
    return {str(name): int(last) for name, _own, last in columns if last is not None}


def _label(
    run: Run,
    kept: KeptObject,
    occasion: Occasion,
    *,
    table: str,
    column: str,
    key: tuple[str, ...],
    rows: int,
    sequences: dict[str, int],
) -> KeptObject:
    label = Label(
        object=kept.object,
        table=table,
        column=column,
        key=key,
        strategy=kept.strategy,
        run=occasion.run,
        revision=occasion.revision,
        direction=occasion.direction,
        kept_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=rows,
        sequences=sequences,
    )
    text = literal(msgspec.json.encode(label).decode())
    run(f"COMMENT ON TABLE {SCHEMA}.{occasion.name} IS {text}")
    size = run(f"SELECT pg_catalog.pg_total_relation_size('{SCHEMA}.{occasion.name}')::text")[0][0]
    return KeptObject(kept.object, kept.strategy, rows, int(size or 0))
