"""Backfills as plain SQLAlchemy: in batches by key, each committed alone, begun again where they stopped."""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.sql.order import Verb
from db_migrate.catalog.sql.steps import text, texts
from db_migrate.catalog.tokens import last_part
from db_migrate.generate.pieces import Form, Phase, Piece
from db_migrate.rules.python_text import call, sql_string

_WHY = "In batches, each committed alone: begun again after a crash, it goes on where it stopped."


@dataclass(frozen=True, slots=True)
class Pace:
    """How many rows a batch has, and how many seconds are let pass between two of them."""

    rows: int = 5000
    pause: float = 0.05


def backfill(piece: Piece, column: SchemaObject, expression: str, catalog: Catalog, pace: Pace) -> Piece:
    """What fills a column of the rows that have nothing in it."""
    table, name = column.parent or "", last_part(column.name)
    keys = _key(table, catalog)
    statement, python = (
        _by_key(table, name, expression, keys, pace) if keys else _by_block(table, name, expression, pace)
    )
    return Piece(
        Verb.ALTER,
        piece.key,
        (statement,),
        piece.owner,
        Phase.BUILD,
        Form.PYTHON,
        python=python,
        imports=frozenset({"import time"} if pace.pause else ()),
        comment=_WHY,
    )


def _key(table: str, catalog: Catalog) -> list[SchemaObject]:
    """The columns of the primary key; nothing without one."""
    for item in catalog.children.get(table, ()):
        if item.kind is Kind.PRIMARY_KEY:
            names = texts(item.attributes["columns"])
            by_name = {last_part(c.name): c for c in catalog.columns(table)}
            return [by_name[name] for name in names if name in by_name]
    return []


def _by_key(table: str, column: str, expression: str, keys: list[SchemaObject], pace: Pace) -> tuple[str, str]:
    names = [last_part(key.name) for key in keys]
    listed = ", ".join(names)
    last = ", ".join(f"CAST(:last_{i} AS {text(key, 'type')})" for i, key in enumerate(keys))
    descending = ", ".join(f"{name} DESC" for name in names)
    statement = (
        f"WITH batch AS (SELECT {listed} FROM {table} WHERE {column} IS NULL"
        f" AND (:first OR ({listed}) > ({last})) ORDER BY {listed} LIMIT {pace.rows}),\\n"
        f"filled AS (UPDATE {table} AS filled SET {column} = {expression} FROM batch"
        f" WHERE ({', '.join(f'filled.{n}' for n in names)}) = ({', '.join(f'batch.{n}' for n in names)})"
        f" RETURNING {', '.join(f'filled.{n}' for n in names)})\\n"
        f"SELECT {listed} FROM filled ORDER BY {descending} LIMIT 1"
    ).replace("\\n", "\n")
    nothing = ", ".join(f'"last_{i}": None' for i in range(len(keys)))
    values = ", ".join(f'"last_{i}": row[{i}]' for i in range(len(keys)))
    lines = [
        f"batch = {call('sa.text', _parametrised(statement))}",
        f'last = {{"first": True, {nothing}}}',
        "while (row := op.get_bind().execute(batch, last).first()) is not None:",
        f'    last = {{"first": False, {values}}}',
        *([f"    time.sleep({pace.pause})"] if pace.pause else []),
    ]
    return statement, "\n".join(lines)


def _by_block(table: str, column: str, expression: str, pace: Pace) -> tuple[str, str]:
    """A table without a key: some of its pages at a time."""
    statement = (
        f"UPDATE {table} SET {column} = {expression} WHERE {column} IS NULL"
        " AND ctid >= CAST(:first AS tid) AND ctid < CAST(:after AS tid)"
    )
    size = f"SELECT pg_catalog.pg_relation_size({string_literal(table)}) / 8192"
    pages = max(1, pace.rows // 50)
    lines = [
        f"batch = {call('sa.text', _parametrised(statement))}",
        f"pages = op.get_bind().scalar({call('sa.text', sql_string(size))})",
        f"for page in range(0, pages + 1, {pages}):",
        f'    op.get_bind().execute(batch, {{"first": f"({{page}},0)", "after": f"({{page + {pages}}},0)"}})',
        *([f"    time.sleep({pace.pause})"] if pace.pause else []),
    ]
    return statement, "\n".join(lines)


def _parametrised(statement: str) -> str:
    """The statement as a string of Python, with our own parameters left as they are."""
    written = sql_string(statement)
    for name in ("first", "after", *(f"last_{i}" for i in range(32))):
        written = written.replace(f"\\\\:{name}", f":{name}").replace(f"\\:{name}", f":{name}")
    return written


def string_literal(name: str) -> str:
    """A relation's name as SQL takes it for a ``regclass``."""
    return "'" + name.replace("'", "''") + "'"
