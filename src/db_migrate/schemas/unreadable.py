"""Tables that the role may not read: pg_dump locks all or none, so they are left out, and stood in for.

What ordinary tables are made of is in ``pg_catalog``, which everybody may read. So where a dump has to do without a
table, a stand-in with its columns and keys is put there, and whatever refers to it (views, foreign keys, partitions)
loads as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Kind, NotCovered, SchemaObject
from db_migrate.catalog.sql import with_sql

if TYPE_CHECKING:
    from psycopg import Connection

_QUERY = """
WITH RECURSIVE closed AS (
SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
 UNION
SELECT h.inhrelid FROM pg_inherits h JOIN closed ON closed.oid = h.inhparent
  JOIN pg_class c ON c.oid = h.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
)
SELECT n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  FROM closed JOIN pg_class c ON c.oid = closed.oid JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY 1, 2
"""
_KEYS = (Kind.PRIMARY_KEY, Kind.UNIQUE)
_FIRST_TO_NEED_TABLES = re.compile(
    r"^CREATE (?:UNLOGGED |FOREIGN |MATERIALIZED )?(?:FUNCTION|PROCEDURE|AGGREGATE|TABLE|VIEW|SEQUENCE) ",
    re.MULTILINE,
)


def unreadable(connection: Connection[tuple[object, ...]]) -> tuple[tuple[str, str, str], ...]:
    """Schema, name and qualified name of each table that the session's role may not read, with its partitions."""
    return tuple((str(schema), str(name), str(full)) for schema, name, full in connection.execute(_QUERY).fetchall())


def with_stand_ins(dump: str, live: Catalog, tables: Sequence[str]) -> str:
    """A dump that left out the tables, with stand-ins before anything that may need them."""
    names = frozenset(tables)
    kept = [_bare(item, names) for item in live if _is_needed(item, names, live)]
    empty, wanted = Catalog.of((), live.server_version), Catalog.of(kept, live.server_version)
    statements = [change.sql.rstrip().rstrip(";") for change in with_sql(diff(empty, wanted), empty, wanted)]
    script = "".join(f"{statement};\n\n" for statement in statements if statement)
    first = _FIRST_TO_NEED_TABLES.search(dump)
    place = first.start() if first else len(dump)
    return f"{dump[:place]}{script}{dump[place:]}"


def _is_needed(item: SchemaObject, names: frozenset[str], live: Catalog) -> bool:
    if item.kind is Kind.TABLE:
        return item.name in names
    if item.kind is Kind.PARTITION:  # one of a readable table is missed by nobody
        return item.name in names and item.attributes["partition_of"] in names
    if item.parent not in names or (Kind.TABLE, str(item.parent)) not in live.objects:
        return False
    unique = item.kind is Kind.INDEX and bool(item.attributes["unique"]) and "expression" not in item.attributes
    return item.kind is Kind.COLUMN or item.kind in _KEYS or unique


_KEPT = {
    Kind.TABLE: frozenset({"persistence", "partition_key", "inherits"}),
    Kind.PARTITION: frozenset({"persistence", "partition_of", "partition_bound", "partition_key"}),
    Kind.COLUMN: frozenset({"type", "collation", "nullable"}),
}


def _bare(item: SchemaObject, names: frozenset[str]) -> SchemaObject:
    """The object without what is not there yet: defaults, generated values, tables that the dump itself brings."""
    if item.kind not in _KEPT:
        return item
    attributes = {name: value for name, value in item.attributes.items() if name in _KEPT[item.kind]}
    parents = attributes.get("inherits")
    if isinstance(parents, tuple) and not names.issuperset(parents):
        del attributes["inherits"]
    return replace(item, attributes=attributes)


def not_covered(tables: Sequence[str], role: str) -> tuple[NotCovered, ...]:
    """What is said of the tables."""
    return tuple(NotCovered("table", name, f"the role {role} may not read it") for name in tables)
