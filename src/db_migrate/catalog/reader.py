"""The one reader of ``pg_catalog``: at most a fixed number of set-based queries, whatever the number of objects.

It opens no connection. It is given a function that runs one SQL text and returns its single value, so that the same
code reads through our own read-only session and through a connection borrowed from the user's process in the middle
of an uncommitted transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from db_migrate.catalog.canonical import canonical_expression
from db_migrate.catalog.objects import TABLE_KINDS, Catalog, Kind, NotCovered, SchemaObject, Value

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
_WHEN = re.compile(r"^--when (.*)$", re.MULTILINE)


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
    return f"SELECT coalesce(json_agg(q), '[]'::json)::text FROM (\n{for_version(_text(name), major)}\n) AS q"


@cache
def condition(name: str) -> str:
    """What has to be true for the named query to have rows, as SQL: far less for PostgreSQL to plan."""
    return "\n".join(_WHEN.findall(_text(name))) or "true"


@cache
def _conditions(names: tuple[str, ...]) -> str:
    rows = ", ".join(f"('{name}', {condition(name)})" for name in names)
    return f"SELECT coalesce(json_agg(c.name), '[]'::json)::text FROM (VALUES {rows}) AS c (name, holds) WHERE c.holds"


def _text(name: str) -> str:
    return resources.files("db_migrate.catalog").joinpath("queries", f"{name}.sql").read_text("utf-8")


_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}
_EXPRESSIONS = ("expression", "predicate", "default", "generated", "partition_key", "partition_bound")


def _object(row: dict[str, Any]) -> SchemaObject:
    kind, name = _KINDS[row.pop("kind")], row.pop("name")
    parent, position, definition = row.pop("parent"), row.pop("position"), row.pop("definition") or ""
    attributes: dict[str, Value] = {
        key: tuple(map(str, value)) if type(value) is list else value for key, value in row.items() if value is not None
    }
    if definition and not attributes:
        attributes = {"definition": canonical_expression(definition, bare=kind is Kind.STATISTICS)}
    else:
        for key in _EXPRESSIONS:
            if key in attributes:
                attributes[key] = _canonical(attributes[key])
    return SchemaObject(kind, name, parent, attributes, definition, position)


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
    asked = msgspec.json.decode(run(_conditions((*names, "not_covered"))), type=frozenset[str])
    for name in names:
        if name in asked:
            objects.extend(read_part(run, major, name))
    uncovered: list[NotCovered] = []
    if "not_covered" in asked:
        uncovered = msgspec.json.decode(run(query("not_covered", major)), type=list[NotCovered])
    if excluded:
        objects = [o for o in objects if schema_of(o) not in excluded]
    objects = with_needs(objects, run(query("dependencies", major)))
    return Catalog.of(_with_owners(objects) if privileges else objects, server_version, uncovered)


def read_part(run: RunText, major: int, name: str) -> tuple[SchemaObject, ...]:
    """The objects that one named catalog query (one of ``QUERIES``) returns, no two of the same kind and name."""
    return objects_in(run(query(name, major)))


def objects_in(answer: str) -> tuple[SchemaObject, ...]:
    """The objects in the one text that a catalog query answered with (the tracer asks in its own way)."""
    rows = msgspec.json.decode(answer, type=list[dict[str, Any]])
    found: dict[tuple[Kind, str], SchemaObject] = {}
    for row in rows:
        item = _object(row)
        twin = found.get(item.key)
        found[item.key] = item if twin is None else _merged(twin, item)
    return tuple(found.values())


def _merged(first: SchemaObject, second: SchemaObject) -> SchemaObject:
    """One object for two that share a name: comments on an index and a type, grants with and without grant option."""
    texts: set[str] = set()
    for item in (first, second):
        text = item.attributes["definition"]
        texts.update(text if isinstance(text, tuple) else (str(text),))
    return replace(first, attributes={"definition": tuple(sorted(texts))}, definition=";\n".join(sorted(texts)))


_FAMILIES: Mapping[str, tuple[Kind, ...]] = {
    "relation": (Kind.TABLE, Kind.PARTITION, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.SEQUENCE, Kind.FOREIGN_TABLE),
    "member": (
        *(Kind.TRIGGER, Kind.POLICY, Kind.RULE),
        *(Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.CHECK, Kind.EXCLUSION, Kind.NOT_NULL),
    ),
    "type": (Kind.ENUM, Kind.DOMAIN, Kind.COMPOSITE_TYPE, Kind.RANGE_TYPE),
    "function": (Kind.FUNCTION, Kind.PROCEDURE, Kind.AGGREGATE),
}
"""The kinds that a family of the query ``dependencies`` stands for; any other family is itself a kind."""


def with_needs(objects: Iterable[SchemaObject], rows: str) -> list[SchemaObject]:
    """The objects with what each needs of the others, from the rows of the query ``dependencies`` as JSON."""
    by_key = {o.key: o for o in objects}

    def resolve(family: str, name: str) -> Iterator[tuple[Kind, str]]:
        for kind in _FAMILIES.get(family) or (Kind(family),):
            if kind is Kind.COLUMN or (kind, name) in by_key:
                yield (kind, name)

    for row in msgspec.json.decode(rows, type=list[_Needs]):
        needs = tuple(key for each in row.needs for key in resolve(*each))
        for key in resolve(*row.subject):
            if needs and key in by_key:
                by_key[key] = replace(by_key[key], needs=needs)
    return list(by_key.values())


class _Needs(msgspec.Struct):
    subject: tuple[str, str]
    needs: list[tuple[str, str]]


def _with_owners(objects: Iterable[SchemaObject]) -> Iterator[SchemaObject]:
    """The objects with each table's owner as an attribute of the table rather than an object of its own."""
    found = list(objects)
    owners = {o.name: o.definition.rpartition(" OWNER TO ")[2] for o in found if o.kind is Kind.OWNER}
    tables = {o.name for o in found if o.kind in TABLE_KINDS}
    for item in found:
        if item.kind in TABLE_KINDS:
            yield replace(item, attributes={**item.attributes, "owner": owners[item.name]})
        elif item.kind is not Kind.OWNER or item.name not in tables:
            yield item


def schema_of(item: SchemaObject) -> str:
    """The schema that an object lives in, as SQL writes it; empty for what belongs to the database as a whole."""
    if item.kind is Kind.SCHEMA:
        return item.name
    match = re.match(r'("(?:[^"]|"")*"|[^".(]+)\.', item.name)
    return match[1] if match else ""
