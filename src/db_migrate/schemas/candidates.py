"""What env.py's ``include_name`` and ``include_object`` are asked about, by the catalog's names and by Alembic's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import last_part, split_name, unquoted
from db_migrate.project.jobs import Candidate

Named = tuple[str, Candidate]
"""The name in the catalog, and the candidate."""

_TYPES: Mapping[Kind, str] = {
    Kind.COLUMN: "column",
    Kind.INDEX: "index",
    Kind.UNIQUE: "unique_constraint",
    Kind.FOREIGN_KEY: "foreign_key_constraint",
}


def tables(declared: Catalog, catalogs: Iterable[Catalog]) -> Iterator[Named]:
    """The tables of the catalogs and those that are declared, each once."""
    seen = set()
    for catalog in (*catalogs, declared):
        for item in catalog:
            if item.kind is Kind.TABLE and item.name not in seen:
                seen.add(item.name)
                schema, name = _split(item.name)
                columns = tuple(_plain(c) for c in catalog.columns(item.name))
                there = catalog is not declared
                yield item.name, Candidate(type="table", schema=schema, name=name, columns=columns, there=there)


def differing(declared: Catalog, catalogs: Sequence[Catalog]) -> Iterator[Named]:
    """The parts of declared tables that another catalog has not at all or not so, or that only it has."""
    seen = set()
    for catalog in catalogs:
        for one, other in ((catalog, declared), (declared, catalog)):
            for item in one:
                if item.kind not in _TYPES or item.key in seen or (Kind.TABLE, item.parent or "") not in other.objects:
                    continue
                twin = other.get(*item.key)
                if twin is None or twin.attributes != item.attributes:
                    seen.add(item.key)
                    yield item.name, _part(item, there=one is catalog)


def _part(item: SchemaObject, *, there: bool) -> Candidate:
    schema, table = _split(item.parent or "")
    found = item.attributes.get("columns")
    columns = tuple(unquoted(each) for each in found) if isinstance(found, tuple) else ()
    type_ = _TYPES[item.kind]
    return Candidate(type=type_, schema=schema, name=_plain(item), parent=table, columns=columns, there=there)


def _plain(item: SchemaObject) -> str:
    return unquoted(last_part(item.name))


def _split(qualified: str) -> tuple[str, str]:
    schema, name = map(unquoted, split_name(qualified))
    return schema, name
