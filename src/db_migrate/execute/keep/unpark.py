"""Puts a parked column back: under its old name again where that is all it takes, else row by row.

Rows that came since have what the revision gave them; they are the ones without the marker. The column's table is
locked meanwhile: indexes that were built on the parked column before (see ``ahead``) need not be built then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from db_migrate.catalog.objects import Catalog
from db_migrate.execute.keep.ahead import DEFINITION, Built, built_ahead, wanted_ahead
from db_migrate.execute.keep.store import Kept, Run, literal
from db_migrate.execute.keep.unseen import unseen
from db_migrate.results import TableWork, UnderLock

_ABOUT = """
SELECT a.attnum::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation::text,
       a.attgenerated <> '', a.attidentity <> '' OR a.attacl IS NOT NULL OR a.attoptions IS NOT NULL
       OR coalesce(pg_catalog.to_jsonb(a) ->> 'attcompression', '') <> ''
       OR a.attstorage <> t.typstorage OR coalesce(a.attstattarget, -1) >= 0,
       a.attnotnull, pg_catalog.pg_get_expr(f.adbin, f.adrelid), pg_catalog.col_description(a.attrelid, a.attnum)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
 WHERE a.attrelid = {table}::pg_catalog.regclass AND pg_catalog.quote_ident(a.attname) = {column}
   AND a.attnum > 0 AND NOT a.attisdropped
"""

_MADE_AGAIN = """
SELECT k.contype::text, pg_catalog.quote_ident(k.conname), 'ALTER TABLE {table} ADD CONSTRAINT '
       || pg_catalog.quote_ident(k.conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid),
       CASE WHEN k.contype IN ('p', 'u') THEN {definition} END
  FROM pg_catalog.pg_constraint k
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid LEFT JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE k.conrelid = {name}::pg_catalog.regclass AND {number} = ANY (k.conkey) AND k.contype IN ('p', 'u', 'c', 'f', 'x')
   AND NOT k.condeferrable
UNION ALL
SELECT 'i', pg_catalog.quote_ident(c.relname), pg_catalog.pg_get_indexdef(i.indexrelid), {definition}
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = {name}::pg_catalog.regclass AND i.indisvalid AND NOT i.indisreplident AND NOT i.indisclustered
   AND i.indexrelid NOT IN (SELECT k.conindid FROM pg_catalog.pg_constraint k)
   AND i.indexrelid IN (SELECT d.objid FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refobjid = i.indrelid AND d.refobjsubid = {number})
"""

_TIED = """
SELECT pg_catalog.count(DISTINCT (d.classid, d.objid))::text
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_constraint k
       ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = {name}::pg_catalog.regclass
   AND d.refobjsubid = {number} AND d.classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass
   AND coalesce(k.contype, '') <> 'n'
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


@dataclass(frozen=True, slots=True)
class _Tie:
    """A constraint or an index of the column that the revision made: how it is made again.

    ``sort`` is PostgreSQL's letter for a constraint, ``i`` for an index; ``definition`` see ``DEFINITION``, of a
    primary key or a unique constraint that of its index.
    """

    sort: str
    name: str
    command: str
    definition: str | None

    @property
    def work(self) -> TableWork | None:
        """What making it is for the table, as PostgreSQL writes what it is."""
        if self.command.endswith((" NOT VALID", " NOT ENFORCED")):
            return None
        return TableWork.SCAN if self.sort in "cf" else TableWork.INDEX_BUILD

    def adopting(self, table: str, built: Built) -> str:
        """The command that makes it out of an index that is there already."""
        if self.sort == "i":
            return f"ALTER INDEX {built.qualified} RENAME TO {self.name}"
        kind = "PRIMARY KEY" if self.sort == "p" else "UNIQUE"
        return f"ALTER TABLE {table} ADD CONSTRAINT {self.name} {kind} USING INDEX {built.name}"


@dataclass(frozen=True, slots=True)
class Unparked:
    """How many rows have their value again, and how many came since.

    ``ahead``: the indexes that can be built before, where that was asked for; ``under_lock`` is what then remains.
    """

    rows: int
    since: int
    ahead: tuple[str, ...]
    under_lock: tuple[UnderLock, ...]


def unpark(run: Run, kept: Kept, before: Catalog | None = None) -> Unparked | None:
    """Put a parked column back; None where the revision made no column for it.

    With the catalog of ``before`` the run, find out which indexes can be built before it.
    """
    table, column, marker = kept.parked_in, kept.label.column, kept.label.marker
    made, parked = _about(run, table, column), _about(run, table, kept.name)
    if made is None or parked is None or made.generated:
        return None
    log = _Log(run)
    with unseen(run, table):
        again = _made_again(run, table, made) if _alike(made, parked) else None
        if again is None:
            log.work(TableWork.REWRITE, f"UPDATE {table} SET {column} = {kept.name}::{made.kind} WHERE {marker}")
        else:
            new = f"{marker} IS NULL AND {column} IS NOT NULL"
            log.work(TableWork.SCAN, f"UPDATE {table} SET {kept.name} = {column} WHERE {new}")
        run("SET CONSTRAINTS ALL IMMEDIATE")
        here = f"pg_catalog.count({marker})"
        count = f"SELECT {here}::text, (pg_catalog.count(*) - {here})::text FROM {table}"
        counted = log.work(TableWork.SCAN, count)[0]
        if again is None:
            run(f"ALTER TABLE {table} DROP COLUMN {kept.name}, DROP COLUMN {marker}")
        else:
            _swap(log, kept, made, again)
    ahead = wanted_ahead(run, kept, before) if before is not None and again is not None else {}
    done = (*log.done, *(work for name, work in log.builds.items() if name not in ahead))
    return Unparked(int(counted[0] or 0), int(counted[1] or 0), tuple(ahead.values()), done)


@dataclass(slots=True)
class _Log:
    """Runs SQL, and remembers what went through the whole table."""

    run: Run
    done: list[UnderLock] = field(default_factory=list)
    builds: dict[str, UnderLock] = field(default_factory=dict)
    """The indexes that were built, by name."""

    def work(self, sort: TableWork, sql: str) -> Sequence[Sequence[str | None]]:
        self.done.append(UnderLock(sql, sort))
        return self.run(sql)

    def make(self, tie: _Tie) -> None:
        if tie.work is TableWork.INDEX_BUILD:
            self.builds[tie.name] = UnderLock(tie.command, tie.work)
        elif tie.work is not None:
            self.done.append(UnderLock(tie.command, tie.work))
        self.run(tie.command)


def _about(run: Run, table: str, column: str) -> _Column | None:
    found = run(_ABOUT.format(table=literal(table), column=literal(column)))
    if not found:
        return None
    number, kind, collation, *flags, default, comment = found[0]
    generated, special, required = (each == "t" for each in flags)
    return _Column(int(number or 0), kind or "", collation or "", generated, special, required, default, comment)


def _alike(made: _Column, parked: _Column) -> bool:
    return not made.special and (made.kind, made.collation) == (parked.kind, parked.collation)


def _made_again(run: Run, table: str, made: _Column) -> list[_Tie] | None:
    """What the revision has put on the new column, with the SQL to make it again; None where that is not all."""
    place = {"table": table, "name": literal(table), "number": made.number, "definition": DEFINITION}
    rows = run(_MADE_AGAIN.format(**place))
    ties = [_Tie(str(sort), str(name), str(command), text) for sort, name, command, text in rows]
    return ties if len(ties) == int(run(_TIED.format(**place))[0][0] or 0) else None


def _swap(log: _Log, kept: Kept, made: _Column, again: list[_Tie]) -> None:
    """Let the parked column take the place of the one that the revision made."""
    run, table, column = log.run, kept.parked_in, kept.label.column
    run(f"ALTER TABLE {table} DROP COLUMN {column}, DROP COLUMN {kept.label.marker}")
    run(f"ALTER TABLE {table} RENAME COLUMN {kept.name} TO {column}")
    if made.default is not None:
        run(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {made.default}")
    run(f"COMMENT ON COLUMN {table}.{column} IS {'NULL' if made.comment is None else literal(made.comment)}")
    if made.required:
        log.work(TableWork.SCAN, f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
    there = built_ahead(run, kept)
    for each in again:
        built = next((one for one in there if one.definition == each.definition), None)
        if built is None:
            log.make(each)
        else:
            there.remove(built)
            run(each.adopting(table, built))
    for built in there:
        run(f"DROP INDEX {built.qualified}")
