"""The tables, views and functions that changes concern, those that depend on them included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import RELATION_KINDS, ROUTINE_KINDS, Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.tokens import reference
from db_migrate.testing.mentions import Relation, mentions, same, split

_USED_BY_STATEMENTS = RELATION_KINDS | ROUTINE_KINDS
_HAVE_BODIES = ROUTINE_KINDS | {Kind.VIEW, Kind.MATERIALIZED_VIEW}
_NOBODY_NOTICES = frozenset({Kind.COMMENT, Kind.OWNER, Kind.DEFAULT_PRIVILEGE, Kind.PUBLICATION, Kind.SUBSCRIPTION})
_NOBODY_READS = frozenset({"comment", "owner"})


def tables_of(changes: Iterable[Change], *catalogs: Catalog) -> tuple[str, ...]:
    """The relations and functions that ``changes`` concern, sorted; functions with their argument types.

    ``catalogs`` are the schema before the changes, after them, or both: from there come the dependents. A view depends
    on what it reads, a table on its triggers' functions, its columns' types, its partitions and its parent, a function
    on the relations that its body names.
    """
    changes = tuple(changes)
    users = [_users(catalog) for catalog in catalogs]
    todo = [name for change in changes for name in _about(change, catalogs)]
    concerned: dict[str, None] = {}
    while todo:
        name = todo.pop()
        if name not in concerned:
            concerned[name] = None
            todo += (user for known in users for user in known.get(name, ()))
    used = {each.name for catalog in catalogs for each in catalog if each.kind in _USED_BY_STATEMENTS}
    gone = {name for change in changes if change.kind in _USED_BY_STATEMENTS for name in _names(change)}
    gone |= {change.parent for change in changes if change.parent is not None}
    return tuple(sorted(name for name in concerned if name in used or name in gone))


def _names(change: Change) -> tuple[str, ...]:
    return tuple(name for name in (change.object, change.from_object) if name is not None)


def _about(change: Change, catalogs: Iterable[Catalog]) -> Iterator[str]:
    attributes = {each.name for each in change.attributes}
    if change.kind in _NOBODY_NOTICES or (attributes and attributes <= _NOBODY_READS):
        return
    if change.parent is None:
        yield from _names(change)
        return
    yield change.parent
    for catalog in catalogs if change.kind is Kind.FOREIGN_KEY else ():
        if (constraint := catalog.get(change.kind, change.object)) is not None:
            yield _referenced(constraint)  # deleting there is what the constraint is about


def _referenced(constraint: SchemaObject) -> str:
    return reference(str(constraint.attributes["referenced"]))[0]


def _users(catalog: Catalog) -> Mapping[str, set[str]]:
    """For the name of each relation, function, type or such: what cannot be what it is without it."""
    users: dict[str, set[str]] = {}
    named = {split(each.name): each.name for each in catalog if each.kind in RELATION_KINDS}
    by_name = _by_bare_name(named)
    for each in catalog:
        for needed in (*_needs(each, catalog), *_named_in_body(each, by_name)):
            users.setdefault(needed, set()).add(each.parent or each.name)
        for parent in _parents(each):
            users.setdefault(parent, set()).add(each.name)
            users.setdefault(each.name, set()).add(parent)
        if each.kind is Kind.SEQUENCE and (owner := each.attributes.get("owned_by")):
            users.setdefault(each.name, set()).add(_relation_of((Kind.COLUMN, str(owner)), catalog))
    return users


def _needs(item: SchemaObject, catalog: Catalog) -> Iterator[str]:
    return (_relation_of(key, catalog) for key in item.needs)


def _relation_of(key: Key, catalog: Catalog) -> str:
    known = catalog.objects.get(key)
    return known.parent if known is not None and known.parent is not None else key[1]


def _parents(item: SchemaObject) -> tuple[str, ...]:
    inherits = item.attributes.get("inherits")
    partition_of = item.attributes.get("partition_of")
    return (
        *(inherits if isinstance(inherits, tuple) else ()),
        *([str(partition_of)] if partition_of else []),
    )


def _by_bare_name(named: Mapping[Relation, str]) -> Mapping[str, list[tuple[Relation, str]]]:
    found: dict[str, list[tuple[Relation, str]]] = {}
    for relation, name in named.items():
        found.setdefault(relation[1], []).append((relation, name))
    return found


def _named_in_body(item: SchemaObject, by_name: Mapping[str, list[tuple[Relation, str]]]) -> Iterator[str]:
    """What the text of a function or a view names: for a body that is text PostgreSQL records no dependency."""
    if item.kind in _HAVE_BODIES:
        for mention in mentions(item.definition):
            yield from (name for relation, name in by_name.get(mention[1], ()) if same(relation, mention))
