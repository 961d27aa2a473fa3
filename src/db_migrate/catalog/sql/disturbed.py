"""What has to make way for a change and come back after it: views of a column that gets another type, and so on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from db_migrate.catalog.comparing import SUBJECT_KINDS
from db_migrate.catalog.objects import RELATION_KINDS, TABLE_KINDS, Key, Kind, SchemaObject
from db_migrate.catalog.sql.columns import needs_using
from db_migrate.catalog.sql.kinds import SWAPPED_KINDS, owner_table
from db_migrate.catalog.sql.needs import Needs
from db_migrate.catalog.sql.steps import Sides, text
from db_migrate.catalog.tokens import last_part, mentions, reference

_REBUILT = frozenset(
    {
        Kind.INDEX,
        Kind.CHECK,
        Kind.UNIQUE,
        Kind.PRIMARY_KEY,
        Kind.EXCLUSION,
        Kind.STATISTICS,
        Kind.NOT_NULL,
        Kind.SEQUENCE,
    }
)
"""Kinds that PostgreSQL itself rebuilds when a column they are about gets another type."""


@dataclass(slots=True)
class Disturbed:
    """What a set of changes disturbs; each with the key of the object that is the cause.

    ``replaced`` is dropped before and made again after; ``swapped`` types are put aside and made anew; ``restored``
    is lost with what it is about and said again; ``released`` columns lose their default for a while.
    """

    replaced: dict[Key, Key] = field(default_factory=dict)
    swapped: dict[Key, Key] = field(default_factory=dict)
    restored: dict[Key, Key] = field(default_factory=dict)
    released: dict[Key, Key] = field(default_factory=dict)
    retyped: dict[Key, Key] = field(default_factory=dict)


def disturb(replaced: set[Key], swapped: set[Key], retyped: set[Key], needs: Needs, sides: Sides) -> Disturbed:
    """Follow the dependents in *from* of what is replaced, swapped or gets another type."""
    found = Disturbed()
    waiting = [(key, key, "replaced") for key in sorted(replaced)]
    waiting += [(key, key, "swapped") for key in sorted(swapped)]
    waiting += [(key, key, "retyped") for key in sorted(retyped)]
    while waiting:
        key, cause, how = waiting.pop(0)
        place: dict[Key, Key] = getattr(found, how)
        if key in place or key not in sides.before.objects or (how == "retyped" and key in found.replaced):
            continue
        place[key] = cause
        if how in ("restored", "released"):
            continue
        if how == "replaced":
            waiting += [(each, cause, "replaced") for each in _own_sequences(key, sides)]
        for dependent in sorted(needs.dependents(key)):
            reaction = _reaction(dependent, key, how, sides)
            if reaction is not None and dependent in sides.after.objects:
                waiting.append((dependent, cause, reaction))
    return found


def in_circles(sides: Sides) -> set[Key]:
    """The foreign keys of tables that turn logged or unlogged, and of which each refers to the next, back to the first.

    Whichever of the tables turned first would refer to, or be referred to by, one that has not yet.
    """
    turning = {o.name for o in sides.after.of_kinds(Kind.TABLE) if _turns(o, sides)}
    references: dict[str, dict[Key, str]] = {}
    for table in turning:
        for item in sides.before.children.get(table, ()):
            referred = reference(text(item, "referenced"))[0]
            if item.kind is Kind.FOREIGN_KEY and referred in turning - {table} and item.key in sides.after.objects:
                references.setdefault(table, {})[item.key] = referred
    return {
        key
        for table, keys in references.items()
        for key, referred in keys.items()
        if table in _reached(referred, references)
    }


def _turns(table: SchemaObject, sides: Sides) -> bool:
    before = sides.before.get(*table.key)
    return before is not None and before.attributes.get("persistence") != table.attributes.get("persistence")


def _reached(start: str, references: Mapping[str, Mapping[Key, str]]) -> set[str]:
    found, waiting = set(), [start]
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            waiting += references.get(table, {}).values()
    return found


def _own_sequences(key: Key, sides: Sides) -> Iterator[Key]:
    """The sequences that go with a table."""
    if key[0] in TABLE_KINDS:
        for item in sides.before:
            if item.kind is Kind.SEQUENCE and owner_table(item) == key[1]:
                yield item.key


def _reaction(dependent: Key, key: Key, how: str, sides: Sides) -> str | None:
    """What becomes of a dependent of an object that is replaced, swapped or gets another type."""
    kind = dependent[0]
    if kind in SUBJECT_KINDS:
        return "restored" if how in ("replaced", "swapped") else None
    item = sides.before.objects[dependent]
    if how == "retyped":
        return _reaction_to_type(item, key, sides)
    if kind is Kind.COLUMN and not _goes_with(item, key):
        return _reaction_of_column(item, key, how)
    if kind in SWAPPED_KINDS:
        return "swapped"
    if kind in TABLE_KINDS and key[0] not in TABLE_KINDS:
        return None
    return "replaced"


def _goes_with(column: SchemaObject, key: Key) -> bool:
    return key[0] in RELATION_KINDS and column.parent == key[1]


def _reaction_of_column(column: SchemaObject, key: Key, how: str) -> str | None:
    if column.attributes.get("generated") is not None:
        return "replaced"
    if how == "swapped" and (mentions_type(column, key) or text(column, "collation") == key[1]):
        return "retyped"
    return "released" if column.attributes.get("default") is not None else None


def mentions_type(column: SchemaObject, key: Key) -> bool:
    """Whether a column is of that type, or an array of it."""
    return text(column, "type").split("(")[0].removesuffix("[]") == key[1]


def _reaction_to_type(item: SchemaObject, key: Key, sides: Sides) -> str | None:
    if item.kind is Kind.FOREIGN_KEY:
        return "replaced" if _other_family(key, sides) else None
    if item.kind is Kind.COLUMN:
        return "replaced" if mentions(text(item, "generated"), last_part(key[1])) else None
    return None if item.kind in _REBUILT or item.kind in TABLE_KINDS else "replaced"


def _other_family(column: Key, sides: Sides) -> bool:
    before, after = sides.before.get(*column), sides.after.get(*column)
    if before is None or after is None:
        return False
    old, new = text(before, "type"), text(after, "type")
    return bool(needs_using(old, new)) or bool(needs_using(new, old)) or old == new


def by_cause(found: Disturbed) -> Mapping[Key, Key]:
    """For each disturbed object the object that is the cause."""
    return {**found.restored, **found.released, **found.retyped, **found.swapped, **found.replaced}
