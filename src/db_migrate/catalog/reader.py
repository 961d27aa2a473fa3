"""The one reader of ``pg_catalog``: a fixed number of set-based queries, whatever the number of objects.

It opens no connection. It is given a function that runs one SQL text and returns its single value, so that the same
code reads through our own read-only session and through a connection borrowed from the user's process in the middle
of an uncommitted transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from db_migrate.catalog.canonical import canonical_expression
from db_migrate.catalog.objects import Catalog, Kind, NotCovered, SchemaObject, Value

RunText = Callable[[str], str]
"""Runs one SQL text whose result is a single row of a single text column, with ``search_path = pg_catalog``."""

QUERIES = (
    "schemas",
    "extensions",
    "types",
    "sequences",
    "functions",
    "operators",
    "tables",
    "columns",
    "constraints",
    "indexes",
    "statistics",
    "views",
    "triggers",
    "publications",
    "foreign",
    "comments",
)

_SINCE = re.compile(r"-- since (\d+)\s*$")
_UNTIL = re.compile(r"^\s*--until (\d+): ?(.*)$")
_OWN_FIELDS = frozenset({"kind", "name", "parent", "position", "definition"})


def for_version(text: str, major: int) -> str:
    """A query as a server of that major version understands it (see ``queries/README.md``)."""

    def lines() -> Iterator[str]:
        for line in text.splitlines():
            if (until := _UNTIL.match(line)) is not None:
                if major <= int(until[1]):
                    yield until[2]
            elif (since := _SINCE.search(line)) is None:
                yield line
            elif major >= int(since[1]):
                yield line[: since.start()].rstrip()

    return "\n".join(lines())


@cache
def query(name: str, major: int) -> str:
    """The named catalog query for a major version, as one statement that returns all its rows as one JSON text."""
    text = resources.files("db_migrate.catalog").joinpath("queries", f"{name}.sql").read_text("utf-8")
    return f"SELECT coalesce(json_agg(q), '[]'::json)::text FROM (\n{for_version(text, major)}\n) AS q"


def _value(raw: Any) -> Value:
    if isinstance(raw, list):
        return tuple("" if item is None else str(item) for item in raw)
    return raw  # type: ignore[no-any-return]  # JSON scalars are exactly the other members of Value


def _object(row: Mapping[str, Any]) -> SchemaObject:
    kind = Kind(row["kind"])
    definition = row["definition"] or ""
    attributes = {name: _value(raw) for name, raw in row.items() if name not in _OWN_FIELDS and raw is not None}
    if definition and not attributes:
        attributes = {"definition": canonical_expression(definition)}
    else:
        for name in ("expression", "predicate", "default", "generated"):
            if name in attributes:
                attributes[name] = _canonical(attributes[name])
    return SchemaObject(kind, row["name"], row["parent"], attributes, definition, row["position"])


def _canonical(value: Value) -> Value:
    if isinstance(value, str):
        return canonical_expression(value)
    if isinstance(value, tuple):
        return tuple(canonical_expression(item) for item in value)
    return value


def read_catalog(
    run: RunText, server_version: int, *, privileges: bool = False, exclude_schemas: Iterable[str] = ()
) -> Catalog:
    """Read the whole schema of the database that ``run`` talks to.

    ``privileges`` adds owners, grants and default privileges. Objects in ``exclude_schemas`` (names as SQL writes
    them) are left out. Needs no more than the right to connect: ``pg_catalog`` is readable by everybody.
    """
    major = server_version // 10000
    names = (*QUERIES, "privileges") if privileges else QUERIES
    excluded = frozenset(exclude_schemas)
    objects: list[SchemaObject] = []
    for name in names:
        objects.extend(read_part(run, major, name))
    uncovered = msgspec.json.decode(run(query("not_covered", major)), type=list[NotCovered])
    if excluded:
        objects = [o for o in objects if schema_of(o) not in excluded]
    return Catalog.of(objects, server_version, uncovered)


def read_part(run: RunText, major: int, name: str) -> tuple[SchemaObject, ...]:
    """The objects that one named catalog query (one of ``QUERIES``) returns."""
    return objects_in(run(query(name, major)))


def objects_in(answer: str) -> tuple[SchemaObject, ...]:
    """The objects in the one text that a catalog query answered with."""
    rows = msgspec.json.decode(answer, type=list[dict[str, Any]])
    return tuple(_object(row) for row in rows)


def schema_of(item: SchemaObject) -> str:
    """The schema that an object lives in, as SQL writes it; empty for what belongs to the database as a whole."""
    if item.kind is Kind.SCHEMA:
        return item.name
    match = re.match(r'("(?:[^"]|"")*"|[^".(]+)\.', item.name)
    return match[1] if match else ""
