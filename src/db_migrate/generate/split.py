"""What must wait for a release is set apart: an expanding revision now, and the contracting one after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.sql.steps import text, texts
from db_migrate.catalog.tokens import last_part, mentions
from db_migrate.generate.dispose import Decision, decision
from db_migrate.generate.renaming import Renames

_CONTRACTING = frozenset({Kind.TABLE, Kind.COLUMN})


@dataclass(frozen=True)
class Part:
    """One revision to be written. ``waits_for`` says what has to happen before it may be applied."""

    decision: Decision
    waits_for: str | None = None
    suffix: str = ""


def parts(whole: Decision, *, divided: bool) -> tuple[Part, ...]:
    """The revisions that a decision is carried out in: one, or two where something is dropped beside other changes."""
    gone = [c for c in whole.changes if c.action is Action.DROPPED and c.kind in _CONTRACTING]
    renamed = [c for c in whole.changes if c.action is Action.RENAMED and c.kind in _CONTRACTING]
    waits = _still_used(renamed) if renamed else None
    if not gone:
        return (Part(whole, waits),)
    contracting = _still_mapped(gone)
    if not divided:
        return (Part(whole, contracting),)
    between = _between(whole, gone)
    first = _decided(whole, whole.from_, between, whole.renames)
    if not first.changes:
        return (Part(whole, contracting),)
    second = _decided(whole, between, whole.to, Renames())
    return (Part(first, waits), Part(second, contracting, " (contract)"))


def _decided(whole: Decision, before: Catalog, after: Catalog, renames: Renames) -> Decision:
    refused = frozenset(whole.renames.refused)
    kept = Renames(renames.explicit, set(refused))
    original = {(c.kind, c.object, c.action) for c in whole.ignored}
    changes = [
        c
        for c in diff(before, after, refused)
        if (c.kind, c.object, c.action) not in original and c.class_ is not ChangeClass.ORDER_ONLY
    ]
    return decision(before, after, kept, changes, whole.ignored)


def _between(whole: Decision, gone: Sequence[Change]) -> Catalog:
    """The schema that both releases can work with: what the models say, and beside it what is to go."""
    before, after = whole.way.before, whole.way.after
    tables = {c.object for c in gone if c.kind is Kind.TABLE}
    columns = {c.object: before.objects[Kind.COLUMN, c.object] for c in gone if c.kind is Kind.COLUMN}
    kept: dict[Key, SchemaObject] = {}
    for item in before:
        if item.key in after.objects:
            continue
        if item.name in tables or item.parent in tables:
            kept[item.key] = item
        elif item.name in columns and item.kind is Kind.COLUMN:
            kept[item.key] = _loosened(item)
        elif _goes_along(item, tables, columns):
            kept[item.key] = item
    types = {text(o, "type").removesuffix("[]") for o in kept.values() if o.kind is Kind.COLUMN}
    for item in before:
        if item.name in types and item.key not in after.objects:
            kept[item.key] = item
    return after.where([*after, *kept.values()])


def _goes_along(item: SchemaObject, tables: set[str], columns: dict[str, SchemaObject]) -> bool:
    """Whether the object belongs to a column or table that is to go."""
    if item.kind is Kind.SEQUENCE:
        return _owner_stays(item, tables, columns)
    return item.kind is not Kind.COLUMN and _uses(item, columns.values())


def _loosened(column: SchemaObject) -> SchemaObject:
    """The column as a release that does not know it can live with: it need not be given a value."""
    valued = any(column.attributes.get(name) is not None for name in ("default", "identity", "generated"))
    if column.attributes["nullable"] or valued:
        return column
    return replace(column, attributes={**column.attributes, "nullable": True})


def _uses(item: SchemaObject, columns: Collection[SchemaObject]) -> bool:
    """Whether an index or constraint is on one of the columns, and goes with it."""
    for column in columns:
        name = last_part(column.name)
        if item.parent == column.parent and item.kind in _ON_COLUMNS:
            texts_of = (*texts(item.attributes.get("columns")), *texts(item.attributes.get("include")))
            if name in texts_of or mentions(item.definition, name):
                return True
    return False


_ON_COLUMNS = frozenset({Kind.INDEX, Kind.UNIQUE, Kind.CHECK, Kind.FOREIGN_KEY, Kind.EXCLUSION})


def _owner_stays(sequence: SchemaObject, tables: set[str], columns: dict[str, SchemaObject]) -> bool:
    owner = text(sequence, "owned_by")
    return owner in columns or any(owner.startswith(f"{table}.") for table in tables)


def _still_mapped(gone: Sequence[Change]) -> str:
    names = ", ".join(c.object for c in gone)
    return f"no release runs any more whose models have {names}"


def _still_used(renamed: Sequence[Change]) -> str:
    names = ", ".join(str(c.from_object) for c in renamed)
    return f"no release runs any more that uses the old name of {names}"
