"""What Alembic's autogenerate proposes, held against what the diff says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.objects import CONSTRAINT_KINDS, Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import last_part, unquoted
from db_migrate.generate.home import USUAL
from db_migrate.generate.types import Types, Written, plain_name
from db_migrate.project.jobs import Proposal, Proposed
from db_migrate.results import LeftOut

_SAME = "PostgreSQL stores the same on both sides"
_REASONS = {
    ChangeClass.NAME_ONLY: "it is the same thing under another name",
    ChangeClass.ORDER_ONLY: "only the order of the columns differs",
    ChangeClass.EQUIVALENT: "it is stored differently and behaves the same",
}
_NOT_THE_MODELS = {
    Kind.PARTITION: "it is a partition, and belongs to the table that it is part of",
    Kind.VIEW: "the history has a view of that name, which stands in for the table",
    Kind.MATERIALIZED_VIEW: "the history has a view of that name, which stands in for the table",
}
_PLUGIN = "the operations below do the same"


@dataclass(frozen=True)
class Extra:
    """What is added to a revision for plugins and hooks of the project: Python for both directions."""

    upgrade: tuple[str, ...] = ()
    downgrade: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()


def types_of(proposal: Proposal | None, history: Catalog, models: Catalog, home: str = USUAL) -> tuple[Types, Types]:
    """How the project writes the types of the history, as far as the models have the same ones, and of the models."""
    written = {
        table: {name: Written(each.python, frozenset(each.imports)) for name, each in columns.items()}
        for table, columns in (proposal.types if proposal is not None else {}).items()
    }
    kept: dict[str, dict[str, Written]] = {}
    for column in history:
        if column.kind is not Kind.COLUMN:
            continue
        table, name = plain_name(column.parent or ""), unquoted(last_part(column.name))
        twin = models.get(Kind.COLUMN, column.name)
        if twin is not None and _typed(twin) == _typed(column) and name in written.get(table, {}):
            kept.setdefault(table, {})[name] = written[table][name]
    return Types(kept, home), Types(written, home)


def _typed(column: SchemaObject) -> tuple[object, object]:
    return column.attributes["type"], column.attributes.get("collation")


def left_out(
    proposal: Proposal | None,
    changes: Sequence[Change],
    ignored: Sequence[Change],
    history: Catalog,
    extra: Iterable[str] = (),
) -> tuple[LeftOut, ...]:
    """What was proposed and is not done; ``extra`` is what was taken over as it was proposed."""
    if proposal is None:
        return ()
    done = set(extra)
    found = []
    for each in proposal.operations:
        if each.python in done or (each.own and any(_about(each, change) for change in changes)):
            continue
        found.append(LeftOut(each.python, _reason(each, ignored, history) if each.own else _PLUGIN))
    return tuple(sorted(found, key=lambda each: (each.reason, each.python)))


def _reason(proposed: Proposed, ignored: Sequence[Change], history: Catalog) -> str:
    for kind, reason in _NOT_THE_MODELS.items():
        if any(plain_name(o.name) == proposed.table for o in history if o.kind is kind):
            return reason
    related = next((change for change in ignored if _about(proposed, change)), None)
    if related is None:
        return _SAME
    if related.class_ is ChangeClass.DRIFT:
        return "the settings acknowledge the difference"
    return _REASONS[related.class_]


def missed(proposal: Proposal | None, change: Change) -> bool:
    """Whether autogenerate proposed nothing about the change."""
    return proposal is not None and not any(
        _about(each, change) or _makes_enum(each, change) for each in proposal.operations
    )


def _makes_enum(proposed: Proposed, change: Change) -> bool:
    """Whether an operation makes a table, and with it an enum that a column of it has."""
    created = change.kind is Kind.ENUM and change.action is Action.CREATED
    name = f"name={unquoted(last_part(change.object))!r}"
    return created and proposed.operation == "CreateTableOp" and name in proposed.python


_TABLES = frozenset({"CreateTableOp", "DropTableOp", "CreateTableCommentOp", "DropTableCommentOp"})
_COLUMNS = frozenset({"AddColumnOp", "DropColumnOp", "AlterColumnOp"})


def _about(proposed: Proposed, change: Change) -> bool:
    """Whether an operation of Alembic's is about what the change is about."""
    tables = {plain_name(each) for each in (change.object, change.from_object or change.object)}
    parents = {plain_name(change.parent)} if change.parent else tables
    if change.kind is Kind.TABLE and change.action in (Action.CREATED, Action.DROPPED) and proposed.table in tables:
        return True  # whatever is made with a new table, or goes with one that goes
    if proposed.operation in _TABLES:
        return change.kind is Kind.TABLE and proposed.table in tables
    name = proposed.name
    names = {unquoted(last_part(each)) for each in (change.object, change.from_object or change.object)}
    if proposed.operation in _COLUMNS:
        column = change.kind is Kind.COLUMN and name in names
        return proposed.table in parents and (column or change.kind is Kind.NOT_NULL)
    if change.kind not in CONSTRAINT_KINDS | {Kind.INDEX} or (change.parent and proposed.table not in parents):
        return False
    return name is None or name in names or (change.action is not Action.DROPPED and not name)
