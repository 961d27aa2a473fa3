"""What is called differently on the two sides, and a catalog read as if it already had the new names.

Renames are looked for in stages, from what is mentioned most (schemas, types) to what nothing mentions (constraints,
indexes). After each stage *from* is read under the new names, so that a table that was renamed together with a type
is still recognised, and nothing that merely mentions a renamed object is a change of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from db_migrate.catalog.comparing import NAME_ONLY_KINDS, identity, is_name_only, is_serial, nameless
from db_migrate.catalog.objects import ROUTINE_KINDS, Catalog, Kind, SchemaObject
from db_migrate.catalog.projection import Rename, project
from db_migrate.catalog.tokens import last_part, split_name, without_last

Signature = Callable[[SchemaObject, Catalog], object | None]
"""What two objects must share to be one that was renamed; None for an object that nothing tells from others."""


def find_renames(from_: Catalog, to: Catalog) -> tuple[tuple[Rename, ...], Catalog]:
    """All renames, in the order in which they can be carried out, and *from* under the new names."""
    found: list[Rename] = []
    for kinds, signature in _STAGES:
        stage = tuple(_stage(kinds, signature, from_, to))
        found += stage
        from_ = project(from_, stage)
    return tuple(found), from_


def _stage(kinds: frozenset[Kind], signature: Signature, from_: Catalog, to: Catalog) -> Iterator[Rename]:
    gone = [o for o in from_ if o.kind in kinds and o.key not in to.objects]
    come = [o for o in to if o.kind in kinds and o.key not in from_.objects] if gone else []
    if not come:
        return
    waiting: dict[object, list[SchemaObject]] = defaultdict(list)
    arrived: dict[object, list[SchemaObject]] = defaultdict(list)
    for objects, side, sorted_out in ((gone, from_, waiting), (come, to, arrived)):
        for item in objects:
            if (signed := signature(item, side)) is not None:
                sorted_out[signed].append(item)
    for signed, new in arrived.items():
        old = waiting[signed]
        if len(old) == len(new):
            yield from (Rename(a.kind, a.name, b.name) for a, b in zip(old, new, strict=True))
        elif any(is_name_only(each, to) for each in new):
            yield from (Rename(a.kind, a.name, b.name) for a, b in zip(old, new, strict=False))


def _schema(item: SchemaObject, catalog: Catalog) -> object | None:
    prefix = f"{item.name}."
    inside = tuple(sorted((o.kind, o.name.removeprefix(prefix)) for o in catalog if o.name.startswith(prefix)))
    return inside or None


def _definition(item: SchemaObject, catalog: Catalog) -> object | None:
    del catalog
    text = item.attributes.get("definition")
    return (item.kind, nameless(item, text)) if isinstance(text, str) else None


def _routine(item: SchemaObject, catalog: Catalog) -> object | None:
    signed = _definition(item, catalog)
    return (signed, item.name[len(item.name.partition("(")[0]) :]) if signed else None


def _enum(item: SchemaObject, catalog: Catalog) -> object | None:
    del catalog
    return (item.kind, item.attributes["labels"]) if item.attributes["labels"] else None


def _sequence(item: SchemaObject, catalog: Catalog) -> object | None:
    """A sequence of its own: all alike but for where they are, so schema or name must stay."""
    if is_serial(item, catalog) or item.attributes.get("owned_by"):
        return None
    return (item.kind, without_last(item.name), tuple(sorted(item.attributes.items())))


def _table(item: SchemaObject, catalog: Catalog) -> object | None:
    """The names and types of its columns; tables of one column are too alike to be called renamed."""
    described = tuple((last_part(c.name), c.attributes.get("type")) for c in catalog.columns(item.name))
    if len(described) < 2:
        return None
    return (item.kind, item.attributes.get("partition_key"), item.attributes.get("server"), described)


def _partition(item: SchemaObject, catalog: Catalog) -> object | None:
    del catalog
    return tuple(item.attributes.get(n) for n in ("partition_of", "partition_bound", "partition_key"))


def _column(item: SchemaObject, catalog: Catalog) -> object | None:
    parent = item.parent or ""
    is_table = (Kind.TABLE, parent) in catalog.objects or (Kind.FOREIGN_TABLE, parent) in catalog.objects
    if not is_table or item.attributes.get("inherited"):
        return None
    return identity(item, catalog)


def _nothing_mentions(item: SchemaObject, catalog: Catalog) -> object | None:
    return identity(item, catalog) if is_name_only(item, catalog) and item.kind is not Kind.NOT_NULL else None


_STAGES: Sequence[tuple[frozenset[Kind], Signature]] = (
    (frozenset({Kind.SCHEMA}), _schema),
    (frozenset({Kind.ENUM}), _enum),
    (frozenset({Kind.DOMAIN, Kind.COMPOSITE_TYPE, Kind.RANGE_TYPE, Kind.COLLATION}), _definition),
    (frozenset({Kind.SEQUENCE}), _sequence),
    (ROUTINE_KINDS, _routine),
    (frozenset({Kind.TABLE, Kind.FOREIGN_TABLE}), _table),
    (frozenset({Kind.PARTITION}), _partition),
    (frozenset({Kind.VIEW, Kind.MATERIALIZED_VIEW}), _definition),
    (frozenset({Kind.COLUMN}), _column),
    (NAME_ONLY_KINDS | {Kind.SEQUENCE}, _nothing_mentions),
)


def moved(rename: Rename) -> bool:
    """Whether a rename leads to another schema."""
    return split_name(rename.old)[0] != split_name(rename.new)[0]
