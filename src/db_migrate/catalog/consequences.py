"""Differences that follow from another change, and so are not reported beside it.

An inheriting table's column follows its parent's; the sequence of a serial column comes and goes with the default;
PRIMARY KEY makes its columns NOT NULL; and a check prints other casts once its column has another type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from db_migrate.catalog.change import Action, AttributeChange, Change, ChangeClass
from db_migrate.catalog.comparing import chosen_not_null
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject, Value
from db_migrate.catalog.tokens import last_part, without_casts, without_last


def without_consequences(changes: Sequence[Change], before: Catalog, after: Catalog) -> list[Change]:
    """The changes without those that follow from another one of them."""
    changes = [*_not_nulls(changes, before, after)]
    by_key = {(c.kind, c.object): c for c in changes}
    retyped = frozenset(c.object for c in changes if c.kind is Kind.COLUMN and _names(c) & {"type", "collation"})
    found = []
    for change in changes:
        if _is_inherited(change, by_key, before, after) or _is_own_sequence(change, by_key, before, after):
            continue
        reduced = _without_implied_not_null(change, changes, before, after)
        if reduced is not None and retyped:
            reduced = _without_echoes(reduced, retyped, before, after)
        if reduced is not None:
            found.append(reduced)
    return found


def _names(change: Change) -> frozenset[str]:
    return frozenset(attribute.name for attribute in change.attributes)


def _is_inherited(change: Change, by_key: Mapping[tuple[Kind, str], Change], before: Catalog, after: Catalog) -> bool:
    """Whether a column of an inheriting table changes as the same column of its parent does."""
    if change.kind is not Kind.COLUMN or change.parent is None:
        return False
    columns = [c for c in (before.get(Kind.COLUMN, change.object), after.get(Kind.COLUMN, change.object)) if c]
    if not all(c.attributes.get("inherited") for c in columns):
        return False
    for parent in parents(change.parent, before) | parents(change.parent, after):
        above = by_key.get((Kind.COLUMN, f"{parent}.{last_part(change.object)}"))
        if above is not None and above.action is change.action and set(change.attributes) <= set(above.attributes):
            return True
    return False


def parents(table: str, catalog: Catalog) -> frozenset[str]:
    """The tables that a table inherits from."""
    item = catalog.get(Kind.TABLE, table) or catalog.get(Kind.FOREIGN_TABLE, table)
    inherits = item.attributes.get("inherits") if item is not None else None
    return frozenset(inherits) if isinstance(inherits, tuple) else frozenset()


def _is_own_sequence(
    change: Change, by_key: Mapping[tuple[Kind, str], Change], before: Catalog, after: Catalog
) -> bool:
    """Whether a sequence appears or disappears because its column becomes, or is no longer, a serial."""
    if change.kind is not Kind.SEQUENCE or change.action not in (Action.CREATED, Action.DROPPED):
        return False
    side = after if change.action is Action.CREATED else before
    owner = side.objects[Kind.SEQUENCE, change.object].attributes.get("owned_by")
    column = by_key.get((Kind.COLUMN, owner)) if isinstance(owner, str) else None
    return column is not None and not _names(column).isdisjoint({"default", "identity"})


def _not_nulls(changes: Iterable[Change], before: Catalog, after: Catalog) -> Iterator[Change]:
    """NOT NULL constraints that only one side lists, held against what NOT NULL on the column is by itself."""
    changes = list(changes)
    nullability = {c.object for c in changes if c.kind is Kind.COLUMN and "nullable" in _names(c)}
    unproved = set()
    for change in changes:
        if change.kind is not Kind.NOT_NULL or change.action not in (Action.CREATED, Action.DROPPED):
            continue
        side = after if change.action is Action.CREATED else before
        item = side.objects[Kind.NOT_NULL, change.object]
        if not chosen_not_null(item):
            unproved.add(not_null_column(item))
    for change in changes:
        if change.kind is Kind.COLUMN and change.object in unproved:
            rest = tuple(a for a in change.attributes if a.name != "nullable")
            if rest or change.action is not Action.ALTERED:
                yield replace(change, attributes=rest)
        elif change.kind is Kind.NOT_NULL and change.action in (Action.CREATED, Action.DROPPED):
            yield from _not_null(change, nullability, before, after)
        else:
            yield change


def not_null_column(constraint: SchemaObject) -> str:
    """The qualified name of the column that a NOT NULL constraint is about."""
    columns = constraint.attributes["columns"]
    assert isinstance(columns, tuple)
    return f"{constraint.parent}.{columns[0]}"


def _not_null(change: Change, nullability: set[str], before: Catalog, after: Catalog) -> Iterator[Change]:
    created = change.action is Action.CREATED
    item = (after if created else before).objects[Kind.NOT_NULL, change.object]
    other = (before if created else after).get(Kind.COLUMN, not_null_column(item))
    if other is None or other.attributes["nullable"]:
        if not chosen_not_null(item) or not_null_column(item) not in nullability:
            yield change
        return
    usual: Mapping[str, Value] = {"validated": True, "no_inherit": False}
    pairs = [(n, usual[n], item.attributes[n]) for n in usual if usual[n] != item.attributes[n]]
    attributes = tuple(AttributeChange(n, *((a, b) if created else (b, a))) for n, a, b in pairs)
    if attributes:
        yield replace(change, action=Action.ALTERED, attributes=attributes)
    elif other.definition:
        mine, theirs = change.object, f"{change.parent}.{other.definition}"
        old, new = (theirs, mine) if created else (mine, theirs)
        if old != new:
            yield replace(
                change, action=Action.RENAMED, object=new, from_object=old, class_=ChangeClass.NAME_ONLY, attributes=()
            )


def _without_implied_not_null(
    change: Change, changes: Iterable[Change], before: Catalog, after: Catalog
) -> Change | None:
    """The column's change without the NOT NULL that a primary key brings or takes along; None when nothing is left."""
    nullable = next((a for a in change.attributes if a.name == "nullable"), None)
    if change.kind is not Kind.COLUMN or nullable is None:
        return change
    action, side = (Action.CREATED, after) if nullable.from_ else (Action.DROPPED, before)
    for other in changes:
        if other.kind is Kind.PRIMARY_KEY and other.parent == change.parent and other.action is action:
            columns = side.objects[Kind.PRIMARY_KEY, other.object].attributes["columns"]
            if isinstance(columns, tuple) and last_part(change.object) in columns:
                rest = tuple(a for a in change.attributes if a is not nullable)
                return replace(change, attributes=rest) if rest else None
    return change


def _without_echoes(change: Change, retyped: frozenset[str], before: Catalog, after: Catalog) -> Change | None:
    """The change without texts that only echo another type of a column; None when none is left."""
    if change.action is not Action.ALTERED or change.kind is Kind.ENUM:
        return change
    item = after.objects.get((change.kind, change.object)) or before.objects[change.kind, change.object]
    loose = _depends_on_retyped(item, change, retyped, before)
    rest = tuple(a for a in change.attributes if a.name in ("type", "collation") or not _echo(a, loose))
    if rest == change.attributes:
        return change
    return replace(change, attributes=rest) if rest else None


def _depends_on_retyped(item: SchemaObject, change: Change, retyped: frozenset[str], before: Catalog) -> bool:
    if not retyped:
        return False
    tables = {without_last(column) for column in retyped}
    old = before.get(*item.key)
    needs = {name for each in (item, old) if each is not None for kind, name in each.needs if kind is Kind.COLUMN}
    return (
        change.object in retyped
        or (change.parent in tables and change.kind is not Kind.COLUMN)
        or not needs.isdisjoint(retyped)
        or (change.kind is Kind.COLUMN and change.parent in tables and _names(change) == {"generated"})
    )


def _echo(attribute: AttributeChange, loose: bool) -> bool:
    old, new = attribute.from_, attribute.to
    if old == new:
        return True
    return loose and old is not None and new is not None and _castless(old) == _castless(new)


def _castless(value: Value) -> object:
    if isinstance(value, str):
        return without_casts(value)
    return tuple(map(without_casts, value)) if isinstance(value, tuple) else value
