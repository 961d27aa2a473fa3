"""What is in a database, read by queries of our own: the judge of what the product says of it.

Nothing of the product is used here, but for its way to open a connection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

_LISTING = """
WITH tables AS (
    SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'alembic_version')
SELECT 'table', 'public.' || relname, '', jsonb_build_object('comment', obj_description(oid, 'pg_class')) FROM tables
UNION ALL
SELECT 'column', format('public.%s.%s', t.relname, a.attname), 'public.' || t.relname,
    jsonb_build_object('type', format_type(a.atttypid, a.atttypmod), 'nullable', NOT a.attnotnull,
        'default', pg_get_expr(d.adbin, d.adrelid), 'comment', col_description(t.oid, a.attnum))
FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
UNION ALL
SELECT CASE k.contype WHEN 'p' THEN 'primary_key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign_key' ELSE 'check' END,
    format('public.%s.%s', t.relname, k.conname), 'public.' || t.relname,
    jsonb_build_object('definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated)
FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f', 'c')
UNION ALL
SELECT 'index', 'public.' || i.relname, 'public.' || t.relname,
    jsonb_build_object('definition', pg_get_indexdef(i.oid), 'valid', x.indisvalid)
FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u'))
UNION ALL
SELECT 'sequence', 'public.' || s.relname, coalesce('public.' || t.relname, ''),
    jsonb_build_object('owner', coalesce(format('%s.%s', t.relname, a.attname), ''))
FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace AND n.nspname = 'public'
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype = 'a'
LEFT JOIN tables t ON t.oid = d.refobjid LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S'
"""
_RELATIONS = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'db_migrate', 'db_migrate_kept') AND c.relkind = 'r' ORDER BY 1
"""


@dataclass(frozen=True)
class Item:
    """One object: the relation that it belongs to, and all else of it that counts."""

    parent: str
    attributes: Mapping[str, Any]


Listing = Mapping[tuple[str, str], Item]
"""What a schema has, by kind and name."""

Session = psycopg.Connection[Any]

Difference = tuple[str, str, str]
"""Kind, object, action."""


def session(conninfo: ConnInfo) -> Session:
    """A session for the queries of a whole walk: connecting anew costs more than most of them."""
    connection = connect(conninfo)
    connection.prepare_threshold = None  # the tables that it reads are altered
    return connection


def listing(connection: Session) -> Listing:
    """Everything in the schema ``public`` that the walk can make, but for the version table."""
    rows: list[Any] = connection.execute(_LISTING.encode()).fetchall()
    return {(kind, name): Item(parent, attributes) for kind, name, parent, attributes in rows}


def columns(found: Listing) -> set[tuple[str, str]]:
    """Table and column of every column."""
    names = (name.split(".") for kind, name in found if kind == "column")
    return {(table, column) for _, table, column in names}


def differences(before: Listing, after: Listing) -> set[Difference]:
    """What is in only one of them, or not alike.

    What belongs to a table that is in only one goes without saying, and so does the sequence of a column that is a
    serial in only one: it comes and goes with the default.
    """
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    both = before.keys() & after.keys()
    altered = {key for key in both if before[key].attributes != after[key].attributes}
    told = {name for kind, name in gone | new if kind == "table"} | {name for kind, name in altered if kind == "column"}
    found = {(*key, "dropped") for key in gone if told.isdisjoint(_owners(before[key]))}
    found |= {(*key, "created") for key in new if told.isdisjoint(_owners(after[key]))}
    return found | {(*key, "altered") for key in altered}


def _owners(item: Item) -> set[str]:
    """The table that an object belongs to, and the column that a sequence does."""
    return {item.parent, f"public.{item.attributes.get('owner')}"}


def contents(connection: Session) -> dict[str, list[str]]:
    """Every row of every table, as text: the target's own, the journal, what is kept."""
    names = [str(name) for (name,) in connection.execute(_RELATIONS.encode()).fetchall()]
    return {name: _rows(connection, name) for name in names}


def _rows(connection: Session, relation: str) -> list[str]:
    query = f"SELECT t::text FROM {relation} t ORDER BY 1"
    return [str(row) for (row,) in connection.execute(query.encode()).fetchall()]


def kept(connection: Session) -> dict[str, int]:
    """The tables of what is kept, and how many rows each has."""
    found = contents(connection)
    return {name: len(rows) for name, rows in found.items() if name.startswith("db_migrate_kept.")}


def fingerprint(connection: Session, *, journal: bool = True) -> str:
    """One word for all that is in the database: objects and rows; those of the journal too, if wanted."""
    rows = {name: of for name, of in contents(connection).items() if journal or not name.startswith("db_migrate.")}
    everything = (sorted((key, repr(item)) for key, item in listing(connection).items()), rows)
    return hashlib.sha256(repr(everything).encode()).hexdigest()


def recorded(connection: Session) -> frozenset[str]:
    """The revisions in the version table; none where there is no table."""
    if connection.execute(b"SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
        return frozenset()
    return frozenset(str(row[0]) for row in connection.execute(b"SELECT version_num FROM public.alembic_version"))
