"""Indexes for a parked column that comes back, built CONCURRENTLY before its table is locked for that.

They have names of their own until the column takes its place again (``unpark``). The plan names them; only what is an
index of that kind, on the parked column's table, is ever built from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from db_migrate.catalog.objects import Catalog
from db_migrate.execute.keep.store import Kept, Run, literal
from db_migrate.trace.grammar import sort_of

DEFINITION = """i.indisunique::text || pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.length(
       'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || pg_catalog.quote_ident(c.relname))
       + 1)"""
"""SQL for what an index is apart from its name: whether it is unique, and its definition from ON."""

_BUILT = """
SELECT pg_catalog.quote_ident(c.relname), pg_catalog.quote_ident(n.nspname), {definition}
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE i.indrelid = {table}::pg_catalog.regclass AND pg_catalog.starts_with(c.relname, {prefix}) {valid}
 ORDER BY c.relname
"""

_WANTED = """
SELECT pg_catalog.quote_ident(c.relname),
       'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX CONCURRENTLY ' || {prefix}
       || pg_catalog.row_number() OVER (ORDER BY c.relname)
       || pg_catalog.substr({definition}, pg_catalog.length(i.indisunique::text) + 1)
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid AND t.relkind = 'r'
 CROSS JOIN LATERAL (
       SELECT pg_catalog.array_agg(pg_catalog.quote_ident(a.attname)) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.oid AND (a.attnum = ANY (i.indkey::pg_catalog.int2[]) OR a.attnum IN (
              SELECT d.refobjsubid FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
                 AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = t.oid))
       ) AS used (columns)
 WHERE i.indrelid = {table}::pg_catalog.regclass AND i.indisvalid AND NOT i.indisexclusion
   AND {column} = ANY (used.columns) AND used.columns <@ {known}::text[]
 ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Built:
    """An index that was built before; ``definition``: see ``DEFINITION``."""

    name: str
    schema: str
    definition: str

    @property
    def qualified(self) -> str:
        """Its name with the schema."""
        return f"{self.schema}.{self.name}"


def prefix_of(kept: Kept) -> str:
    """What the names of the indexes begin with that are built before a parked column comes back."""
    return f"{kept.name}_i"


def wanted_ahead(run: Run, kept: Kept, before: Catalog) -> dict[str, str]:
    """The SQL that builds the indexes of a column which has just come back, before it does so the next time, by name.

    They are read under the name that the column has then; what uses columns that were not there ``before`` cannot be.
    """
    table, column = kept.parked_in, kept.label.column
    path = str(run("SELECT pg_catalog.current_setting('search_path')")[0][0])
    run(f"ALTER TABLE {table} RENAME COLUMN {column} TO {kept.name}")
    run("SET LOCAL search_path = pg_catalog")  # what an expression names comes out qualified
    known = [kept.name, *(each.name[len(table) + 1 :] for each in before.columns(table))]
    place = {"table": literal(table), "column": literal(kept.name), "prefix": literal(prefix_of(kept))}
    names = f"ARRAY[{', '.join(literal(each) for each in known)}]"
    found = run(_WANTED.format(**place, known=names, definition=DEFINITION))
    run(f"SELECT pg_catalog.set_config('search_path', {literal(path)}, true)")
    run(f"ALTER TABLE {table} RENAME COLUMN {kept.name} TO {column}")
    return {str(name): str(sql) for name, sql in found}


def is_ahead(sql: str, kept: Kept) -> bool:
    """Whether a text is what ``wanted_ahead`` makes for this column, and nothing else."""
    begin = (
        rf"CREATE (UNIQUE )?INDEX CONCURRENTLY {re.escape(prefix_of(kept))}\d+ ON {re.escape(kept.parked_in)} USING "
    )
    return bool(re.match(begin, sql)) and sort_of(sql).nodes == ("index_stmt",)


def built_ahead(run: Run, kept: Kept, *, valid: bool = True) -> list[Built]:
    """The indexes that were built before; with those that were not finished unless ``valid``."""
    place = {"table": literal(kept.parked_in), "prefix": literal(prefix_of(kept))}
    found = run(_BUILT.format(**place, definition=DEFINITION, valid="AND i.indisvalid" if valid else ""))
    return [Built(str(name), str(schema), str(text)) for name, schema, text in found]
