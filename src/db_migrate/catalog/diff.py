"""What changed between two catalogs: first what is the same under another name, then what is left.

The work is done in three passes. Relations that were renamed are recognised and *from* is read as if it already had
the new names; then objects of the same kind and name are compared attribute by attribute; then what is on one side
only is paired up (another name, an equivalent form) or reported as created or dropped. What belongs to a created or
dropped object (a table's columns, a serial column's sequence, an object's comment) is part of that one change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from db_migrate.catalog.change import Action, AttributeChange, Change, ChangeClass
from db_migrate.catalog.objects import CONSTRAINT_KINDS, RELATION_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.catalog.rename import Rename, find_relation_renames, renamed

_NAMED_ONLY = CONSTRAINT_KINDS | {Kind.INDEX, Kind.STATISTICS}
_PAIRED_BY_VALUE = _NAMED_ONLY | {Kind.SEQUENCE, Kind.ENUM, Kind.COLUMN}


def diff(from_: Catalog, to: Catalog) -> tuple[Change, ...]:
    """The changes that lead from one catalog to the other, in the order of the catalogs; no SQL yet.

    Raises ValueError when the catalogs come from different major versions of PostgreSQL, since the same schema is
    then printed differently.
    """
    if from_.server_version // 10000 != to.server_version // 10000:
        raise ValueError("catalogs of different PostgreSQL major versions cannot be compared")
    if from_.fingerprint == to.fingerprint:
        return tuple(_orders(from_, to))
    renames = find_relation_renames(from_, to)
    changes = [_renamed_relation(each) for each in renames]
    base = renamed(from_, renames)
    changes += _altered(base, to)
    changes += _one_sided(base, to)
    changes += _orders(base, to)
    rank = {kind: index for index, kind in enumerate(Kind)}
    return tuple(sorted(changes, key=lambda c: (rank[c.kind], c.object, c.action)))


def drifted(changes: Iterable[Change], *, strict: bool = False) -> tuple[Change, ...]:
    """The changes that count: those of class drift, or all of them when ``strict``."""
    return tuple(c for c in changes if strict or c.class_ is ChangeClass.DRIFT)


def _renamed_relation(rename: Rename) -> Change:
    return Change(
        rename.kind,
        rename.new,
        Action.RENAMED,
        from_object=rename.old,
        explanation="the same columns under another name: likely a rename",
    )


def _altered(from_: Catalog, to: Catalog) -> Iterator[Change]:
    for after in to:
        before = from_.get(*after.key)
        if before is None:
            continue
        attributes = attribute_changes(before, after, from_, to)
        if attributes:
            yield Change(after.kind, after.name, Action.ALTERED, attributes=attributes, parent=after.parent)


def attribute_changes(
    before: SchemaObject, after: SchemaObject, from_: Catalog, to: Catalog
) -> tuple[AttributeChange, ...]:
    """The attributes in which two objects differ, sorted by name."""
    old, new = comparable(before, from_), comparable(after, to)
    if old == new:
        return ()
    names = sorted(old.keys() | new.keys())
    return tuple(AttributeChange(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n))


def comparable(item: SchemaObject, catalog: Catalog) -> Mapping[str, Value]:
    """The attributes as they are compared: a serial's default does not depend on its own sequence's name."""
    default = item.attributes.get("default")
    if item.kind is not Kind.COLUMN or not isinstance(default, str) or not default.startswith("nextval('"):
        return item.attributes
    sequence = own_sequence(item, catalog)
    if sequence is None:
        return item.attributes
    return {**item.attributes, "default": "nextval(<own sequence>)"}


def own_sequence(column: SchemaObject, catalog: Catalog) -> SchemaObject | None:
    """The sequence that a serial column's default uses and that the column owns, or None."""
    default = column.attributes.get("default")
    if not isinstance(default, str):
        return None
    name = default.removeprefix("nextval('").removesuffix("'::regclass)").replace("''", "'")
    sequence = catalog.get(Kind.SEQUENCE, name)
    owned = sequence is not None and sequence.attributes.get("owned_by") == column.name
    return sequence if owned else None


def _one_sided(from_: Catalog, to: Catalog) -> Iterator[Change]:
    dropped = {o.key: o for o in from_ if o.key not in to.objects}
    created = {o.key: o for o in to if o.key not in from_.objects}
    for old, new in _pairs(tuple(dropped.values()), tuple(created.values()), from_, to):
        del dropped[old.key], created[new.key]
        yield Change(
            new.kind,
            new.name,
            Action.RENAMED,
            from_object=old.name,
            parent=new.parent,
            class_=ChangeClass.NAME_ONLY if old.kind in _NAMED_ONLY else ChangeClass.DRIFT,
            explanation="the same definition under another name",
        )
        if old.kind is Kind.SEQUENCE and _is_serial(old, from_) and _is_serial(new, to):
            continue
    equivalent = set(_equivalent(dropped.values(), created.values()))
    yield from _remaining(dropped, from_, Action.DROPPED, equivalent)
    yield from _remaining(created, to, Action.CREATED, equivalent)


def _remaining(
    objects: Mapping[tuple[Kind, str], SchemaObject], side: Catalog, action: Action, equivalent: set[tuple[Kind, str]]
) -> Iterator[Change]:
    for item in objects.values():
        if not _is_part_of_another(item, objects, side):
            class_ = ChangeClass.EQUIVALENT if item.key in equivalent else ChangeClass.DRIFT
            yield Change(item.kind, item.name, action, parent=item.parent, class_=class_)


def _is_part_of_another(item: SchemaObject, objects: Mapping[tuple[Kind, str], SchemaObject], side: Catalog) -> bool:
    """Whether the object comes and goes with another one of the same list."""
    names = {name for _kind, name in objects}
    if item.parent is not None and any((kind, item.parent) in objects for kind in RELATION_KINDS):
        return True
    if item.kind is Kind.SEQUENCE:
        owner = item.attributes.get("owned_by")
        if isinstance(owner, str):
            column = side.get(Kind.COLUMN, owner)
            return (Kind.COLUMN, owner) in objects and column is not None
    if item.kind in (Kind.COMMENT, Kind.OWNER, Kind.GRANT):
        subject = item.name.rsplit(" TO ", 1)[0]
        return any(name == subject for kind, name in objects if kind not in (Kind.COMMENT, Kind.OWNER, Kind.GRANT))
    parent = item.attributes.get("partition_of")
    return isinstance(parent, str) and parent in names


def _pairs(
    dropped: Iterable[SchemaObject], created: Iterable[SchemaObject], from_: Catalog, to: Catalog
) -> Iterator[tuple[SchemaObject, SchemaObject]]:
    """Objects of both lists that are the same but for their names; each is used once."""
    waiting: dict[object, list[SchemaObject]] = {}
    for old in dropped:
        if old.kind in _PAIRED_BY_VALUE:
            waiting.setdefault(_identity(old, from_), []).append(old)
    for new in created:
        if new.kind in _PAIRED_BY_VALUE and waiting.get(identity := _identity(new, to)):
            yield waiting[identity].pop(0), new


def _identity(item: SchemaObject, catalog: Catalog) -> object:
    """What two objects under different names must share to be one object that was renamed."""
    attributes = dict(comparable(item, catalog))
    if item.kind is Kind.STATISTICS:
        attributes["definition"] = item.definition.partition(" ON ")[2]
    place = item.position if item.kind is Kind.COLUMN else None
    schema = item.name.partition(".")[0] if item.kind in (Kind.SEQUENCE, Kind.ENUM) else None
    return (item.kind, item.parent, place, schema, tuple(sorted(attributes.items())))


def _is_serial(sequence: SchemaObject, catalog: Catalog) -> bool:
    owner = sequence.attributes.get("owned_by")
    column = catalog.get(Kind.COLUMN, owner) if isinstance(owner, str) else None
    return column is not None and own_sequence(column, catalog) is sequence


def _equivalent(dropped: Iterable[SchemaObject], created: Iterable[SchemaObject]) -> Iterator[tuple[Kind, str]]:
    """The keys of unique constraints and plain unique indexes over the same columns, one on each side."""
    ours = {_uniqueness(o): o for o in dropped if _uniqueness(o) is not None}
    for new in created:
        old = ours.get(_uniqueness(new))
        if old is not None and old.kind is not new.kind:
            yield old.key
            yield new.key


def _uniqueness(item: SchemaObject) -> object | None:
    attributes = item.attributes
    plain_index = item.kind is Kind.INDEX and attributes.get("unique") and attributes.get("valid")
    if item.kind is not Kind.UNIQUE and not plain_index:
        return None
    special = ("deferrable", "expression", "predicate", "opclass", "order", "collation")
    if any(attributes.get(name) for name in special) or attributes.get("method", "btree") != "btree":
        return None
    shared = ("columns", "include", "nulls_not_distinct", "storage_parameters")
    return (item.parent, *(attributes.get(name) for name in shared))


def _orders(from_: Catalog, to: Catalog) -> Iterator[Change]:
    """Tables whose common columns stand in another physical order."""
    for table in to:
        if table.kind is not Kind.TABLE or table.key not in from_.objects:
            continue
        before, after = from_.columns(table.name), to.columns(table.name)
        common = {c.name for c in before} & {c.name for c in after}
        old = tuple(c.name.removeprefix(f"{table.name}.") for c in before if c.name in common)
        new = tuple(c.name.removeprefix(f"{table.name}.") for c in after if c.name in common)
        if old != new:
            yield Change(
                Kind.TABLE,
                table.name,
                Action.ALTERED,
                attributes=(AttributeChange("column_order", old, new),),
                class_=ChangeClass.ORDER_ONLY,
            )
