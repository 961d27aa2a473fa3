"""What must wait is set apart: an expanding revision now, the filling one after it, and the contracting one at the end.

Contracting waits for a release; filling for nobody, but it has to be a revision of its own (see ``late``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject, Value
from db_migrate.catalog.sql.needs import Needs, closure
from db_migrate.catalog.sql.steps import parents_of, table_of, text, texts
from db_migrate.catalog.tokens import last_part, mentions, reference
from db_migrate.generate.dispose import Decision, decision
from db_migrate.generate.late import before_filling, late_columns
from db_migrate.generate.pieces import Piece
from db_migrate.generate.renamed import OldNames, View, old_names, with_views, without_views
from db_migrate.generate.renaming import Renames
from db_migrate.generate.safe import Choices

WHY_NULLABLE = "So that a release that does not know the column need not fill it."
WHY_UNBOUND = "So that a release that does not know of it may delete what it refers to."

_CONTRACTING = frozenset({Kind.TABLE, Kind.COLUMN})
_FILLING, _CONTRACT = " (backfill)", " (contract)"


@dataclass(frozen=True)
class Part:
    """One revision to be written. ``waits_for`` says what has to happen before it may be applied.

    ``reasons`` say why something is done to an object that is to go later, ``unfilled`` are the columns that only a
    later revision fills, ``names`` what has an old name from the part that ``begins`` to the one that ``contracts``.
    """

    decision: Decision
    waits_for: str | None = None
    suffix: str = ""
    reasons: Mapping[Key, str] = field(default_factory=lambda: MappingProxyType({}))
    unfilled: frozenset[str] = frozenset()
    names: OldNames = field(default_factory=OldNames)
    begins: bool = False
    contracts: bool = False

    def forward(self, choices: Choices) -> list[Piece]:
        """The upgrade."""
        fills = choices.fills if self.contracts else self.names.fills_before(choices.fills, self.decision.way.after)
        fills = {name: fill for name, fill in fills.items() if name not in self.unfilled}
        pieces = self.decision.forward(replace(choices, fills=fills))
        pieces = [replace(p, comment=p.comment or self.reasons.get(p.key, "")) for p in pieces]
        return with_views(without_views(pieces, self._views(self.contracts)), self._views(self.begins), self._changes)

    def backward(self, choices: Choices) -> list[Piece]:
        """The downgrade."""
        pieces = self.decision.backward(choices)
        return with_views(without_views(pieces, self._views(self.begins)), self._views(self.contracts), self._changes)

    @property
    def _changes(self) -> Sequence[Change]:
        return self.decision.changes

    def _views(self, here: bool) -> Sequence[View]:
        return self.names.views if here else ()


@dataclass(frozen=True)
class _Stage:
    """A schema on the way. ``contracts``: it may be reached only when the running release is gone.

    ``waits_for`` is what else has to happen first.
    """

    target: Catalog
    suffix: str = ""
    reasons: Mapping[Key, str] = field(default_factory=lambda: MappingProxyType({}))
    unfilled: frozenset[str] = frozenset()
    contracts: bool = False
    waits_for: str | None = None


def parts(whole: Decision, choices: Choices, *, divided: bool) -> tuple[Part, ...]:
    """The revisions that a decision is carried out in; one where nothing has to be set apart."""
    gone = [c for c in whole.changes if c.action is Action.DROPPED and c.kind in _CONTRACTING]
    widened = _between(whole, gone) if gone else whole.way.after
    names = old_names(whole, widened)
    waits = _waits(gone, names)
    stages = _stages(whole, choices, gone, widened, names) if divided else None
    start, renames = names.without_late(whole.renames, whole.from_)
    found: list[Part] = []
    for stage in stages or ():
        if stage.contracts:
            start, renames = names.carried_out(start, whole.renames.refused)
        part = _decided(whole, start, stage.target, renames)
        if part.changes or (found and stage.contracts and names.views):
            suffix = stage.suffix if found else ""
            waiting = waits if stage.contracts else stage.waits_for
            roles = not found, stage.contracts
            found.append(Part(part, waiting, suffix, stage.reasons, stage.unfilled, names, *roles))
            start, renames = stage.target, Renames()
    if len(found) > 1:
        return tuple(found)
    return (Part(whole, waits),)


def _stages(
    whole: Decision, choices: Choices, gone: Sequence[Change], widened: Catalog, names: OldNames
) -> list[_Stage] | None:
    """None where what waits cannot be set apart."""
    reasons = _reasons(whole, widened) if gone else {}
    late = late_columns(whole, choices.fills) if choices.safe else ()
    stages: list[_Stage] = []
    if late:
        unfilled = frozenset(each.name for each in late)
        stages.append(_Stage(before_filling(widened, whole.way.before, late), "", reasons, unfilled))
    waits = _unfilled_by_some(late, names)
    stages.append(_Stage(widened if gone else whole.to, _FILLING, reasons, waits_for=waits))
    if not names.waiting:
        return [*stages, _Stage(whole.to, _CONTRACT, contracts=True)] if gone else stages
    before: list[_Stage] = []
    for stage in stages:
        target = names.before_late(stage.target)
        if target is None:
            return None
        unfilled = frozenset(map(names.formerly, stage.unfilled))
        before.append(replace(stage, target=target, unfilled=unfilled))
    return [*before, _Stage(whole.to, _CONTRACT, contracts=True)]


def _reasons(whole: Decision, between: Catalog) -> Mapping[Key, str]:
    """Why what is to go is changed before it goes."""
    gone = [item for item in whole.way.before if item.key not in whole.way.after.objects]
    return {
        item.key: WHY_NULLABLE if item.key in between.objects else WHY_UNBOUND
        for item in gone
        if item.kind is Kind.COLUMN or (item.kind is Kind.FOREIGN_KEY and item.key not in between.objects)
    }


def _decided(whole: Decision, before: Catalog, after: Catalog, renames: Renames) -> Decision:
    refused = frozenset(whole.renames.refused)
    kept = Renames(renames.explicit, renames.labels, set(refused))
    original = {(c.kind, c.object, c.action, c.class_) for c in whole.ignored}
    changes = [
        c
        for c in diff(before, after, refused)
        if (c.kind, c.object, c.action, c.class_) not in original and c.class_ is not ChangeClass.ORDER_ONLY
    ]
    return decision(before, after, kept, changes, whole.ignored)


def _between(whole: Decision, gone: Sequence[Change]) -> Catalog:
    """The schema that both releases can work with: what the models say, and beside it what is to go."""
    before, after = whole.way.before, whole.way.after
    tables = {c.object for c in gone if c.kind is Kind.TABLE}
    columns = _with_heirs({c.object for c in gone if c.kind is Kind.COLUMN}, before, after)
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
    beneath = closure(kept, Needs(before).of)
    for item in before:
        needed = item.key in beneath and item.kind in _BENEATH
        if (item.name in types or needed) and item.key not in after.objects:
            kept[item.key] = item
    between = after.where([*after, *kept.values()])
    needs = Needs(between)
    unbound = {key for key, item in kept.items() if _in_the_way(item, before, after, between, needs)}
    return between.where(item for item in between if item.key not in unbound)


def _with_heirs(names: set[str], before: Catalog, after: Catalog) -> dict[str, SchemaObject]:
    """The columns of those names, and those that go with them in tables that inherit them."""
    found = {name: before.objects[Kind.COLUMN, name] for name in names}
    gone = [c for c in before if c.kind is Kind.COLUMN and c.key not in after.objects and c.attributes.get("inherited")]
    waiting = [*found.values()]
    while waiting:
        column = waiting.pop()
        for heir in gone:
            table = table_of(heir.parent or "", before)
            inherits = table is not None and column.parent in parents_of(table)
            if inherits and last_part(heir.name) == last_part(column.name) and heir.name not in found:
                found[heir.name] = heir
                waiting.append(heir)
    return found


def _in_the_way(item: SchemaObject, before: Catalog, after: Catalog, between: Catalog, needs: Needs) -> bool:
    """Whether it is a foreign key that would stop a release that does not know it, or that what it rests on leaves."""
    if item.kind is not Kind.FOREIGN_KEY:
        return False
    own, referred = item.parent or "", reference(text(item, "referenced"))[0]
    follows = text(item, "on_delete").startswith(_FOLLOWS)
    needed = needs.of(item.key)
    key_is_there = any(kind in _KEYS for kind, _ in needed)
    retyped = any(_type(each, before) != _type(each, between) for each in needed if each[0] is Kind.COLUMN)
    logged_to_unlogged = _unlogged(referred, between) and not _unlogged(own, between)
    stops_deletes = (Kind.TABLE, referred) in after.objects and not follows
    return stops_deletes or not key_is_there or retyped or logged_to_unlogged


def _type(column: Key, side: Catalog) -> Value:
    found = side.objects.get(column)
    return found.attributes["type"] if found is not None else None


def _unlogged(table: str, side: Catalog) -> bool:
    found = table_of(table, side)
    return found is not None and found.attributes.get("persistence") == "unlogged"


_BENEATH = frozenset(
    {
        Kind.SCHEMA,
        Kind.EXTENSION,
        Kind.COLLATION,
        Kind.ENUM,
        Kind.DOMAIN,
        Kind.COMPOSITE_TYPE,
        Kind.RANGE_TYPE,
        Kind.SEQUENCE,
        Kind.FUNCTION,
        Kind.OPERATOR,
        Kind.TEXT_SEARCH,
    }
)
"""What tables and columns may need beside others of their kind."""
_FOLLOWS = ("CASCADE", "SET NULL", "SET DEFAULT")
_KEYS = frozenset({Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.INDEX})


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


def _unfilled_by_some(late: Sequence[SchemaObject], names: OldNames) -> str | None:
    """What has to happen before the columns may be NOT NULL: a release that does not know them leaves them empty.

    The one that fills them cannot run before the renames that wait.
    """
    needed = [c.name for c in late if not c.attributes["nullable"] and c.attributes.get("default") is None]
    if needed and (names.late or names.labels):
        return _waits((), names)
    return f"every release that runs fills {', '.join(needed)}" if needed else None


def _waits(gone: Sequence[Change], names: OldNames) -> str | None:
    """What has to happen before things may go, and lose their old names."""
    said = [
        *([f"no release runs any more whose models have {', '.join(c.object for c in gone)}"] if gone else []),
        *([f"no release runs any more that uses the old name of {', '.join(names.waiting)}"] if names.waiting else []),
    ]
    return ", and ".join(said) or None
