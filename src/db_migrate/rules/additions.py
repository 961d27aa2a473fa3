"""Section A: what comes with a new column - rewrites, scans and constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import literal, mentions, replace_names
from db_migrate.rules import advice, batches, domains, grammar, retyping
from db_migrate.rules.columns import added, is_rewritten
from db_migrate.rules.constraints import builds_index, referenced_table
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import beside, last, made, owner_of, quote, tail
from db_migrate.rules.registry import About, Section, opt_in, rule

_REWRITE = "ACCESS EXCLUSIVE while every row and every index is written again"
_BLOCKS = "nobody can read or write the table until the copy is done"


def _rewriting(
    context: Context, cause: Callable[[Place, SchemaObject], bool], described: str
) -> Iterator[tuple[Place, SchemaObject, str]]:
    """New columns of that sort with which the table was written anew, and the message."""
    for place in context.places:
        for column in added(context, place):
            relation = owner_of(column.name)
            if is_rewritten(place, relation) and cause(place, column):
                yield place, column, f"rewrites {context.size(place, relation)}: {last(column.name)} {described}"


def _default(column: SchemaObject) -> str:
    return advice.text(column, "default")


def is_serial(place: Place, column: SchemaObject) -> bool:
    """Whether the default draws from a sequence that the column owns."""
    default = _default(column)
    return default.startswith("nextval(") and any(
        item.kind is Kind.SEQUENCE and item.attributes.get("owned_by") == column.name for item in place.revision.after
    )


def is_constrained_domain(place: Place, column: SchemaObject) -> bool:
    """Whether the type is a domain that demands something, or is made of one that does."""
    domain = place.find(Kind.DOMAIN, advice.text(column, "type"))
    while domain is not None:
        made_of = domains.parts_of(domain.definition)
        if made_of.checks or made_of.required:
            return True
        domain = place.find(Kind.DOMAIN, made_of.base)
    return False


def _is_volatile(place: Place, column: SchemaObject) -> bool:
    return grammar.calls_more_than_the_clock(_default(column)) and not is_serial(place, column)


def _fill_later(column: SchemaObject) -> str:
    return batches.add_and_fill(column, _default(column))


@rule(
    "add-column-volatile-default",
    Section.ADD_COLUMN,
    About(
        catches="a column is added with a default that is another one for each row",
        effect=_REWRITE,
        why=_BLOCKS,
        instead="add it without the default, set the default for new rows, fill the old ones in batches",
        versions="11 and later; before, any default. now() is the same for all rows and rewrites nothing",
        general="rewrite-under-lock",
        bad='op.add_column("users", sa.Column("token", sa.Uuid(), server_default=sa.text("gen_random_uuid()")))',
        good="""
op.add_column("users", sa.Column("token", sa.Uuid()))
op.alter_column("users", "token", server_default=sa.text("gen_random_uuid()"))
""",
    ),
)
def add_column_volatile_default(context: Context) -> Iterator[Hit]:
    """Proved by the rewrite."""
    for place, column, message in _rewriting(context, _is_volatile, "has a default for each row"):
        yield Hit(place, column.name, message, _fill_later(column), context.block_severity(place))


@rule(
    "add-column-constant-default-old-pg",
    Section.ADD_COLUMN,
    About(
        catches="a column is added with any default, and the target is PostgreSQL 10 or older",
        effect=_REWRITE,
        why=_BLOCKS,
        instead="add it without the default, set the default for new rows, fill the old ones in batches",
        versions="10 and older only",
        needs_facts=True,
        general="rewrite-under-lock",
        bad='op.add_column("users", sa.Column("plan", sa.Text(), server_default="free"))',
        good='op.add_column("users", sa.Column("plan", sa.Text()))',
    ),
)
def add_column_constant_default_old_pg(context: Context) -> Iterator[Hit]:
    """The proof runs on a newer server, which does not rewrite; so the target's version decides."""
    if context.major > 10:
        return
    for place in context.places:
        for column in added(context, place):
            if _default(column):
                relation = owner_of(column.name)
                message = f"rewrites {context.size(place, relation)}: PostgreSQL {context.major} stores every default"
                yield Hit(place, column.name, message, _fill_later(column), context.block_severity(place))


@rule(
    "add-column-serial",
    Section.ADD_COLUMN,
    About(
        catches="a serial or bigserial column is added to a table with rows",
        effect=_REWRITE,
        why=_BLOCKS,
        instead="add a plain column and a sequence, set the default for new rows, number the old ones in batches",
        general="rewrite-under-lock",
        bad='op.execute("ALTER TABLE audit ADD COLUMN number bigserial")',
        good="""
op.execute("CREATE SEQUENCE audit_number_seq")
op.execute("ALTER TABLE audit ADD COLUMN number bigint")
op.execute("ALTER TABLE audit ALTER COLUMN number SET DEFAULT nextval('audit_number_seq')")
""",
    ),
)
def add_column_serial(context: Context) -> Iterator[Hit]:
    """A serial is a default over a sequence that the column owns."""
    for place, column, message in _rewriting(context, is_serial, "is a serial, numbered row by row"):
        yield Hit(place, column.name, message, _numbered_later(column), context.block_severity(place))


def _numbered_later(column: SchemaObject) -> str:
    sequence = _sequence_of(column)
    return "\n".join(
        (
            advice.execute(f"CREATE SEQUENCE {sequence}"),
            batches.add_and_fill(column, f"nextval({literal(sequence)})"),
            advice.execute(f"ALTER SEQUENCE {sequence} OWNED BY {column.name}"),
        )
    )


def _sequence_of(column: SchemaObject) -> str:
    return beside(column.name, last(owner_of(column.name)), last(column.name), "seq")


def _identity_later(column: SchemaObject) -> str:
    """Numbered by a sequence first, whose place the identity takes in an instant: it goes on where that has got to."""
    sequence, table, name = _sequence_of(column), owner_of(column.name), tail(column.name)
    own = f"pg_get_serial_sequence({literal(table)}, {literal(last(column.name))})"
    kind, bracket, options = advice.text(column, "identity").partition(" (")
    become = f"ADD GENERATED {kind} AS IDENTITY{bracket}{options}"
    return "\n".join(
        (
            advice.execute(f"CREATE SEQUENCE {sequence} {options.removesuffix(')')}".rstrip()),
            batches.add_and_fill(column, f"nextval({literal(sequence)})"),
            advice.execute(f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT, ALTER COLUMN {name} {become}"),
            advice.execute(f"SELECT setval({own}, nextval({literal(sequence)}))"),
            advice.execute(f"DROP SEQUENCE {sequence}"),
        )
    )


@rule(
    "add-column-identity",
    Section.ADD_COLUMN,
    About(
        catches="an identity column is added to a table with rows",
        effect=_REWRITE,
        why=_BLOCKS,
        instead="add a plain column, number the rows in batches, then make it an identity",
        versions="10 and later",
        general="rewrite-under-lock",
        bad='op.execute("ALTER TABLE audit ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY")',
        good='op.execute("ALTER TABLE audit ADD COLUMN number bigint")',
    ),
)
def add_column_identity(context: Context) -> Iterator[Hit]:
    """Judged by the column as stored."""

    def is_identity(_place: Place, column: SchemaObject) -> bool:
        return column.attributes.get("identity") is not None

    for place, column, message in _rewriting(context, is_identity, "is an identity, numbered row by row"):
        yield Hit(place, column.name, message, _identity_later(column), context.block_severity(place))


@rule(
    "add-column-generated-stored",
    Section.ADD_COLUMN,
    About(
        catches="a stored generated column is added to a table with rows",
        effect=_REWRITE,
        why=_BLOCKS,
        instead="on 18 a VIRTUAL column; else a plain one, kept by a trigger and filled in batches",
        versions="12 and later; VIRTUAL, from 18, rewrites nothing",
        general="rewrite-under-lock",
        bad='op.execute("ALTER TABLE users ADD COLUMN folded text GENERATED ALWAYS AS (lower(email)) STORED")',
        good='op.execute("ALTER TABLE users ADD COLUMN folded text")',
    ),
)
def add_column_generated_stored(context: Context) -> Iterator[Hit]:
    """Judged by the column as stored, and the rewrite."""

    def is_stored(_place: Place, column: SchemaObject) -> bool:
        return advice.text(column, "generated").startswith("STORED")

    for place, column, message in _rewriting(context, is_stored, "is computed and stored for every row"):
        yield Hit(place, column.name, message, _virtual(context, column), context.block_severity(place))


def _virtual(context: Context, column: SchemaObject) -> str:
    table, name, type_ = owner_of(column.name), tail(column.name), advice.text(column, "type")
    expression = advice.text(column, "generated").removeprefix("STORED ")
    if context.major >= 18 and not grammar.calls_user_code(expression):
        return advice.execute(f"ALTER TABLE {table} ADD COLUMN {name} {type_} GENERATED ALWAYS AS {expression} VIRTUAL")
    index = quote(made("ix", last(table), last(column.name)))
    return "# compute it where it is read, and index the expression if it is searched by:\n" + advice.autocommit(
        advice.execute(f"CREATE INDEX CONCURRENTLY {index} ON {table} ({expression})")
    )


@rule(
    "add-column-constrained-domain",
    Section.ADD_COLUMN,
    About(
        catches="a column of a domain with a constraint is added to a table with rows",
        effect=_REWRITE,
        why=_BLOCKS,
        instead="a column of the base type with a CHECK that is added NOT VALID and then validated",
        general="rewrite-under-lock",
        bad='op.execute("ALTER TABLE audit ADD COLUMN weight positive")',
        good='op.execute("ALTER TABLE audit ADD COLUMN weight integer")',
    ),
)
def add_column_constrained_domain(context: Context) -> Iterator[Hit]:
    """Proved by the rewrite: PostgreSQL checks the domain for every row, even for NULL."""
    for place, column, message in _rewriting(context, is_constrained_domain, "is of a domain that is checked per row"):
        domain = place.find(Kind.DOMAIN, advice.text(column, "type"))
        fix = _of_its_base_type(column, domain) if domain is not None else ""
        yield Hit(place, column.name, message, fix, context.block_severity(place))


def _of_its_base_type(column: SchemaObject, domain: SchemaObject) -> str:
    """The domain's type, and its constraints as those of the table."""
    table, made_of = owner_of(column.name), domains.parts_of(domain.definition)
    default = _default(column) or made_of.default
    own = replace(column, attributes={**column.attributes, "nullable": not (made_of.required and default)})
    lines = [advice.bare_column(own, made_of.base, default)]
    for number, check in enumerate(made_of.checks, 1):
        of_column = replace_names(check, {"VALUE": tail(column.name)})
        name = quote(made(last(table), last(column.name), "check", *([str(number)] if number > 1 else ())))
        lines.append(advice.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {of_column} NOT VALID"))
        lines.append(advice.validate(table, f"{table}.{name}"))
    return "\n".join(lines)


@rule(
    "add-column-inline-foreign-key",
    Section.ADD_COLUMN,
    About(
        catches="a column is added together with its foreign key",
        effect="ACCESS EXCLUSIVE on the table, SHARE ROW EXCLUSIVE on the referenced one; a scan if there is a default",
        why="both locks must be had at once, and both are held until the transaction ends",
        instead="add the column, then the foreign key NOT VALID, then validate it, in three transactions",
        severity=Severity.NOTE,
        bad='op.execute("ALTER TABLE audit ADD COLUMN user_id bigint REFERENCES users (id) ON DELETE SET NULL")',
        good="""
op.add_column("audit", sa.Column("user_id", sa.BigInteger()))
op.create_foreign_key(
    "audit_user_id_fkey", "audit", "users", ["user_id"], ["id"], ondelete="SET NULL", postgresql_not_valid=True
)
""",
    ),
)
def add_column_inline_foreign_key(context: Context) -> Iterator[Hit]:
    """A note while nothing is scanned; by the budget when a default makes PostgreSQL look at every row."""
    for place, column, key in _with_constraint(context, Kind.FOREIGN_KEY):
        relation = owner_of(column.name)
        scans = relation in place.effects.scans
        message = f"locks {referenced_table(key)} together with {context.size(place, relation)}"
        severity = context.block_severity(place) if scans else Severity.NOTE
        yield Hit(place, column.name, message, _three_steps(column, key), severity)


def _three_steps(column: SchemaObject, constraint: SchemaObject) -> str:
    return f"{advice.bare_column(column)}\n{advice.not_valid_then_validate(constraint)}"


def _with_constraint(context: Context, kind: Kind) -> Iterator[tuple[Place, SchemaObject, SchemaObject]]:
    """New columns of tables with rows, each with the constraints that came in the same statement and are about it."""
    for place in context.places:
        constraints = [place.find(kind, change.object) for change in place.changes(kind, Action.CREATED)]
        for column in added(context, place):
            for constraint in constraints:
                if constraint is not None and constraint.parent == owner_of(column.name):
                    mentioned = advice.texts(constraint, "columns") or (advice.text(constraint, "expression"),)
                    if any(mentions(text, tail(column.name)) for text in mentioned):
                        yield place, column, constraint


@rule(
    "add-column-inline-check",
    Section.ADD_COLUMN,
    About(
        catches="a column is added together with a CHECK",
        effect="ACCESS EXCLUSIVE while the whole table is scanned, even when the column has no default",
        why="nobody can read or write the table until every row has been looked at",
        instead="add the column, then the CHECK NOT VALID, then validate it",
        bad='op.execute("ALTER TABLE users ADD COLUMN score integer CHECK (score >= 0)")',
        good="""
op.add_column("users", sa.Column("score", sa.Integer()))
op.create_check_constraint("users_score_check", "users", "score >= 0", postgresql_not_valid=True)
""",
    ),
)
def add_column_inline_check(context: Context) -> Iterator[Hit]:
    """Proved by the scan."""
    for place, column, check in _with_constraint(context, Kind.CHECK):
        relation = owner_of(column.name)
        looked_at = relation in place.effects.scans or is_rewritten(place, relation)
        if looked_at and check.attributes.get("validated") is True:
            message = f"looks at every row of {context.size(place, relation)} while reads and writes wait"
            yield Hit(place, column.name, message, _three_steps(column, check), context.block_severity(place))


@rule(
    "add-column-inline-unique",
    Section.ADD_COLUMN,
    About(
        catches="a column is added together with a unique constraint",
        effect="ACCESS EXCLUSIVE while the index is built over the whole table",
        why="nobody can read or write the table until the index is built",
        instead="add the column, build a unique index CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX",
        bad='op.execute("ALTER TABLE users ADD COLUMN handle text UNIQUE")',
        good="""
op.add_column("users", sa.Column("handle", sa.Text()))
with op.get_context().autocommit_block():
    op.execute("CREATE UNIQUE INDEX CONCURRENTLY users_handle_key ON users (handle)")
op.execute("ALTER TABLE users ADD CONSTRAINT users_handle_key UNIQUE USING INDEX users_handle_key")
""",
    ),
)
def add_column_inline_unique(context: Context) -> Iterator[Hit]:
    """Proved by the index build."""
    for place, column, unique in _with_constraint(context, Kind.UNIQUE):
        if builds_index(place, unique):
            relation = owner_of(column.name)
            message = f"builds an index over {context.size(place, relation)} while reads and writes wait"
            fix = f"{advice.bare_column(column)}\n{advice.unique_using_index(unique)}"
            yield Hit(place, column.name, message, fix, context.block_severity(place))


@rule(
    "add-column-json",
    Section.ADD_COLUMN,
    About(
        severity=Severity.NOTE,
        catches="a column of type json",
        effect="json keeps the text and has no equality operator",
        why="SELECT DISTINCT, UNION and GROUP BY over the row fail; json cannot be indexed by its content",
        instead="jsonb, unless blanks and the order of keys must be kept",
        bad='op.add_column("users", sa.Column("settings", postgresql.JSON()))',
        good='op.add_column("users", sa.Column("settings", postgresql.JSONB()))',
    ),
)
def add_column_json(context: Context) -> Iterator[Hit]:
    """Also in tables that the run creates: it is the type that hurts, not the lock."""
    for place in context.places:
        for column in _all_new(place):
            if advice.text(column, "type") == "json":
                message = f"{column.name} is json, which cannot be compared"
                yield Hit(place, column.name, message, retyping.of_type(context, place, column, "jsonb"))


def _all_new(place: Place) -> Iterator[SchemaObject]:
    """Every column that the statement made, those of new tables too."""
    for change in place.changes(Kind.COLUMN, Action.CREATED):
        if (column := place.find(Kind.COLUMN, change.object)) is not None:
            yield column
    for change in place.changes(Kind.TABLE, Action.CREATED):
        yield from place.revision.after.columns(change.object)


@rule(
    "add-column-any",
    Section.ADD_COLUMN,
    About(
        severity=Severity.NOTE,
        catches="any column that is added to a table of before the run",
        effect="ACCESS EXCLUSIVE for an instant",
        why="for teams in which somebody looks at every new column",
        instead="write the intent when it has been looked at",
        bad='op.add_column("users", sa.Column("phone", sa.Text()))',
        good='op.create_table("phones", sa.Column("number", sa.Text()))',
    ),
)
def add_column_any(context: Context) -> Iterator[Hit]:
    """Off until it is named."""
    for place in context.places:
        for column in added(context, place, to_empty=True):
            fix = advice.intent("add-column-any", column.name, "who looked at it")
            yield Hit(place, column.name, f"adds {column.name} ({advice.text(column, 'type')})", fix)


opt_in("add-column-any")
