"""Columns whose rows are filled in a revision of their own, which can be run again as often as it is killed.

What came before a backfill in the same revision would be committed with its first batch, and a second run of plain
Alembic would fail on it. So the column is made first, without what its rows cannot satisfy yet; the revision after that
begins with the backfill, and what rests on it follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from db_migrate.catalog.objects import CONSTRAINT_KINDS, Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.sql.order import Verb
from db_migrate.catalog.sql.steps import text, texts
from db_migrate.catalog.tokens import last_part, mentions
from db_migrate.generate.dispose import Decision
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.safe import OWN_DEFAULT, WHY_VOLATILE, Choices, is_plain_table, is_volatile

_WAITING = CONSTRAINT_KINDS | {Kind.INDEX}


def with_own_defaults(whole: Decision, choices: Choices) -> Choices:
    """The choices, and that new columns whose default differs from row to row are filled with it."""
    if not choices.safe:
        return choices
    found: dict[str, Fill] = {}
    for operation in whole.script.forward:
        verb, key = operation.node
        column = whole.way.after.objects.get(key)
        if verb is not Verb.CREATE or key[0] is not Kind.COLUMN or column is None or column.name in choices.fills:
            continue
        default = column.attributes.get("default")
        if default is not None and is_volatile(str(default)) and _is_old(column.parent, whole):
            found[column.name] = Fill(How.BACKFILL, OWN_DEFAULT, WHY_VOLATILE)
    return replace(choices, fills={**choices.fills, **found})


def _is_old(table: str | None, whole: Decision) -> bool:
    made = {o.node[1][1] for o in whole.script.forward if o.node[0] is Verb.CREATE}
    return table not in made and is_plain_table(table, whole.way.after)


def late_columns(whole: Decision, fills: Mapping[str, Fill]) -> tuple[SchemaObject, ...]:
    """The columns, as they are to be, whose rows a backfill gives values."""
    columns = (whole.way.after.get(Kind.COLUMN, name) for name, fill in fills.items() if fill.how is How.BACKFILL)
    return tuple(each for each in columns if each is not None)


def before_filling(target: Catalog, start: Catalog, late: Collection[SchemaObject]) -> Catalog:
    """``target`` as far as it can be reached from ``start`` before the columns are filled."""
    waiting = _waiting(target, start, late)
    bare = {each.key: _bare(each, start) for each in late}
    return target.where(bare.get(item.key, item) for item in target if item.key not in waiting)


def _waiting(target: Catalog, start: Catalog, late: Collection[SchemaObject]) -> set[Key]:
    """New indexes and constraints on the columns, and what in turn cannot be without those."""
    waiting: set[Key] = set()
    referenced: set[str] = set()
    new = [item for item in target if item.kind in _WAITING and item.key not in start.objects]
    while True:
        more = [
            item
            for item in new
            if item.key not in waiting
            and (
                any(_is_on(item, column) for column in late)
                or not waiting.isdisjoint(item.needs)
                or (item.kind is Kind.FOREIGN_KEY and text(item, "referenced") in referenced)
            )
        ]
        if not more:
            return waiting
        waiting |= {item.key for item in more}
        referenced |= {f"{item.parent}({', '.join(texts(item.attributes.get('columns')))})" for item in more}


def _is_on(item: SchemaObject, column: SchemaObject) -> bool:
    if item.parent != column.parent:
        return False
    name = last_part(column.name)
    named = (*texts(item.attributes.get("columns")), *texts(item.attributes.get("include")))
    return name in named or mentions(item.definition, name)


def _bare(column: SchemaObject, start: Catalog) -> SchemaObject:
    """The column when its rows are still empty: as it was, or new without NOT NULL and without a default."""
    before = start.objects.get(column.key)
    if before is not None:
        return replace(column, attributes={**column.attributes, "nullable": before.attributes["nullable"]})
    return replace(column, attributes={**column.attributes, "nullable": True, "default": None})
