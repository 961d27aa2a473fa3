"""UPDATE and DELETE of many rows as code to paste: in batches, each committed alone.

Without a key some pages of the table at a time: PostgreSQL 14 and later read just those (release notes of 14, "Allow
efficient heap scanning of a range of TIDs"). What would do harm to a row that it meets twice, such as ``a = a + 1``,
goes along the primary key instead, since an UPDATE moves the row to another page.
"""

from __future__ import annotations

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import literal
from db_migrate.rules import advice, rewriting
from db_migrate.rules.advice import autocommit, text, texts
from db_migrate.rules.context import Place
from db_migrate.rules.names import owner_of, tail
from db_migrate.rules.python_text import call, sql_string

PAGES = 200
"""Of 8 kB, in one batch: a few thousand rows of middling size."""
ROWS = 5000
"""In one batch along a key."""


def update_where(table: str, assigned: str, condition: str) -> str:
    """``UPDATE table SET assigned WHERE condition`` in batches; a row that it meets twice is the same as one."""
    return _by_pages(table, f"UPDATE {table} SET {assigned} WHERE {condition} AND {_in_pages('ctid')}")


def fill(column: SchemaObject, value: str) -> str:
    """The column given a value where it has none, and NOT NULL where it is to be so."""
    name = tail(column.name)
    filled = update_where(owner_of(column.name), f"{name} = {value}", f"{name} IS NULL")
    required = column.attributes.get("nullable") is False
    return f"{filled}\n{advice.not_null_by_check(column.name)}" if required else filled


def add_and_fill(column: SchemaObject, value: str) -> str:
    """A column that starts without a default, gets one for new rows, and is filled in batches."""
    table, name = owner_of(column.name), tail(column.name)
    return "\n".join(
        (
            advice.execute(f"ALTER TABLE {table} ADD COLUMN {name} {text(column, 'type')}"),
            advice.execute(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {value}"),
            fill(column, value),
        )
    )


def in_batches(place: Place, table: str) -> str:
    """The statement, one UPDATE or DELETE of the table, in batches; empty where it cannot be cut."""
    sql = place.statement.sql
    if not rewriting.may_be_cut(sql):
        return ""
    if rewriting.may_be_repeated(sql):
        return _by_pages(table, rewriting.with_condition(sql, _in_pages("{table}.ctid")))
    key = _key(place.revision.before, table)
    return _by_key(table, sql, key) if key is not None else ""


def _in_pages(ctid: str) -> str:
    return f"{ctid} >= CAST(:first AS tid) AND {ctid} < CAST(:past AS tid)"


def _by_pages(table: str, sql: str) -> str:
    pages = f"SELECT pg_relation_size({literal(table)}) / current_setting('block_size')::int"
    return "\n".join(
        (
            f"batch = {call('sa.text', _parametrised(sql, 'first', 'past'))}",
            call("pages = op.get_bind().scalar", call("sa.text", sql_string(pages))),
            autocommit(
                f"for page in range(0, pages + 1, {PAGES}):",
                f'    part = {{"first": f"({{page}},0)", "past": f"({{page + {PAGES}}},0)"}}',
                "    op.get_bind().execute(batch, part)",
            ),
        )
    )


def _by_key(table: str, sql: str, key: SchemaObject) -> str:
    name, type_ = tail(key.name), text(key, "type")
    cut = rewriting.with_condition(sql, f"{{table}}.{name} IN (SELECT batch.{name} FROM batch)")
    whole = (
        f"WITH batch AS (SELECT {name} FROM {table} WHERE CAST(:last AS {type_}) IS NULL OR {name} > "
        f"CAST(:last AS {type_}) ORDER BY {name} LIMIT {ROWS}), done AS ({cut}) "
        f"SELECT {name} FROM batch ORDER BY {name} DESC LIMIT 1"
    )
    return "\n".join(
        (
            f"batch = {call('sa.text', _parametrised(whole, 'last'))}",
            "last = None",
            autocommit(
                'while (last := op.get_bind().scalar(batch, {"last": last})) is not None:',
                "    pass",
            ),
        )
    )


def _key(catalog: Catalog, table: str) -> SchemaObject | None:
    """The primary key's column, if it is but one."""
    for item in catalog.children.get(table, ()):
        if item.kind is Kind.PRIMARY_KEY and len(texts(item, "columns")) == 1:
            return catalog.get(Kind.COLUMN, f"{table}.{texts(item, 'columns')[0]}")
    return None


def _parametrised(sql: str, *parameters: str) -> str:
    """The statement as a string of Python, with our own parameters left as they are."""
    written = sql_string(sql)
    for name in parameters:
        for escaped in (f"CAST(\\\\:{name}", f"CAST(\\:{name}"):
            written = written.replace(escaped, f"CAST(:{name}")
    return written
