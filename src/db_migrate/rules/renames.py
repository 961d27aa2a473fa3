"""Section B: names that the running release still uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import literal, replace_names, tokens
from db_migrate.rules import advice, batches
from db_migrate.rules.column_types import expand_and_contract
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.drops import dropped_columns
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import TABLES, altered, changed, column_and_table, refusal, subject
from db_migrate.rules.names import last, owner_of, schema_of, tail
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.undoing import mentions_name, put_aside
from db_migrate.trace.effects import StatementError

_OTHERS = (
    Kind.SEQUENCE,
    Kind.ENUM,
    Kind.DOMAIN,
    Kind.VIEW,
    Kind.MATERIALIZED_VIEW,
    Kind.FUNCTION,
    Kind.INDEX,
    Kind.UNIQUE,
    Kind.PRIMARY_KEY,
    Kind.FOREIGN_KEY,
    Kind.CHECK,
    Kind.EXCLUSION,
    Kind.TRIGGER,
    Kind.POLICY,
)


def renamed(context: Context, *kinds: Kind) -> Iterator[tuple[Place, Change, str]]:
    """Objects that got another name, with the old one; one that was dropped and another one made is no rename."""
    for place, change in changed(context, Action.RENAMED, *kinds):
        if change.from_object is not None and change.from_object not in place.effects.dropped:
            yield place, change, change.from_object


@rule(
    "rename-column",
    Section.DROP,
    About(
        catches="a column that existed before the run gets another name",
        effect="ACCESS EXCLUSIVE for an instant; only the catalog changes",
        why="every statement of the running release that names the column fails from then on",
        instead="add the new column, write both, copy, read the new one, then drop the old one; or a view in between",
        bad='op.alter_column("users", "full_name", new_column_name="display_name")',
        good='op.add_column("users", sa.Column("display_name", sa.Text()))',
    ),
)
def rename_column(context: Context) -> Iterator[Hit]:
    """Judged by the catalog: the same column under another name, which no new view shows under the old one."""
    for place, change, old in renamed(context, Kind.COLUMN):
        if _shown_as(place, change.object, old):
            continue
        yield Hit(
            place,
            old,
            f"{column_and_table(old)} is called {last(change.object)} from then on",
            _expand_column(place, change.object, old),
        )


def _shown_as(place: Place, column: str, old: str) -> bool:
    """Whether a view that the revision makes shows the column under its old name, as one does for a renamed table."""
    after = place.revision.after
    new = (v for v in after if v.kind is Kind.VIEW and place.revision.before.get(Kind.VIEW, v.name) is None)
    texts = (view.definition for view in new if mentions_name(view.definition, owner_of(column)))
    return any({tail(column), tail(old)} <= {*tokens(text)} for text in texts)


def _expand_column(place: Place, new: str, old: str) -> str:
    column = place.find(Kind.COLUMN, new)
    type_ = advice.text(column, "type") if column is not None else "text"
    wanted = f"{tail(new)} IS NULL AND {tail(old)} IS NOT NULL"
    filling = batches.update_where(owner_of(old), f"{tail(new)} = {tail(old)}", wanted)
    return expand_and_contract(old, tail(new), type_, filling)


@rule(
    "rename-table",
    Section.DROP,
    About(
        catches="a table that existed before the run gets another name",
        effect="ACCESS EXCLUSIVE for an instant; only the catalog changes",
        why="every statement of the running release that names the table fails from then on",
        instead="leave a view under the old name in the same transaction until no release uses it",
        bad='op.rename_table("audit", "audit_log")',
        good="""
op.rename_table("audit", "audit_log")
op.execute("CREATE VIEW audit AS SELECT * FROM audit_log")
""",
    ),
)
def rename_table(context: Context) -> Iterator[Hit]:
    """Quiet when something of the old name can still be read afterwards."""
    for place, change, old in renamed(context, Kind.TABLE, Kind.PARTITION, Kind.FOREIGN_TABLE):
        if schema_of(old) != schema_of(change.object) or _answers_to(place, old):
            continue
        yield Hit(
            place,
            old,
            f"{old} is called {change.object} from then on",
            _view_for(old, change.object),
        )


def _view_for(old: str, new: str) -> str:
    return advice.after(advice.execute(f"CREATE VIEW {old} AS SELECT * FROM {new}"))


def _answers_to(place: Place, name: str) -> bool:
    kinds = (Kind.VIEW, Kind.TABLE)
    return any(place.revision.after.get(kind, name) is not None for kind in kinds)


@rule(
    "rename-or-move-schema",
    Section.DROP,
    About(
        catches="a schema gets another name, or a table moves to another schema",
        effect="ACCESS EXCLUSIVE on a table that moves; only the catalog changes",
        why="qualified names in the running release fail from then on; unqualified ones depend on the search_path",
        instead="leave views under the old names until no release uses them",
        bad='op.execute("ALTER TABLE audit SET SCHEMA app")',
        good='op.execute("CREATE SCHEMA billing")',
    ),
)
def rename_or_move_schema(context: Context) -> Iterator[Hit]:
    """A schema that is gone while one with the same tables has come, or tables under another schema's name."""
    for place in context.places:
        moved = False
        for change in place.effects.changes:
            old = change.from_object or ""
            renames = change.action is Action.RENAMED and change.kind in (Kind.TABLE, Kind.VIEW, Kind.SEQUENCE)
            if renames and schema_of(old) != schema_of(change.object) and not context.fresh(place, old):
                moved = True
                if not _answers_to(place, old):
                    yield Hit(place, old, f"{old} is {change.object} from then on", _left_behind(change, old))
        if not moved:
            yield from _renamed_schema(place)


def _left_behind(change: Change, old: str) -> str:
    """A view under the old name; nothing stands for a sequence."""
    if change.kind is Kind.SEQUENCE:
        return advice.intent("rename-or-move-schema", old, "since which release nobody uses the old name")
    return _view_for(old, change.object)


def _renamed_schema(place: Place) -> Iterator[Hit]:
    gone = [c.object for c in place.changes(Kind.SCHEMA, Action.DROPPED) if c.object not in place.effects.dropped]
    come = [c.object for c in place.changes(Kind.SCHEMA, Action.CREATED)]
    for change in place.changes(Kind.SCHEMA, Action.RENAMED):
        gone.append(change.from_object or "")
        come.append(change.object)
    for old, new in zip(gone, come, strict=False):
        if place.revision.after.get(Kind.SCHEMA, old) is None:
            yield Hit(place, old, f"the schema {old} is called {new} from then on", _views_in(place, old, new))


def _views_in(place: Place, old: str, new: str) -> str:
    """A schema of the old name with a view for each table and view."""
    lines = [advice.execute(f"CREATE SCHEMA {old}")]
    for item in place.revision.after:
        if item.kind in RELATION_KINDS and item.name.startswith(f"{new}."):
            lines.append(advice.execute(f"CREATE VIEW {old}.{tail(item.name)} AS SELECT * FROM {item.name}"))
    return advice.after(*lines)


@rule(
    "rename-other-object",
    Section.DROP,
    About(
        severity=Severity.NOTE,
        catches="an index, sequence, type, constraint, view or function that existed before the run gets another name",
        effect="only the catalog changes",
        why="later revisions drop it by name, ON CONFLICT names constraints, code calls functions and casts to types",
        instead="rename only what nothing names",
        bad='op.execute("ALTER INDEX ix_users_nickname RENAME TO users_nickname_idx")',
        good="op.execute(\"COMMENT ON INDEX ix_users_nickname IS 'for the search by nickname'\")",
    ),
)
def rename_other_object(context: Context) -> Iterator[Hit]:
    """What PostgreSQL renames along with a table is not reported."""
    for place, change, old in renamed(context, *_OTHERS):
        if schema_of(old) != schema_of(change.object) and change.kind in (Kind.VIEW, Kind.SEQUENCE):
            continue
        word = change.kind.replace("_", " ")
        fix = advice.intent("rename-other-object", old, "how it was seen that nothing names it")
        yield Hit(place, old, f"the {word} {old} is called {last(change.object)} from then on", fix)


@rule(
    "rename-enum-value",
    Section.DROP,
    About(
        catches="a label of an enum that existed before the run gets another name",
        effect="only the catalog changes; every row that has the label shows the new one at once",
        why="the running release sends and expects the old label; subscribers of logical replication do not follow",
        instead="add the new label, write it from a release on, update the rows, and leave the old label unused",
        bad="op.execute(\"ALTER TYPE order_state RENAME VALUE 'sent' TO 'shipped'\")",
        good="op.execute(\"COMMENT ON TYPE order_state IS 'sent means shipped'\")",
    ),
)
def rename_enum_value(context: Context) -> Iterator[Hit]:
    """As many labels as before, with another one in some place."""
    for place, change, labels in altered(context, Kind.ENUM, "labels"):
        if not isinstance(labels.from_, tuple) or not isinstance(labels.to, tuple):
            continue
        if len(labels.from_) != len(labels.to):
            continue
        for old, new in zip(labels.from_, labels.to, strict=True):
            if old != new:
                fix = _other_label(place, change.object, old, new)
                yield Hit(place, change.object, f"the label {old} is called {new} from then on", fix)


def _other_label(place: Place, enum: str, old: str, new: str) -> str:
    """The new label beside the old one, and the rows that have the old one changed once nothing writes it."""
    lines = [advice.execute(f"ALTER TYPE {enum} ADD VALUE {literal(new)} AFTER {literal(old)}")]
    columns = [c for c in place.revision.before if c.kind is Kind.COLUMN and advice.text(c, "type") == enum]
    changed = [
        batches.update_where(c.parent or "", f"{tail(c.name)} = {literal(new)}", f"{tail(c.name)} = {literal(old)}")
        for c in columns
    ]
    return "\n".join((*lines, advice.later(f"nothing writes {old} any more", *changed))) if changed else lines[0]


@rule(
    "drop-column-breaks-dependents",
    Section.DROP,
    About(
        catches="a column that views or functions use is dropped, renamed or gets another type",
        effect="a view stops the statement (2BP01, 0A000) or goes with CASCADE; a function fails at its next call",
        why="the statement fails, or what depended on the column is broken without anybody noticing",
        instead="replace the dependents in the same transaction",
        bad='op.execute("ALTER TABLE users ALTER COLUMN email TYPE text")',
        good='op.execute("ALTER TABLE users ALTER COLUMN nickname TYPE text")',
    ),
)
def drop_column_breaks_dependents(context: Context) -> Iterator[Hit]:
    """PostgreSQL's own refusal, views that went along, and functions whose body names the column."""
    for place in context.places:
        error = place.error
        depends = error is not None and _is_dependency(error)
        if error is not None and depends:
            message = refusal(place)
            yield Hit(place, subject(context, place), message, _around(context, place), Severity.ERROR)
            continue
        gone = list(dropped_columns(place))
        gone += [c.from_object for c in place.changes(Kind.COLUMN, Action.RENAMED) if c.from_object]
        for column in gone:
            for function in _functions_naming(place, column):
                message = f"the function {function.name} still names {column_and_table(column)}"
                yield Hit(place, column, message, _function_again(place, column, function))


def _is_dependency(error: StatementError) -> bool:
    """Whether PostgreSQL refused because something else uses the column."""
    if error.sqlstate == "2BP01":
        return "other objects depend on it" in error.message
    users = ("view or rule", "trigger definition", "generated column", "policy definition", "publication WHERE")
    return (error.sqlstate == "0A000" and any(f"used by a {user}" in error.message for user in users)) or any(
        f"used in a {user}" in error.message for user in users
    )


def _around(context: Context, place: Place) -> str:
    """What depends on the table's column dropped first, and made again as it was when the statement is done."""
    before = place.revision.before
    named = subject(context, place)
    table = next((name for name in (named, owner_of(named)) if any(before.get(k, name) for k in TABLES)), "")
    column = named if before.get(Kind.COLUMN, named) is not None else ""
    dependents = list(dict.fromkeys(_dependents(before, table, tail(column) if column else "")))
    if not table or not dependents:
        return ""
    drops, again = put_aside(before, dependents)
    return "\n".join((*drops, advice.statement(place), *again))


def _dependents(catalog: Catalog, relation: str, column: str) -> Iterator[str]:
    """What names the relation's column (any without one): views, views over those; its policies, triggers and rules."""
    for item in catalog:
        over = item.kind in _VIEWS and item.name != relation and mentions_name(item.definition, relation)
        own = item.kind in _IN_THE_WAY and item.parent == relation
        if (over or own) and (not column or column in tokens(item.definition)):
            yield item.name
            if over:
                yield from _dependents(catalog, item.name, "")


_VIEWS = (Kind.VIEW, Kind.MATERIALIZED_VIEW)
_IN_THE_WAY = (Kind.POLICY, Kind.TRIGGER, Kind.RULE)


def _function_again(place: Place, column: str, function: SchemaObject) -> str:
    """The function with the column's new name; of one that is dropped only a person knows what it is to do without."""
    for change in place.changes(Kind.COLUMN, Action.RENAMED):
        if change.from_object == column:
            written = replace_names(function.definition, {tail(column): tail(change.object)})
            body = re.sub(rf"\b{re.escape(last(column))}\b", last(change.object), written)
            return advice.after(advice.execute(body))
    return advice.intent("drop-column-breaks-dependents", column, f"what {function.name} does without it")


def _functions_naming(place: Place, column: str) -> Iterator[SchemaObject]:
    """Functions that are there afterwards and whose text names both the table and the column."""
    words = [rf"\b{re.escape(last(owner_of(column)))}\b", rf"\b{re.escape(last(column))}\b"]
    for item in place.revision.after:
        if item.kind in (Kind.FUNCTION, Kind.PROCEDURE) and all(re.search(word, item.definition) for word in words):
            yield item
