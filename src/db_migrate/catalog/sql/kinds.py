"""How each kind of object is made, changed and dropped."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import (
    CONSTRAINT_KINDS,
    TABLE_KINDS,
    TYPE_KINDS,
    Kind,
    SchemaObject,
)
from db_migrate.catalog.sql import columns, constraints, definitions, named_types, sequences, tables
from db_migrate.catalog.sql.steps import Sides, Steps
from db_migrate.catalog.tokens import last_part, without_last

SWAPPED_KINDS = TYPE_KINDS | {Kind.COLLATION}
"""Kinds that columns are made of: they cannot be dropped and made again beneath them."""


def create(item: SchemaObject, sides: Sides) -> Steps:
    """What makes an object of *to*."""
    if item.kind in TABLE_KINDS:
        return tables.create(item, sides)
    if item.kind is Kind.COLUMN:
        return columns.create(item, sides)
    if item.kind in CONSTRAINT_KINDS:
        return constraints.create_constraint(item, sides)
    if item.kind is Kind.INDEX:
        return constraints.create_index(item, sides)
    if item.kind is Kind.SEQUENCE:
        return sequences.create(item)
    if item.kind in SWAPPED_KINDS:
        return named_types.create(item)
    return _change_about(None, item) or definitions.create(item)


def drop(item: SchemaObject, sides: Sides) -> Steps:
    """What drops an object of *from*."""
    if item.kind in TABLE_KINDS:
        return tables.drop(item)
    if item.kind is Kind.COLUMN:
        return columns.drop(item, sides)
    if item.kind in CONSTRAINT_KINDS:
        return constraints.drop_constraint(item, sides)
    if item.kind is Kind.INDEX:
        return constraints.drop_index(item)
    if item.kind is Kind.SEQUENCE:
        return sequences.drop(item)
    if item.kind in SWAPPED_KINDS:
        return named_types.drop(item)
    return _change_about(item, None) or definitions.drop(item)


def alter(before: SchemaObject, after: SchemaObject, sides: Sides) -> Steps | None:
    """What makes an object of *from* into that of *to*; None for a type that has to be swapped beneath its columns."""
    if after.kind in TABLE_KINDS:
        return tables.alter(before, after)
    if after.kind is Kind.COLUMN:
        return columns.alter(before, after, sides)
    if after.kind in CONSTRAINT_KINDS:
        return constraints.alter_constraint(before, after)
    if after.kind is Kind.INDEX:
        return constraints.alter_index(before, after, sides)
    if after.kind is Kind.SEQUENCE:
        return sequences.alter(before, after)
    if after.kind in SWAPPED_KINDS:
        return named_types.in_place(before, after, sides.labels.get(after.name, {}))
    about = _change_about(before, after)
    return about if about is not None else definitions.alter(before, after)


def _change_about(before: SchemaObject | None, after: SchemaObject | None) -> Steps | None:
    """The steps for what only says something about another object."""
    item = after or before
    if item is not None and item.kind is Kind.COMMENT:
        return definitions.alter_comment(before, after)
    if item is not None and item.kind in (Kind.GRANT, Kind.DEFAULT_PRIVILEGE):
        return definitions.alter_grant(before, after)
    if item is not None and item.kind is Kind.OWNER:
        return Steps((after.definition,)) if after is not None else Steps()
    return None


def slots(item: SchemaObject) -> Iterator[tuple[str, ...]]:
    """The names that an object takes up, each within the names among which it must be the only one."""
    if item.kind in TABLE_KINDS or item.kind in (Kind.VIEW, Kind.MATERIALIZED_VIEW):
        yield ("relation", item.name)
        yield ("type", item.name)
    elif item.kind in (Kind.INDEX, Kind.SEQUENCE):
        yield ("relation", item.name)
    elif item.kind in TYPE_KINDS:
        yield ("type", item.name)
        if item.kind is Kind.COMPOSITE_TYPE:
            yield ("relation", item.name)
    elif item.kind in CONSTRAINT_KINDS:
        yield ("constraint", item.name)
        if item.kind in (Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.EXCLUSION):
            yield ("relation", constraints.index_name(item))
        if item.kind is Kind.PRIMARY_KEY:
            yield ("primary key", item.parent or "")
    elif item.kind in (Kind.FUNCTION, Kind.PROCEDURE, Kind.AGGREGATE):
        yield ("function", item.name)


def mentioned_names(item: SchemaObject) -> tuple[str, str]:
    """The qualified and the bare name under which a function's text may mention an object."""
    name = (
        item.name if item.kind not in (Kind.FUNCTION, Kind.PROCEDURE, Kind.AGGREGATE) else item.name.partition("(")[0]
    )
    return name, last_part(name)


def owner_table(sequence: SchemaObject) -> str:
    """The table of the column that owns a sequence; empty where none does."""
    owner = sequence.attributes.get("owned_by")
    return without_last(owner) if isinstance(owner, str) else ""
