"""Section B: views, functions, types, triggers and constraints that the running release may still rely on."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.drops import dropped_columns
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import altered_lastingly, attribute, changed, column_and_table
from db_migrate.rules.names import owner_of, tail
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.undoing import allowed

CODE_KINDS = (
    Kind.VIEW,
    Kind.MATERIALIZED_VIEW,
    Kind.FUNCTION,
    Kind.PROCEDURE,
    Kind.AGGREGATE,
    Kind.SEQUENCE,
    Kind.DOMAIN,
    Kind.COMPOSITE_TYPE,
    Kind.RANGE_TYPE,
    Kind.EXTENSION,
)


@rule(
    "drop-view-function-sequence",
    Section.DROP,
    About(
        catches="a view, function, sequence, domain or extension that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on a view; none on tables",
        why="the running release may still select from it, call it or draw numbers from it",
        instead="stop using it in a release, then drop it",
        bad='op.execute("DROP VIEW active_users")',
        good='op.execute("CREATE VIEW inactive_users AS SELECT id FROM users WHERE NOT active")',
    ),
)
def drop_view_function_sequence(context: Context) -> Iterator[Hit]:
    """One that the same revision makes anew is ``replace-view``."""
    for place, change in changed(context, Action.DROPPED, *CODE_KINDS):
        again = place.revision.after.get(change.kind, change.object)
        if again is None and not _goes_with_a_column(place, change):
            yield Hit(place, change.object, _dropped(change), _keep_until_unused(change))


def _dropped(change: Change) -> str:
    """Of a sequence also what a rollback does not bring back."""
    if change.kind is Kind.SEQUENCE:
        return f"drops the sequence {change.object}; its position is not kept: made again, it begins anew"
    word = change.kind.replace("_", " ")
    return f"drops the {word} {change.object}"


def _goes_with_a_column(place: Place, change: Change) -> bool:
    """A serial column's own sequence."""
    found = place.revision.before.get(change.kind, change.object)
    owner = None if found is None else found.attributes.get("owned_by")
    return isinstance(owner, str) and (owner in place.effects.dropped or owner_of(owner) in place.effects.dropped)


def _keep_until_unused(change: Change) -> str:
    return advice.intent("drop-view-function-sequence", change.object, "since which release nobody uses it")


@rule(
    "drop-enum-type",
    Section.DROP,
    About(
        catches="an enum type that existed before the run is dropped",
        effect="none on tables; it fails while a column still uses it",
        why="drivers that cache the type, and casts in the running release's SQL, fail",
        instead="stop using it in a release, then drop it",
        bad="""
op.execute("ALTER TABLE orders ALTER COLUMN state DROP DEFAULT, ALTER COLUMN state TYPE text")
op.execute("DROP TYPE order_state")
""",
        good="op.execute(\"COMMENT ON TYPE order_state IS 'unused since 4.2'\")",
    ),
)
def drop_enum_type(context: Context) -> Iterator[Hit]:
    """One that is made anew under its name in the same revision is gone for the drivers all the same."""
    for place, change in changed(context, Action.DROPPED, Kind.ENUM):
        intent = advice.intent("drop-enum-type", change.object, "since which release nobody uses it")
        yield Hit(place, change.object, f"drops the type {change.object}", intent)


@rule(
    "drop-trigger-policy",
    Section.DROP,
    About(
        catches="a trigger or a row security policy that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on the table for an instant",
        why="what it did or forbade stops at once, for every session",
        instead="make sure that nothing relies on it; replace it in the same transaction if something else takes over",
        bad='op.execute("DROP TRIGGER orders_touch ON orders")',
        good='op.execute("ALTER TRIGGER orders_touch ON orders RENAME TO orders_stamp")',
    ),
)
def drop_trigger_policy(context: Context) -> Iterator[Hit]:
    """One that the same revision makes anew under its name is replaced, not dropped."""
    for place, change in changed(context, Action.DROPPED, Kind.TRIGGER, Kind.POLICY, Kind.RULE):
        if place.revision.after.get(change.kind, change.object) is None:
            fix = allowed(place, "drop-trigger-policy", change, "what takes over")
            yield Hit(place, change.object, f"drops the {change.kind} {change.object}", fix)


@rule(
    "drop-constraint",
    Section.DROP,
    About(
        catches="a constraint that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on the table; for a foreign key on the referenced table too",
        why="rows that it kept out come in from now on, and it cannot be put back while they are there",
        instead="drop it only together with what takes its place",
        bad='op.drop_constraint("users_age_check", "users", type_="check")',
        good="""
op.create_check_constraint("users_age_sane", "users", "age BETWEEN 0 AND 150", postgresql_not_valid=True)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_age_sane")
""",
    ),
)
def drop_constraint(context: Context) -> Iterator[Hit]:
    """Not one that goes with its column, that has an equal on the same table afterwards, or that was for the proof."""
    kinds = (Kind.UNIQUE, Kind.CHECK, Kind.FOREIGN_KEY, Kind.EXCLUSION)
    for place, change in changed(context, Action.DROPPED, *kinds):
        found = place.revision.before.get(change.kind, change.object)
        if found is None or dropped_columns(place) or _has_heir(place, change):
            continue
        fix = advice.intent("drop-constraint", change.object, "what takes its place")
        message = f"drops {found.definition} of {change.parent}"
        yield Hit(place, change.object, message, f"{fix}\n{advice.back(_made_again(found))}")


def _made_again(constraint: SchemaObject) -> str:
    """The constraint as it was, without blocking anybody where that can be."""
    unchecked = constraint.attributes.get("validated") is False
    if constraint.kind in (Kind.CHECK, Kind.FOREIGN_KEY):
        return advice.add_not_valid(constraint) if unchecked else advice.not_valid_then_validate(constraint)
    overlaps = any(" WITHOUT OVERLAPS" in column for column in advice.texts(constraint, "columns"))
    if constraint.kind is Kind.UNIQUE and not overlaps:
        return advice.unique_using_index(constraint)
    name = tail(constraint.name)
    return advice.execute(f"ALTER TABLE {constraint.parent} ADD CONSTRAINT {name} {constraint.definition}")


def _has_heir(place: Place, change: Change) -> bool:
    """Whether the table has another constraint of that kind over the same columns, or of that name, afterwards."""
    old = place.revision.before.get(change.kind, change.object)
    if old is None or change.parent is None:
        return False
    members = place.revision.after.children.get(change.parent, ())
    key = "expression" if change.kind is Kind.CHECK else "columns"
    return any(
        other.kind is change.kind and (other.name == old.name or other.attributes.get(key) == old.attributes.get(key))
        for other in members
    )


@rule(
    "drop-primary-key",
    Section.DROP,
    About(
        catches="a primary key that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on the table; the index goes with it",
        why="UPDATE and DELETE are refused where the table is published; the ORM's identity may be ambiguous",
        instead="put the new key in place in the same transaction, over an index built CONCURRENTLY",
        bad='op.drop_constraint("documents_pkey", "documents", type_="primary")',
        good="op.execute(\"COMMENT ON CONSTRAINT documents_pkey ON documents IS 'the key'\")",
    ),
)
def drop_primary_key(context: Context) -> Iterator[Hit]:
    """Also when another key takes its place: lookups by the old one lose their index."""
    for place, change in changed(context, Action.DROPPED, Kind.PRIMARY_KEY):
        found = place.revision.before.get(change.kind, change.object)
        columns = ", ".join(advice.texts(found, "columns")) if found is not None else ""
        message = f"drops the primary key ({columns}) of {change.parent}"
        yield Hit(place, change.object, message, allowed(place, "drop-primary-key", change, "what identifies rows"))


@rule(
    "drop-not-null",
    Section.DROP,
    About(
        catches="a column that existed before the run may be NULL from now on",
        effect="ACCESS EXCLUSIVE for an instant",
        why="a running release that was written for values gets NULLs that it cannot read",
        instead="deploy code that takes NULL first",
        severity=Severity.NOTE,
        bad='op.alter_column("users", "email", nullable=True)',
        good='op.add_column("users", sa.Column("phone", sa.Text(), nullable=True))',
    ),
)
def drop_not_null(context: Context) -> Iterator[Hit]:
    """Judged by the catalog."""
    for place, change, nullable in altered_lastingly(context, Kind.COLUMN, "nullable"):
        if nullable.to is True:
            message = f"{column_and_table(change.object)} may be NULL from now on"
            fix = advice.intent("drop-not-null", change.object, "since which release NULL can be read")
            again = advice.not_null_by_check(change.object)
            yield Hit(place, change.object, message, f"{fix}\n{advice.back(again)}")


@rule(
    "drop-default",
    Section.DROP,
    About(
        catches="a column that existed before the run loses its default",
        effect="ACCESS EXCLUSIVE for an instant",
        why="INSERTs of the running release that leave the column out get NULL, or fail where it is NOT NULL",
        instead="deploy code that always gives a value first",
        bad='op.alter_column("users", "balance", server_default=None)',
        good='op.add_column("users", sa.Column("score", sa.Integer(), server_default="0"))',
    ),
)
def drop_default(context: Context) -> Iterator[Hit]:
    """Becoming an identity or generated column is something else."""
    for place, change, default in altered_lastingly(context, Kind.COLUMN, "default"):
        if default.to is not None or attribute(change, "identity") or attribute(change, "generated"):
            continue
        column = place.find(Kind.COLUMN, change.object)
        fails = column is not None and column.attributes.get("nullable") is False
        then = "INSERTs without it fail" if fails else "INSERTs without it get NULL"
        message = f"{column_and_table(change.object)} has no default any more: {then}"
        reason = "since which release every INSERT gives a value"
        yield Hit(place, change.object, message, allowed(place, "drop-default", change, reason))


@rule(
    "change-default",
    Section.DROP,
    About(
        severity=Severity.NOTE,
        catches="a column that existed before the run gets another default",
        effect="ACCESS EXCLUSIVE for an instant; existing rows keep their values",
        why="until every process runs the new release both values are written",
        instead="make sure that the running release can read the new value",
        bad='op.alter_column("users", "balance", server_default="10")',
        good='op.add_column("users", sa.Column("score", sa.Integer(), server_default="0"))',
    ),
)
def change_default(context: Context) -> Iterator[Hit]:
    """From one default to another, or from none to one."""
    for place, change, default in altered_lastingly(context, Kind.COLUMN, "default"):
        if default.to is not None and not attribute(change, "type"):
            name, before = column_and_table(change.object), default.from_
            message = f"the default of {name} was {before} and becomes {default.to}"
            if before is None:
                message = f"{name} had no default, and gets {default.to}"
            fix = advice.intent("change-default", change.object, "since which release the new value can be read")
            yield Hit(place, change.object, message, fix)
