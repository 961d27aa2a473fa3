"""What is called differently on the two sides, and a catalog read as if it already had the new names.

Renames are looked for in stages, from what is mentioned most (schemas, types) to what nothing mentions (constraints,
indexes). After each stage *from* is read under the new names, so that a table that was renamed together with a type
is still recognised, and nothing that merely mentions a renamed object is a change of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from db_migrate.catalog.comparing import NAME_ONLY_KINDS, identity, is_name_only, is_serial, nameless
from db_migrate.catalog.objects import ROUTINE_KINDS, Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.projection import Rename, project
from db_migrate.catalog.tokens import last_part, without_last

Signature = Callable[[SchemaObject, Catalog], object | None]
"""What two objects must share to be one that was renamed; None for an object that nothing tells from others."""


NONE_KNOWN: Mapping[Key, str] = MappingProxyType({})


def find_renames(
    from_: Catalog, to: Catalog, not_renamed: frozenset[Key] = frozenset(), known: Mapping[Key, str] = NONE_KNOWN
) -> tuple[tuple[Rename, ...], Catalog, Mapping[Key, Key]]:
    """All renames, in the order in which they can be carried out, *from* under the new names, and whose key is another.

    For each of those objects: the key that it had.

    ``not_renamed`` are objects of either side that somebody said to be others, however alike; ``known`` are those of
    *from* of which the new name is known, however unlike they are.
    """
    found: list[Rename] = []
    origins: dict[Key, Key] = {}
    apart = _Apart.between(from_, to)
    schemas, *others = (partial(_stage, *each) for each in _STAGES)
    for looked_for in (schemas, partial(_known, known), *others):
        stage = tuple(
            replace(each, origin=origins.get((each.kind, each.old), (each.kind, each.old))[1])
            for each in looked_for(from_, to, apart)
            if (each.kind, each.new) not in not_renamed and (each.kind, each.old) not in not_renamed
        )
        if not stage:
            continue
        found += stage
        from_, former = project(from_, stage)
        apart = _Apart.between(from_, to)
        origins |= {new: origins.get(old, old) for new, old in former.items()}
    return tuple(found), from_, origins


@dataclass(frozen=True, slots=True)
class _Apart:
    """What only one of two catalogs has, in the order of the catalogs."""

    gone: tuple[SchemaObject, ...]
    come: tuple[SchemaObject, ...]

    @classmethod
    def between(cls, from_: Catalog, to: Catalog) -> _Apart:
        """What *to* has no longer, and what *from* does not have yet."""
        return cls(_missing_in(to, from_), _missing_in(from_, to))


def _missing_in(other: Catalog, one: Catalog) -> tuple[SchemaObject, ...]:
    missing = one.objects.keys() - other.objects.keys()
    return tuple(o for o in one if o.key in missing) if missing else ()


def _known(known: Mapping[Key, str], from_: Catalog, _to: Catalog, apart: _Apart) -> Iterator[Rename]:
    gone, come = ({each.key: each for each in side} for side in (apart.gone, apart.come))
    for (kind, old), new in known.items():
        if (kind, old) in gone and (kind, new) in come:
            yield _rename(gone[kind, old], come[kind, new], from_)


def _stage(
    kinds: frozenset[Kind], signature: Signature, from_: Catalog, to: Catalog, apart: _Apart
) -> Iterator[Rename]:
    gone = [o for o in apart.gone if o.kind in kinds]
    come = [o for o in apart.come if o.kind in kinds] if gone else []
    if signature is _nothing_mentions:
        yield from _swapped(kinds, from_, to)
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
            yield from (_rename(a, b, from_) for a, b in zip(old, new, strict=True))
        elif any(is_name_only(each, to) for each in new):
            yield from (_rename(a, b, from_) for a, b in zip(old, new, strict=False))


def _swapped(kinds: frozenset[Kind], from_: Catalog, to: Catalog) -> Iterator[Rename]:
    """Objects of one relation that have changed names among themselves."""
    differing: dict[object, list[tuple[SchemaObject, SchemaObject]]] = defaultdict(list)
    for old in from_.of_kinds(*kinds):
        new = to.objects.get(old.key)
        if new is not None and old.attributes != new.attributes:
            differing[old.kind, old.parent].append((old, new))
    for pairs in differing.values():
        waiting = [(_nothing_mentions(new, to), new) for _, new in pairs]
        found = []
        for old, _ in pairs:
            twin = next(
                (each for each in waiting if each[0] is not None and each[0] == _nothing_mentions(old, from_)), None
            )
            if twin is not None:
                waiting.remove(twin)
                found.append(_rename(old, twin[1], from_))
        if not waiting:
            yield from found


def _rename(old: SchemaObject, new: SchemaObject, from_: Catalog) -> Rename:
    return Rename(old.kind, old.name, new.name, old.name, new.parent, is_name_only(old, from_))


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
