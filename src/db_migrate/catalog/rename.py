"""Relations under another name: which they are, and a catalog read as if they already had it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject, Value

_RENAMEABLE = (Kind.TABLE, Kind.FOREIGN_TABLE)


@dataclass(frozen=True, slots=True)
class Rename:
    """A relation that is called ``old`` in *from* and ``new`` in *to*."""

    kind: Kind
    old: str
    new: str


def find_relation_renames(from_: Catalog, to: Catalog) -> tuple[Rename, ...]:
    """Tables that are on one side only and have the same columns, types and order on both; each used once.

    Tables of fewer than two columns are too alike to be called renamed.
    """
    gone = [o for o in from_ if o.kind in _RENAMEABLE and o.key not in to.objects]
    come = [o for o in to if o.kind in _RENAMEABLE and o.key not in from_.objects]
    waiting: dict[object, list[SchemaObject]] = {}
    for old in gone:
        waiting.setdefault(_signature(old, from_), []).append(old)
    found = []
    for new in come:
        signature = _signature(new, to)
        candidates = waiting.get(signature)
        if candidates and len(from_.columns(candidates[0].name)) > 1:
            found.append(Rename(new.kind, candidates.pop(0).name, new.name))
    return tuple(found)


def _signature(table: SchemaObject, catalog: Catalog) -> object:
    columns = catalog.columns(table.name)
    prefix = f"{table.name}."
    described = tuple((c.name.removeprefix(prefix), c.attributes.get("type")) for c in columns)
    return (table.kind, table.attributes.get("partition_key"), described)


def renamed(catalog: Catalog, renames: Sequence[Rename]) -> Catalog:
    """The catalog with every mention of the renamed relations under their new names."""
    if not renames:
        return catalog
    names = {each.old: each.new for each in renames}
    pattern = re.compile(
        "|".join(rf"(?<![\w.\"]){re.escape(old)}(?![\w\"])" for old in sorted(names, key=len, reverse=True))
    )

    def text(value: str) -> str:
        return pattern.sub(lambda match: names[match[0]], value)

    def value(raw: Value) -> Value:
        if isinstance(raw, str):
            return text(raw)
        return tuple(map(text, raw)) if isinstance(raw, tuple) else raw

    def item(old: SchemaObject) -> SchemaObject:
        attributes = {name: value(raw) for name, raw in old.attributes.items()}
        parent = names.get(old.parent, old.parent) if old.parent is not None else None
        if old.kind is Kind.INDEX or old.kind is Kind.SEQUENCE:
            return replace(old, parent=parent, attributes=attributes, definition=text(old.definition))
        return replace(old, name=text(old.name), parent=parent, attributes=attributes, definition=text(old.definition))

    return Catalog.of((item(o) for o in catalog), catalog.server_version, catalog.not_covered)
