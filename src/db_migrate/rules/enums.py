"""Section G: enums."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.catalog.tokens import literal
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import altered, refusal
from db_migrate.rules.registry import About, Section, rule


def new_labels(context: Context) -> Iterator[tuple[Place, Change, tuple[str, ...], tuple[str, ...]]]:
    """Labels that were added to enums of before the run, with all labels as they are afterwards."""
    for place, change, labels in altered(context, Kind.ENUM, "labels"):
        if isinstance(labels.from_, tuple) and isinstance(labels.to, tuple) and len(labels.to) > len(labels.from_):
            before = set(labels.from_)
            yield place, change, tuple(label for label in labels.to if label not in before), labels.to


@rule(
    "enum-add-value",
    Section.OBJECT,
    About(
        severity=Severity.NOTE,
        catches="a label is added to an enum of before the run",
        effect="only the catalog changes; PostgreSQL has no way to take a label away again",
        why="the downgrade cannot be the inverse, and the running release cannot read rows with the new label",
        instead="deploy code that can read it before anything writes it",
        versions="up to 11 not inside a transaction; from 12 its value cannot be used in the same transaction",
        bad="op.execute(\"ALTER TYPE order_state ADD VALUE 'lost' AFTER 'sent'\")",
        good="op.execute(\"COMMENT ON TYPE order_state IS 'where an order is'\")",
    ),
)
def enum_add_value(context: Context) -> Iterator[Hit]:
    """Judged by the catalog."""
    for place, change, labels, _all in new_labels(context):
        fix = advice.intent("enum-add-value", change.object, "since which release it can be read")
        yield Hit(place, change.object, f"adds {', '.join(labels)}, which cannot be taken away again", fix)


@rule(
    "enum-value-used-same-tx",
    Section.OBJECT,
    About(
        severity=Severity.ERROR,
        catches="a new enum label is used in the transaction that added it",
        effect="refused (55P04)",
        why="the revision fails every time",
        instead="add the label in an autocommit block, or in a revision of its own",
        versions="12 and later",
        bad="""
op.execute("ALTER TYPE order_state ADD VALUE 'lost'")
op.execute("INSERT INTO orders (user_id, state) SELECT 1, 'lost' WHERE false")
""",
        good="op.execute(\"CREATE TYPE colour AS ENUM ('red')\")",
    ),
)
def enum_value_used_same_tx(context: Context) -> Iterator[Hit]:
    """PostgreSQL's own refusal on scratch."""
    for place in context.places:
        error = place.error
        if error is None or error.sqlstate != "55P04":
            continue
        earlier = [p for p, *_rest in new_labels(context) if p.revision is place.revision and p.index < place.index]
        added = earlier[-1] if earlier else place
        changes = [change.object for change in added.changes(Kind.ENUM, Action.ALTERED)]
        fix = advice.in_place_of_line(added.statement.line, advice.autocommit(advice.statement(added)))
        yield Hit(place, changes[0] if changes else place.revision.revision, refusal(place), fix)


@rule(
    "enum-value-order",
    Section.OBJECT,
    About(
        severity=Severity.NOTE,
        catches="a label is added at the end of an enum",
        effect="it sorts, and compares, after all others",
        why="ORDER BY and < follow the order of the labels, and it cannot be changed afterwards",
        instead="say BEFORE or AFTER",
        bad="op.execute(\"ALTER TYPE order_state ADD VALUE 'draft'\")",
        good="op.execute(\"ALTER TYPE order_state ADD VALUE 'draft' BEFORE 'new'\")",
    ),
)
def enum_value_order(context: Context) -> Iterator[Hit]:
    """By the place that it has; AFTER the last label is a choice that the text shows."""
    for place, change, labels, every in new_labels(context):
        said = any(word in place.statement.sql.upper() for word in (" AFTER ", " BEFORE "))
        if every[-1] in labels and not said:
            before = every[-len(labels) - 1]
            add = f"ALTER TYPE {change.object} ADD VALUE {literal(every[-1])} AFTER {literal(before)}"
            yield Hit(place, change.object, f"{every[-1]} sorts after {before}", advice.execute(add))


@rule(
    "enum-creation",
    Section.OBJECT,
    About(
        severity=Severity.NOTE,
        catches="an enum type is created",
        effect="labels can be added and renamed, never removed or reordered",
        why="a list that changes is easier to keep in a table, or in a CHECK over text",
        instead="text with a CHECK, or a table that is referenced",
        bad="op.execute(\"CREATE TYPE colour AS ENUM ('red', 'green')\")",
        good='op.create_table("colours", sa.Column("name", sa.Text(), primary_key=True))',
    ),
)
def enum_creation(context: Context) -> Iterator[Hit]:
    """Judged by the catalog."""
    for place in context.places:
        for change in place.changes(Kind.ENUM, Action.CREATED):
            fix = advice.intent("enum-creation", change.object, "why none of its labels will ever have to go")
            message = f"creates the enum {change.object}, whose labels can never be removed"
            yield Hit(place, change.object, message, fix)
