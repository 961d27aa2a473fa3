"""Backfills as plain SQLAlchemy: in batches by key, each committed alone, begun again where they stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.sql.order import Verb
from db_migrate.catalog.sql.steps import text, texts
from db_migrate.catalog.tokens import last_part
from db_migrate.generate.pieces import Form, Phase, Piece
from db_migrate.rules.python_text import call, sql_string

_WHY = "In batches, each committed alone: begun again after a crash, it goes on where it stopped."


@dataclass(frozen=True, slots=True)
class Pace:
    """How many rows a batch has (None: all of them), and how many seconds are let pass between two of them."""

    rows: int | None = 5000
    pause: float = 0.05


def backfill(piece: Piece, column: SchemaObject, expression: str, catalog: Catalog, pace: Pace) -> Piece:
    """What fills a column of the rows that have nothing in it."""
    table, name = column.parent or "", last_part(column.name)
    made = Piece(Verb.ALTER, piece.key, (), piece.owner, Phase.BUILD, Form.PYTHON)
    if pace.rows is None:
        everything = f"UPDATE {table} SET {name} = {expression} WHERE {name} IS NULL"
        return replace(made, statements=(everything,), python=call("op.execute", sql_string(everything)))
    keys = _key(table, catalog)
    written = (
        _by_key(table, name, expression, keys, pace.rows) if keys else _by_block(table, name, expression, pace.rows)
    )
    statement, lines = written
    if pace.pause:
        lines = [*lines, f"    time.sleep({pace.pause})"]
        made = replace(made, imports=frozenset({"import time"}))
    return replace(made, statements=(statement,), python="\n".join(lines), comment=_WHY)


def _key(table: str, catalog: Catalog) -> list[SchemaObject]:
    """The columns of the primary key; nothing without one."""
    for item in catalog.children.get(table, ()):
        if item.kind is Kind.PRIMARY_KEY:
            names = texts(item.attributes["columns"])
            by_name = {last_part(c.name): c for c in catalog.columns(table)}
            return [by_name[name] for name in names if name in by_name]
    return []


def _by_key(table: str, column: str, expression: str, keys: list[SchemaObject], rows: int) -> tuple[str, list[str]]:
    """By ranges of the primary key, which the index finds: a join with the batch would look at the whole table.

    The first batch begins at the first key, each other one after the last key of the one before.
    """
    names = [last_part(key.name) for key in keys]
    listed, backwards = ", ".join(names), ", ".join(f"{name} DESC" for name in names)
    last = [f"CAST({_parameter(f'last_{i}')} AS {text(key, 'type')})" for i, key in enumerate(keys)]
    first = [f"(SELECT {name} FROM {table} ORDER BY {listed} LIMIT 1)" for name in names]
    begin = [f"coalesce({one}, {other})" for one, other in zip(last, first, strict=True)]
    from_, upto = (
        [f"(SELECT {name} FROM batch ORDER BY {order} LIMIT 1)" for name in names] for order in (listed, backwards)
    )
    key = _row(names)
    statement = f"""
WITH batch AS (
    SELECT {listed} FROM {table}
    WHERE {column} IS NULL AND {key} IS DISTINCT FROM {_row(last)}
    AND {key} >= {_row(begin)}
    ORDER BY {listed} LIMIT {rows}
), filled AS (
    UPDATE {table} SET {column} = {expression}
    WHERE {column} IS NULL
    AND {key} >= {_row(from_)}
    AND {key} <= {_row(upto)}
)
SELECT {listed} FROM batch ORDER BY {backwards} LIMIT 1
"""
    nothing = ", ".join(f'"last_{i}": None' for i in range(len(keys)))
    values = ", ".join(f'"last_{i}": row[{i}]' for i in range(len(keys)))
    lines = [
        f"batch = {call('sa.text', _parametrised(statement))}",
        f"last = {{{nothing}}}",
        "while (row := op.get_bind().execute(batch, last).first()) is not None:",
        f"    last = {{{values}}}",
    ]
    return _shown(statement).strip(), lines


def _by_block(table: str, column: str, expression: str, rows: int) -> tuple[str, list[str]]:
    """A table without a key: some of its pages, or of those of each of its partitions, at a time."""
    statement = (
        f"UPDATE {table} SET {column} = {expression} WHERE {column} IS NULL"
        f" AND ctid >= CAST({_parameter('first')} AS tid) AND ctid < CAST({_parameter('after')} AS tid)"
    )
    literal = string_literal(table)
    size = (
        "SELECT coalesce(max(pg_catalog.pg_relation_size(relid)), "
        f"pg_catalog.pg_relation_size({literal})) / 8192 FROM pg_catalog.pg_partition_tree({literal})"
    )
    pages = max(1, rows // 50)
    lines = [
        f"batch = {call('sa.text', _parametrised(statement))}",
        f"pages = op.get_bind().scalar({call('sa.text', sql_string(size))})",
        f"for page in range(0, pages + 1, {pages}):",
        f'    op.get_bind().execute(batch, {{"first": f"({{page}},0)", "after": f"({{page + {pages}}},0)"}})',
    ]
    return _shown(statement), lines


def _row(parts: list[str]) -> str:
    """One value, or a row of several."""
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


_MARK = "\N{SECTION SIGN}"


def _parameter(name: str) -> str:
    """Stands for a parameter of ours, while everything else that looks like one is escaped."""
    return f"{_MARK}{name}{_MARK}"


def _parametrised(statement: str) -> str:
    """The statement as a string of Python, with our own parameters as SQLAlchemy takes them."""
    return _shown(sql_string(statement))


def _shown(statement: str) -> str:
    return re.sub(f"{_MARK}(first|after|last_[0-9]+){_MARK}", r":\1", statement)


def string_literal(name: str) -> str:
    """A relation's name as SQL takes it for a ``regclass``."""
    return "'" + name.replace("'", "''") + "'"
