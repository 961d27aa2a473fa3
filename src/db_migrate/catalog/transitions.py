"""A table on one side, a partition of the same name on the other: both brought to one form before they are compared.

Of a partition the catalog lists only what differs from its parent. When the same table stands alone on the other
side (it was attached or detached), all that it has would look created or dropped. So the partition's side gets what
it has from its parent, and attaching is a change of one object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from db_migrate.catalog.comparing import identity
from db_migrate.catalog.objects import CONSTRAINT_KINDS, Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import last_part

_HANDED_DOWN = CONSTRAINT_KINDS | {Kind.INDEX}


def level(from_: Catalog, to: Catalog) -> tuple[Catalog, Catalog]:
    """Both catalogs with attached or detached tables brought to one form."""
    attached = [o.name for o in to.of_kinds(Kind.PARTITION) if (Kind.TABLE, o.name) in from_.objects]
    detached = [o.name for o in from_.of_kinds(Kind.PARTITION) if (Kind.TABLE, o.name) in to.objects]
    for name in attached:
        from_, to = _level(name, from_, to)
    for name in detached:
        to, from_ = _level(name, to, from_)
    return _with_attached_indexes(from_, to)


def _level(name: str, alone: Catalog, attached: Catalog) -> tuple[Catalog, Catalog]:
    table, partition = alone.objects[Kind.TABLE, name], attached.objects[Kind.PARTITION, name]
    as_partition = replace(table, kind=Kind.PARTITION)
    alone = alone.where(as_partition if o is table else o for o in alone)
    return alone, attached.where([*attached, *_from_parent(partition, alone, attached)])


def _from_parent(partition: SchemaObject, alone: Catalog, attached: Catalog) -> Iterator[SchemaObject]:
    """What the partition has from its parent, under the names that it has standing alone."""
    parent = str(partition.attributes["partition_of"])
    inherited = [o for o in attached.children.get(parent, ()) if o.kind is Kind.COLUMN or o.kind in _HANDED_DOWN]
    own = {o.key for o in attached.children.get(partition.name, ())}
    for item in inherited:
        if item.kind is Kind.COLUMN:
            column = replace(item, name=f"{partition.name}.{last_part(item.name)}", parent=partition.name)
            if column.key not in own:
                yield column
    waiting = [o for o in alone.children.get(partition.name, ()) if o.kind in _HANDED_DOWN]
    for item in inherited:
        if item.kind not in _HANDED_DOWN:
            continue
        signed = identity(replace(item, parent=partition.name), attached)
        twin = next((o for o in waiting if identity(o, alone) == signed), None)
        if twin is not None and twin.key not in attached.objects:
            waiting.remove(twin)
            yield twin


def _with_attached_indexes(from_: Catalog, to: Catalog) -> tuple[Catalog, Catalog]:
    """Indexes of partitions that are attached to the parent's index on one side only: there they get an attribute."""
    return _attached(from_, to), _attached(to, from_)


def _attached(side: Catalog, other: Catalog) -> Catalog:
    found = []
    for item in other.of_kinds(Kind.INDEX) if Kind.PARTITION in side.by_kind else ():
        if item.key in side.objects or item.parent is None:
            continue
        partition = side.get(Kind.PARTITION, item.parent)
        if partition is None or other.get(Kind.PARTITION, item.parent) is None:
            continue
        parent = str(partition.attributes["partition_of"])
        for index in side.children.get(parent, ()):
            same = index.kind is Kind.INDEX and _alike(index, item)
            if same and _alike_exists(index, other):
                found.append(replace(item, attributes={**item.attributes, "attached_to": index.name}))
                break
    return side.where([*side, *found]) if found else side


def _alike(first: SchemaObject, second: SchemaObject) -> bool:
    old, new = dict(first.attributes), dict(second.attributes)
    old.pop("valid", None)
    new.pop("valid", None)
    return old == new


def _alike_exists(index: SchemaObject, other: Catalog) -> bool:
    return index.key in other.objects
