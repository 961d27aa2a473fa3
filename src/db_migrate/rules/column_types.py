"""Section C: changes of a column's type and of whether it may be NULL."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action, AttributeChange
from db_migrate.catalog.objects import Kind, Value
from db_migrate.catalog.tokens import literal
from db_migrate.rules import advice, batches, grammar
from db_migrate.rules.called import texts_of
from db_migrate.rules.columns import added, fills_itself, is_rewritten
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.conversions import base_of, misfits
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import altered, attribute, changed, column_and_table
from db_migrate.rules.names import last, made, owner_of, py, quote, schema_argument, tail
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.undoing import allowed

_TIMESTAMPS = frozenset({"timestamp without time zone", "timestamp with time zone"})


def type_changes(context: Context, place: Place) -> Iterator[tuple[str, str, str]]:
    """Existing columns whose type the statement changed: the column, the type before, the type after."""
    for change in place.changes(Kind.COLUMN, Action.ALTERED):
        if context.fresh(place, change.object) or context.fresh(place, owner_of(change.object)):
            continue
        if (found := attribute(change, "type")) is not None:
            yield change.object, str(found.from_), str(found.to)


@rule(
    "set-not-null-scan",
    Section.TYPE,
    About(
        catches="SET NOT NULL on a column of a table with rows that has to look at every row",
        effect="ACCESS EXCLUSIVE while the table is scanned; none where a valid CHECK (c IS NOT NULL) proves it",
        why="nobody can read or write the table until every row has been looked at",
        instead="prove it first with a CHECK that is added NOT VALID and validated; then SET NOT NULL scans nothing",
        versions="12 and later take a valid CHECK for proof; 18 also has NOT NULL ... NOT VALID",
        bad='op.alter_column("users", "full_name", nullable=False)',
        good="""
op.create_check_constraint("users_full_name_set", "users", "full_name IS NOT NULL", postgresql_not_valid=True)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_full_name_set")
op.alter_column("users", "full_name", nullable=False)
op.drop_constraint("users_full_name_set", "users", type_="check")
""",
    ),
)
def set_not_null_scan(context: Context) -> Iterator[Hit]:
    """Proved by the scan itself."""
    for place in context.places:
        for column in (*made_not_null(place), *filled_not_null(context, place)):
            relation = owner_of(column)
            if context.exempt(place, relation) or relation not in place.effects.scans:
                continue
            yield Hit(
                place,
                column,
                f"looks at every row of {context.size(place, relation)} while reads and writes wait",
                advice.not_null_by_check(column),
                context.block_severity(place),
            )


def filled_not_null(context: Context, place: Place) -> Iterator[str]:
    """The columns that one piece of code added, filled and made NOT NULL."""
    for column in added(context, place):
        filled = owner_of(column.name) in place.effects.writes
        if filled and column.attributes.get("nullable") is False and not fills_itself(column):
            yield column.name


def made_not_null(place: Place) -> Iterator[str]:
    """The existing columns that no longer take NULL after the statement."""
    for change in place.changes(Kind.COLUMN, Action.ALTERED):
        if any(a.name == "nullable" and a.to is False for a in change.attributes):
            yield change.object


@rule(
    "change-type-rewrite",
    Section.TYPE,
    About(
        catches="a column of a table with rows gets a type that is stored differently",
        effect="ACCESS EXCLUSIVE while every row and every index is written again",
        why="nobody can read or write the table until the copy is done; it needs as much disk again, and as much WAL",
        instead="add a column of the new type, write both, fill it in batches, then let it take the old one's place",
        general="rewrite-under-lock",
        bad='op.alter_column("users", "balance", type_=sa.BigInteger())',
        good='op.alter_column("users", "nickname", type_=sa.String(200))',
    ),
)
def change_type_rewrite(context: Context) -> Iterator[Hit]:
    """Proved by the rewrite, so what is only relabelled (varchar made longer, or text) is quiet."""
    for place in context.places:
        for column, old, new in type_changes(context, place):
            relation = owner_of(column)
            rewritten = is_rewritten(place, relation) and not context.exempt(place, relation)
            if not rewritten or _by_time_zone(place, column, old, new):
                continue
            message = f"rewrites {context.size(place, relation)}: {last(column)} from {old} to {new}"
            yield Hit(place, column, message, other_column(column, new), context.block_severity(place))


def _by_time_zone(place: Place, column: str, old: str, new: str) -> bool:
    """Whether the values are converted by the session's TimeZone; not where the statement's USING says how."""
    zoned = {base_of(old)[0], base_of(new)[0]} == _TIMESTAMPS
    return zoned and grammar.using_of(place.statement.sql, last(column)) != "computed"


def other_column(column: str, new: str) -> str:
    """A column of the new type that takes the old one's place, in three revisions."""
    table, name = owner_of(column), tail(column)
    copy = quote(made(last(column), "new"))
    filling = batches.update_where(table, f"{copy} = {name}::{new}", f"{copy} IS NULL AND {name} IS NOT NULL")
    return expand_and_contract(column, copy, new, filling)


def expand_and_contract(column: str, copy: str, type_: str, filling: str) -> str:
    """Another column beside one, filled by ``filling``, until the one can go; ``copy`` is its name as SQL writes it."""
    table = owner_of(column)
    drop = f"op.drop_column({py(last(table))}, {py(last(column))}{schema_argument(table)})"
    return "\n".join(
        (
            advice.execute(f"ALTER TABLE {table} ADD COLUMN {copy} {type_}"),
            advice.later(f"every process writes both {last(column)} and {last(copy)}", filling),
            advice.later(f"nothing uses {last(column)} any more", drop),
        )
    )


@rule(
    "change-type-timestamp-tz",
    Section.TYPE,
    About(
        catches="a column changes between timestamp with and without time zone",
        effect="every value is converted by the session's TimeZone; a rewrite under ACCESS EXCLUSIVE unless it is UTC",
        why="a session with another TimeZone shifts every value, and the table is blocked while it does",
        instead="say the zone: USING c AT TIME ZONE 'UTC', with SET LOCAL timezone = 'UTC' before it",
        versions="12 and later rewrite nothing when TimeZone is UTC",
        general="rewrite-under-lock",
        bad='op.alter_column("users", "seen_at", type_=sa.DateTime(timezone=True))',
        good='op.add_column("users", sa.Column("last_seen_at", sa.DateTime(timezone=True)))',
    ),
)
def change_type_timestamp_tz(context: Context) -> Iterator[Hit]:
    """A note where nothing was rewritten: it was UTC on scratch, and may not be on the target."""
    for place in context.places:
        for column, old, new in type_changes(context, place):
            if not _by_time_zone(place, column, old, new):
                continue
            relation = owner_of(column)
            rewritten = is_rewritten(place, relation) and not context.exempt(place, relation)
            if not rewritten and _says_zone(context, place):
                continue
            zone = context.facts.server.settings.get("TimeZone", "")
            says = f" (the target's is {zone})" if zone else ""
            fix = "\n".join(
                (
                    advice.execute("SET LOCAL timezone = 'UTC'"),
                    advice.execute(f"ALTER TABLE {relation} ALTER COLUMN {tail(column)} TYPE {new}"),
                )
            )
            yield Hit(
                place,
                column,
                f"every value of {column_and_table(column)} is converted by the session's TimeZone{says}",
                fix,
                context.block_severity(place) if rewritten else Severity.NOTE,
            )


def _says_zone(context: Context, place: Place) -> bool:
    """Whether the statement, or one before it in its transaction, says which time zone is meant."""
    same = [
        each.statement
        for each in context.places
        if each.revision is place.revision
        and each.index <= place.index
        and each.statement.transaction == place.statement.transaction
    ]
    said = any(name == "timezone" for each in same for name, _value in grammar.settings_of(each.sql))
    return said or "AT TIME ZONE" in place.statement.sql.upper()


@rule(
    "change-type-narrowing",
    Section.TYPE,
    About(
        catches="a column gets a type that does not hold every value of the old one",
        effect="values that do not fit make the statement fail (22001, 22003, 22P02), or are cut by USING",
        why="it fails on the target's rows, or loses what does not fit",
        instead="check the values first: a CHECK of the new bound, added NOT VALID and validated",
        bad='op.alter_column("orders", "note", type_=sa.String(20))',
        good='op.alter_column("orders", "note", type_=sa.String(80))',
    ),
)
def change_type_narrowing(context: Context) -> Iterator[Hit]:
    """By PostgreSQL's own rules of what fits; whether any value does not is ``would-fail-on-data``."""
    for place in context.places:
        for column, old, new in type_changes(context, place):
            if context.exempt(place, owner_of(column)):
                continue
            enum = place.find(Kind.ENUM, new)
            labels = advice.texts(enum, "labels") if enum is not None else None
            if labels is not None and set(labels) >= _labels_before(place, old) != set():
                continue
            found = misfits(tail(column), old, new, labels, context.major)
            if found.refused or found.changed or found.unknown:
                message = f"not every {old} of {column_and_table(column)} is a {new}"
                yield Hit(place, column, message, _check_first(column, found.refused or found.changed))


def _labels_before(place: Place, enum: str) -> set[str]:
    """The labels of an enum as the statement found it, whatever the revision has called it before; empty for none."""
    added: set[str] = set()
    for statement in reversed(place.revision.statements[: place.index]):
        for change in (c for c in statement.effects.changes if c.kind is Kind.ENUM and c.object == enum):
            labels = attribute(change, "labels")
            added |= set(labels.to) if labels is not None and isinstance(labels.to, tuple) else set()
            enum = change.from_object or enum
    found = place.revision.before.get(Kind.ENUM, enum)
    return added | (set(advice.texts(found, "labels")) if found is not None else set())


def _check_first(column: str, offending: str) -> str:
    table = owner_of(column)
    if not offending:
        return advice.intent("change-type-narrowing", column, "how it was seen that every value fits")
    name = quote(made(last(table), last(column), "fits"))
    add = f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (NOT ({offending})) NOT VALID"
    return f"{advice.execute(add)}\n{advice.validate(table, f'{table}.{name}')}"


@rule(
    "change-type-recheck-constraint",
    Section.TYPE,
    About(
        catches="a change of type that rewrites nothing still scans the table or builds an index again",
        effect="ACCESS EXCLUSIVE while CHECKs are evaluated again and indexes are built again",
        why="a change that looks free blocks the table all the same",
        instead="a column of the new type, filled in batches, that takes the old one's place",
        bad='op.execute("ALTER TABLE invoices ALTER COLUMN number TYPE oid USING number::oid")',
        good='op.alter_column("users", "nickname", type_=sa.String(200))',
    ),
)
def change_type_recheck_constraint(context: Context) -> Iterator[Hit]:
    """Proved by a scan or an index build without a rewrite."""
    for place in context.places:
        for column, old, new in type_changes(context, place):
            relation = owner_of(column)
            builds = [b.index for b in place.effects.index_builds if b.relation == relation]
            scanned = relation in place.effects.scans
            if context.exempt(place, relation) or is_rewritten(place, relation) or not (builds or scanned):
                continue
            size = context.size(place, relation)
            message = f"looks at every row of {size}: {last(column)} from {old} to {new}"
            if builds:
                message = f"builds {', '.join(builds)} again on {size}: {last(column)} from {old} to {new}"
            yield Hit(
                place,
                column,
                message,
                other_column(column, new),
                context.block_severity(place),
            )


@rule(
    "change-collation",
    Section.TYPE,
    About(
        catches="a column gets another collation",
        effect="every index over the column is built again under ACCESS EXCLUSIVE",
        why="results come back in another order, ranges and unique keys compare differently",
        instead="say COLLATE in the queries that need it, with an index of their own",
        bad="op.execute('ALTER TABLE users ALTER COLUMN full_name TYPE text COLLATE \"C\"')",
        good="op.execute('CREATE TABLE words (word text COLLATE \"C\")')",
    ),
)
def change_collation(context: Context) -> Iterator[Hit]:
    """By the budget where an index is built again, else a plain warning."""
    for place, change, collation in altered(context, Kind.COLUMN, "collation"):
        relation = owner_of(change.object)
        message = f"{column_and_table(change.object)} sorts by {collation.to or 'the default'} from then on"
        builds = any(b.relation == relation for b in place.effects.index_builds)
        severity = context.block_severity(place) if builds and not context.exempt(place, relation) else None
        yield Hit(place, change.object, message, _collated_index(change.object, collation.to), severity)


def _collated_index(column: str, collation: Value) -> str:
    """What sorts and searches by the collation, while the column stays what it is."""
    table, wanted = owner_of(column), str(collation or 'pg_catalog."default"')
    name = quote(made("ix", last(table), last(column), last(wanted)))
    index = f"CREATE INDEX CONCURRENTLY {name} ON {table} ({tail(column)} COLLATE {wanted})"
    return advice.autocommit(advice.execute(index))


@rule(
    "drop-identity-or-expression",
    Section.TYPE,
    About(
        catches="an identity or generated column changes or becomes a plain one",
        effect="ACCESS EXCLUSIVE; SET EXPRESSION of a stored column rewrites the table",
        why="INSERTs that leave the column out get NULL or fail, those that name it are refused or let in",
        instead="deploy code that works with both first",
        versions="identity from 10, DROP EXPRESSION from 13, SET EXPRESSION from 17",
        bad='op.execute("ALTER TABLE orders ALTER COLUMN id DROP IDENTITY")',
        good='op.execute("CREATE TABLE tickets (id bigint GENERATED ALWAYS AS IDENTITY)")',
    ),
)
def drop_identity_or_expression(context: Context) -> Iterator[Hit]:
    """Judged by the catalog."""
    for place, change in changed(context, Action.ALTERED, Kind.COLUMN):
        for name in ("identity", "generated"):
            found = attribute(change, name)
            if found is None or (found.from_ is None and str(found.to).startswith("BY DEFAULT")):
                continue  # an INSERT that names the column, and one that does not, do what they did
            column = column_and_table(change.object)
            if found.from_ is None:
                message = f"{column} becomes {name} {found.to}"
            elif not found.to:
                message = f"{column} was {name} {found.from_}, and no longer is"
            else:
                message = f"{column} was {name} {found.from_}, and is {found.to}"
            fix = allowed(place, "drop-identity-or-expression", change, "since which release INSERTs work with both")
            yield Hit(place, change.object, message, fix)


@rule(
    "sequence-alter",
    Section.TYPE,
    About(
        catches="a sequence that existed before the run changes its type, bounds, step or start",
        effect="SHARE ROW EXCLUSIVE on the sequence; the numbers already given out stay",
        why="numbers may come again, run out, or not fit the column",
        instead="only ever make the range wider",
        bad='op.execute("ALTER SEQUENCE ticket_number AS integer MAXVALUE 1000 CYCLE")',
        good='op.execute("CREATE SEQUENCE invoice_number")',
    ),
)
def sequence_alter(context: Context) -> Iterator[Hit]:
    """An owner or cache alone, and a wider range, are harmless."""
    watched = ("type", "increment", "min", "max", "start", "cycle")
    for place, change in changed(context, Action.ALTERED, Kind.SEQUENCE):
        said = [f"{a.name} {a.from_} -> {a.to}" for a in change.attributes if a.name in watched and not _is_wider(a)]
        if said:
            fix = allowed(place, "sequence-alter", change, "why no number can come again or run out")
            yield Hit(place, change.object, f"{change.object}: {', '.join(said)}", fix)
    for place in context.places:
        for name in place.effects.dropped:
            if (column := _begins_again(place, name)) and not _is_set(place):
                message = f"the numbers of {column_and_table(column)} begin again: {name} is gone"
                yield Hit(place, column, message, _goes_on(column))


def _goes_on(column: str) -> str:
    """The identity told where to go on, by the rows, which the primary key finds the last of."""
    table = owner_of(column)
    own = f"pg_get_serial_sequence({literal(table)}, {literal(last(column))})"
    return advice.after(advice.execute(f"SELECT setval({own}, (SELECT max({tail(column)}) FROM {table}))"))


_WIDTHS = ("smallint", "integer", "bigint")


def _is_wider(change: AttributeChange) -> bool:
    """Whether a sequence's type or bound lets through all that it did."""
    old, new = str(change.from_), str(change.to)
    match change.name:
        case "type":
            return old in _WIDTHS and new in _WIDTHS and _WIDTHS.index(new) >= _WIDTHS.index(old)
        case "max":
            return int(new) >= int(old)
        case "min":
            return int(new) <= int(old)
    return False


def _begins_again(place: Place, sequence: str) -> str:
    """The column that drew its numbers from a dropped sequence and has become an identity; empty for none."""
    found = place.revision.before.get(Kind.SEQUENCE, sequence)
    owner = found.attributes.get("owned_by") if found is not None else None
    column = place.revision.after.get(Kind.COLUMN, owner) if isinstance(owner, str) else None
    identity = str(column.attributes.get("identity") or "START") if column is not None else "START"
    return str(owner) if "START" not in identity else ""


def _is_set(place: Place) -> bool:
    """Whether the revision says with which number to go on, from this statement on."""
    before, statements = place.revision.before, place.revision.statements
    later = (texts_of(before, statements[: end + 1]) for end in range(place.index, len(statements)))
    return any(name == "setval" for texts in later for name, _ in grammar.calls(texts))
