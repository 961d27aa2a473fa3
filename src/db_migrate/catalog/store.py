"""A catalog as bytes and back, for the cache."""

from __future__ import annotations

import msgspec

from db_migrate.catalog.objects import Catalog, Kind, NotCovered, SchemaObject, Value

FORMAT = 3
"""Raised whenever what is stored, or what the reader makes of PostgreSQL's answers, changes."""


class _Header(msgspec.Struct, frozen=True, array_like=True):
    format: int


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    format: int
    server_version: int
    objects: list[tuple[Kind, str, str | None, dict[str, Value], str, int, tuple[tuple[Kind, str], ...]]]
    not_covered: list[NotCovered]


def dumps(catalog: Catalog) -> bytes:
    """The catalog as bytes."""
    objects = [(o.kind, o.name, o.parent, dict(o.attributes), o.definition, o.position, o.needs) for o in catalog]
    return msgspec.msgpack.encode(_Stored(FORMAT, catalog.server_version, objects, list(catalog.not_covered)))


def loads(data: bytes) -> Catalog:
    """The catalog that ``dumps`` made the bytes of. Raises ValueError for bytes of another format."""
    header = msgspec.msgpack.decode(data, type=_Header)
    if header.format != FORMAT:
        raise ValueError(f"a catalog of format {header.format}, expected {FORMAT}")
    stored = msgspec.msgpack.decode(data, type=_Stored)
    objects = (SchemaObject(*fields) for fields in stored.objects)
    return Catalog.in_order(objects, stored.server_version, stored.not_covered)
