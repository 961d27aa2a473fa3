"""What changed between two catalogs: first what is the same under another name, then what is left.

Renames are recognised and *from* is read as if it already had the new names; then objects of the same kind and name
are compared attribute by attribute; then what is on one side only is reported as created or dropped. What follows
from another change (a table's columns, a serial column's sequence, an object's comment, an inherited column, a check
whose text only shows the new type of its column) is part of that one change and not reported beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from db_migrate.catalog.change import Action, AttributeChange, Change, ChangeClass
from db_migrate.catalog.comparing import comparable, draws_numbers, identity, loosely, renamed_constraints, uniqueness
from db_migrate.catalog.consequences import without_consequences
from db_migrate.catalog.explain import come_and_gone, explain
from db_migrate.catalog.labels import Labels, followed, label_renames
from db_migrate.catalog.objects import RANK, TABLE_KINDS, Catalog, Key, Kind, SchemaObject, Value
from db_migrate.catalog.parts import is_part_of_another
from db_migrate.catalog.projection import Rename
from db_migrate.catalog.rename import NONE_KNOWN, find_renames
from db_migrate.catalog.tokens import last_part
from db_migrate.catalog.transitions import level

_INDEX_MENTIONS = ("replica_identity", "cluster_on")


@dataclass(frozen=True, slots=True)
class Matched:
    """Two catalogs with the differences in name between them taken out.

    ``before`` is *from* under the new names, and mentions labels of enums under theirs; ``after`` is *to*. Both have
    partitions and stand-alone tables of the same name brought to one form. ``origins`` has, for each object of
    ``before`` whose key is another than in *from*, the key that it has there. ``unlike`` are the keys, in the order of
    the catalogs, of what both have and what is not the same on both wherever it is; it may still compare equal.
    ``labels`` are those that are renamed.
    """

    renames: tuple[Rename, ...]
    before: Catalog
    after: Catalog
    origins: Mapping[Key, Key]
    unlike: tuple[Key, ...]
    labels: Labels = field(default_factory=lambda: MappingProxyType({}))


def match(
    from_: Catalog, to: Catalog, not_renamed: frozenset[Key] = frozenset(), known: Mapping[Key, str] = NONE_KNOWN
) -> Matched:
    """Find what is called differently, and read *from* under the new names; ``not_renamed`` are no such objects.

    Nor are the labels of enums among them. Of ``known`` ones of *from* the new name need not be looked for.

    Raises ValueError when the catalogs come from different major versions of PostgreSQL, since the same schema is
    then printed differently.
    """
    if from_.server_version // 10000 != to.server_version // 10000:
        raise ValueError("catalogs of different PostgreSQL major versions cannot be compared")
    renames, before, origins = find_renames(from_, to, not_renamed, known)
    before, after = level(before, to)
    labels = label_renames(before, after, not_renamed)
    before = followed(before, labels)
    return Matched(renames, before, after, origins, _unlike(before, after), labels)


def _unlike(before: Catalog, after: Catalog) -> tuple[Key, ...]:
    return tuple(
        key
        for key, item in after.objects.items()
        if (old := before.objects.get(key)) is not None and not are_same(old, item)
    )


def match_back(there: Matched, from_: Catalog, to: Catalog, not_renamed: frozenset[Key] = frozenset()) -> Matched:
    """What ``match`` says of the way back."""
    if there.before is from_ and there.after is to:
        return Matched((), to, from_, {}, there.unlike)
    return match(to, from_, not_renamed)


def diff(
    from_: Catalog, to: Catalog, not_renamed: frozenset[Key] = frozenset(), known: Mapping[Key, str] = NONE_KNOWN
) -> tuple[Change, ...]:
    """The changes that lead from one catalog to the other, in the order of the catalogs; no SQL yet.

    ``not_renamed`` are objects of either side that are not to be taken for one of the other under a new name, ``known``
    those of *from* that certainly have another one now. Raises ValueError as ``match`` does.
    """
    return changes_between(match(from_, to, not_renamed, known))


def changes_between(matched: Matched) -> tuple[Change, ...]:
    """What ``diff`` says of two catalogs that are matched already."""
    changes = [_renamed(each) for each in matched.renames]
    compared = [*_altered(matched), *one_sided(matched), *_orders(matched.before, matched.after)]
    changes += without_consequences(compared, matched.before, matched.after)
    ordered = sorted(changes, key=lambda c: (RANK[c.kind], c.object, c.action))
    return tuple(explain(change, matched.before, matched.after) for change in ordered)


def drifted(changes: Iterable[Change], *, strict: bool = False) -> tuple[Change, ...]:
    """The changes that count: those of class drift, or all of them when ``strict``."""
    return tuple(c for c in changes if strict or c.class_ is ChangeClass.DRIFT)


def _renamed(rename: Rename) -> Change:
    class_ = ChangeClass.NAME_ONLY if rename.name_only else ChangeClass.DRIFT
    return Change(
        rename.kind, rename.new, Action.RENAMED, from_object=rename.origin, parent=rename.parent, class_=class_
    )


def _altered(matched: Matched) -> Iterator[Change]:
    for key in matched.unlike:
        before, after = matched.before.objects[key], matched.after.objects[key]
        attributes = attribute_changes(before, after, matched.before, matched.after)
        if attributes:
            class_ = _class_of(attributes, before, after)
            change = Change(
                after.kind, after.name, Action.ALTERED, attributes=attributes, parent=after.parent, class_=class_
            )
            others = after.kind is Kind.ENUM and after.name not in matched.labels
            yield replace(change, explanation=come_and_gone(attributes[0])) if others else change


def _class_of(attributes: Iterable[AttributeChange], before: SchemaObject, after: SchemaObject) -> ChangeClass:
    if renamed_constraints(before, after):
        return ChangeClass.NAME_ONLY
    if all(loosely(each.name, each.from_) == loosely(each.name, each.to) for each in attributes):
        return ChangeClass.EQUIVALENT
    return ChangeClass.DRIFT


def are_same(before: SchemaObject, after: SchemaObject) -> bool:
    """Whether two objects of one name are the same wherever they are, which is not so of a column with a sequence."""
    alike = before is after or before.attributes == after.attributes
    return alike and not (before.kind is Kind.COLUMN and draws_numbers(before))


def attribute_changes(
    before: SchemaObject, after: SchemaObject, from_: Catalog, to: Catalog
) -> tuple[AttributeChange, ...]:
    """The attributes in which two objects differ, sorted by name."""
    if are_same(before, after):
        return ()
    old, new = comparable(before, from_), comparable(after, to)
    if old == new:
        return ()
    names = sorted(old.keys() | new.keys())
    if before.kind in TABLE_KINDS:
        names = [n for n in names if n not in _INDEX_MENTIONS or not _same_index(n, before, after, from_, to)]
    if before.kind is Kind.SEQUENCE and not ("persistence" in old and "persistence" in new):
        names = [n for n in names if n != "persistence"]
    return tuple(AttributeChange(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n))


def _same_index(attribute: str, before: SchemaObject, after: SchemaObject, from_: Catalog, to: Catalog) -> bool:
    """Whether a table's mention of an index means an index that is the same but for its name."""
    found = [_index(table.attributes.get(attribute), table, side) for table, side in ((before, from_), (after, to))]
    return found[0] is not None and found[0] == found[1]


def _index(mention: Value, table: SchemaObject, side: Catalog) -> object | None:
    name = mention.removeprefix("USING INDEX ") if isinstance(mention, str) else None
    for item in side.children.get(table.name, ()):
        if last_part(item.name) == name and item.kind in (Kind.INDEX, Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.EXCLUSION):
            return uniqueness(item) or identity(item, side)
    return None


def one_sided(matched: Matched) -> Iterator[Change]:
    """The changes of what is on one side only."""
    before, after = matched.before, matched.after
    dropped = {key: o for key, o in before.objects.items() if key not in after.objects}
    created = {key: o for key, o in after.objects.items() if key not in before.objects}
    equivalent = set(_equivalent(dropped.values(), created.values()))
    for objects, side, action in ((dropped, before, Action.DROPPED), (created, after, Action.CREATED)):
        names = {name for _kind, name in objects}
        for item in objects.values():
            if not is_part_of_another(item, objects, names, side):
                class_ = ChangeClass.EQUIVALENT if item.key in equivalent else ChangeClass.DRIFT
                yield Change(item.kind, item.name, action, parent=item.parent, class_=class_)


def _equivalent(dropped: Iterable[SchemaObject], created: Iterable[SchemaObject]) -> Iterator[Key]:
    """The keys of unique constraints and plain unique indexes over the same columns, one on each side."""
    ours: dict[object, list[SchemaObject]] = {}
    for old in dropped:
        if (shared := uniqueness(old)) is not None:
            ours.setdefault(shared, []).append(old)
    for new in created:
        others = [old for old in ours.get(uniqueness(new), ()) if old.kind is not new.kind]
        if others:
            ours[uniqueness(new)].remove(others[0])
            yield others[0].key
            yield new.key


def _orders(from_: Catalog, to: Catalog) -> Iterator[Change]:
    """Tables whose common columns stand in another physical order."""
    moved = {
        column.parent
        for column in to.of_kinds(Kind.COLUMN)
        if (old := from_.objects.get(column.key)) and old.position != column.position
    }
    for table in to.of_kinds(Kind.TABLE) if moved else ():
        if table.name not in moved or table.key not in from_.objects:
            continue
        before, after = from_.columns(table.name), to.columns(table.name)
        common = {c.name for c in before} & {c.name for c in after}
        was = tuple(c.name.removeprefix(f"{table.name}.") for c in before if c.name in common)
        is_ = tuple(c.name.removeprefix(f"{table.name}.") for c in after if c.name in common)
        if was != is_:
            order = AttributeChange("column_order", was, is_)
            change = Change(Kind.TABLE, table.name, Action.ALTERED, attributes=(order,))
            yield replace(change, class_=ChangeClass.ORDER_ONLY)
