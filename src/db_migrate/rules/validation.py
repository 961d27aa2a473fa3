"""Section D: constraints that are valid later, never, or not at all, and what they do to the running release."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import reference
from db_migrate.rules import advice
from db_migrate.rules.constraints import WITHOUT_KEY, added, builds_index, new_columns, referenced_table
from db_migrate.rules.context import Context, Hit, Place, locked
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import attribute, changed
from db_migrate.rules.names import last, owner_of, tail
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import LockMode

CHECKED = (Kind.CHECK, Kind.FOREIGN_KEY, Kind.NOT_NULL)


def validated(context: Context) -> Iterator[tuple[Place, Change]]:
    """Constraints that were NOT VALID and that a statement of the run validates."""
    for place, change in changed(context, Action.ALTERED, *CHECKED):
        found = attribute(change, "validated")
        if found is not None and found.to is True:
            yield place, change


def added_not_valid(context: Context) -> Iterator[tuple[Place, SchemaObject]]:
    """Constraints that the run adds to tables of before it without looking at the rows."""
    for place in context.places:
        for kind in CHECKED:
            for constraint in added(context, place, kind):
                if (
                    constraint.attributes.get("validated") is False
                    and constraint.attributes.get("enforced") is not False
                ):
                    yield place, constraint


@rule(
    "not-valid-then-validate-same-tx",
    Section.CONSTRAINT,
    About(
        catches="a constraint is added NOT VALID and validated in the same transaction",
        effect="the lock of ADD CONSTRAINT (ACCESS EXCLUSIVE, SHARE ROW EXCLUSIVE) is held through the scan",
        why="the careful way in two steps blocks as long as the careless one in one step",
        instead="validate in a transaction of its own: an autocommit block, or the next revision",
        bad="""
op.create_check_constraint("users_balance_check", "users", "balance >= 0", postgresql_not_valid=True)
op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_balance_check")
""",
        good="""
op.create_check_constraint("users_balance_check", "users", "balance >= 0", postgresql_not_valid=True)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_balance_check")
""",
    ),
)
def not_valid_then_validate_same_tx(context: Context) -> Iterator[Hit]:
    """By the lock that is really held while the validation scans."""
    made = {constraint.name: place for place, constraint in added_not_valid(context)}
    for place, change in validated(context):
        table = owner_of(change.object)
        adding = made.get(change.object)
        same = adding is not None and adding.statement.transaction == place.statement.transaction
        if same and table in place.effects.scans and not context.exempt(place, table):
            message = f"looks at every row of {context.size(place, table)} while the lock of ADD CONSTRAINT is held"
            yield Hit(
                place,
                change.object,
                message,
                advice.validate(table, change.object),
                context.block_severity(place),
            )


@rule(
    "constraint-never-validated",
    Section.CONSTRAINT,
    About(
        severity=Severity.NOTE,
        catches="a constraint is added NOT VALID and nothing in the run validates it",
        effect="new rows are checked; the planner, and a later SET NOT NULL, cannot rely on it",
        why="what is not scheduled is forgotten; the old rows may violate it for years",
        instead="add the validation as the next revision",
        bad='op.create_check_constraint("users_balance_check", "users", "balance >= 0", postgresql_not_valid=True)',
        good="""
op.create_check_constraint("users_balance_check", "users", "balance >= 0", postgresql_not_valid=True)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_balance_check")
""",
    ),
)
def constraint_never_validated(context: Context) -> Iterator[Hit]:
    """Judged at the end of the run."""
    for place, constraint in added_not_valid(context):
        final = context.trace.after.get(constraint.kind, constraint.name)
        if final is not None and final.attributes.get("validated") is False:
            fix = advice.after(advice.validate(constraint.parent or "", constraint.name))
            yield Hit(place, constraint.name, f"{constraint.name} stays NOT VALID", fix)


@rule(
    "validate-constraint-scan",
    Section.CONSTRAINT,
    About(
        severity=Severity.NOTE,
        catches="VALIDATE CONSTRAINT on a table with rows",
        effect="SHARE UPDATE EXCLUSIVE while the table is scanned: reads and writes go on, vacuum and DDL wait",
        why="it is the right step, and a long one",
        instead="run it when there is time, in a transaction of its own",
        bad="""
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check")
""",
        good="op.execute(\"COMMENT ON CONSTRAINT invoices_amount_check ON invoices IS 'to be validated'\")",
    ),
)
def validate_constraint_scan(context: Context) -> Iterator[Hit]:
    """Proved by the scan."""
    for place, change in validated(context):
        table = owner_of(change.object)
        if table in place.effects.scans and not context.exempt(place, table):
            message = f"looks at every row of {context.size(place, table)}; reads and writes go on"
            fix = advice.intent("validate-constraint-scan", change.object, "when there is time for the scan")
            yield Hit(place, change.object, message, fix)


@rule(
    "new-constraint-rejects-old-writes",
    Section.CONSTRAINT,
    About(
        severity=Severity.NOTE,
        catches="a constraint, even a NOT VALID one, is added to a table that the running release writes to",
        effect="every INSERT and UPDATE is checked from then on",
        why="writes of the running release that were fine before are refused",
        instead="deploy code that keeps to it first",
        bad='op.create_check_constraint("users_balance_check", "users", "balance >= 0", postgresql_not_valid=True)',
        good='op.create_table("tags", sa.Column("name", sa.Text(), sa.CheckConstraint("name <> \'\'")))',
    ),
)
def new_constraint_rejects_old_writes(context: Context) -> Iterator[Hit]:
    """Not for constraints over columns that the same statement adds: old code does not write those."""
    kinds = (Kind.CHECK, Kind.FOREIGN_KEY, Kind.UNIQUE, Kind.EXCLUSION)
    for place in context.places:
        for kind in kinds:
            for constraint in added(context, place, kind):
                heir = any(
                    old.kind is kind and old.definition.removesuffix(" NOT VALID") == constraint.definition
                    for old in place.revision.before.children.get(constraint.parent or "", ())
                )
                if constraint.attributes.get("enforced") is False or heir or _only_new_columns(place, constraint):
                    continue
                message = f"writes to {constraint.parent} must satisfy {constraint.definition} from then on"
                reason = "since which release every write keeps to it"
                fix = advice.intent("new-constraint-rejects-old-writes", constraint.name, reason)
                yield Hit(place, constraint.name, message, fix)


def _only_new_columns(place: Place, constraint: SchemaObject) -> bool:
    """Whether the constraint mentions a column that this run adds, which old code leaves out."""
    columns = [f"{constraint.parent}.{name}" for name in advice.texts(constraint, "columns")]
    if not columns:
        text = advice.text(constraint, "expression")
        columns = [c for c in place.known.created if owner_of(c) == constraint.parent and tail(c) in text]
    return any(column in place.known.created for column in columns)


@rule(
    "constraint-not-enforced",
    Section.CONSTRAINT,
    About(
        catches="a constraint that is NOT ENFORCED",
        effect="nothing is checked, neither old rows nor new ones",
        why="it looks like integrity and is none",
        instead="NOT VALID, which checks new rows, or no constraint at all",
        versions="18 and later",
        since=18,
        bad='op.execute("ALTER TABLE users ADD CONSTRAINT users_balance_check CHECK (balance >= 0) NOT ENFORCED")',
        good='op.create_check_constraint("users_balance_check", "users", "balance >= 0", postgresql_not_valid=True)',
    ),
)
def constraint_not_enforced(context: Context) -> Iterator[Hit]:
    """In new tables too."""
    for place in context.places:
        for kind in (Kind.CHECK, Kind.FOREIGN_KEY):
            for constraint in added(context, place, kind, anywhere=True):
                if constraint.attributes.get("enforced") is False:
                    message = f"{constraint.name} is not enforced: nothing is checked"
                    yield Hit(place, constraint.name, message, _enforced(context, place, constraint))


def _enforced(context: Context, place: Place, constraint: SchemaObject) -> str:
    """The constraint kept to; in a new table, which is empty, at once."""
    if not context.fresh(place, constraint.parent or ""):
        return advice.not_valid_then_validate(constraint)
    name, definition = tail(constraint.name), advice.enforced(constraint)
    alter = f"ALTER TABLE {constraint.parent} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition}"
    return advice.after(advice.execute(alter))


@rule(
    "add-primary-key",
    Section.CONSTRAINT,
    About(
        catches="a primary key that builds its own index is added to a table with rows",
        effect="ACCESS EXCLUSIVE while the index is built, and while every row is checked for NULL",
        why="nobody can read or write the table until then",
        instead="build a unique index CONCURRENTLY, then ADD PRIMARY KEY USING INDEX",
        bad='op.create_primary_key("audit_pkey", "audit", ["id"])',
        good="""
with op.get_context().autocommit_block():
    op.execute("CREATE UNIQUE INDEX CONCURRENTLY invoices_pkey ON invoices (number)")
op.execute("ALTER TABLE invoices ADD CONSTRAINT invoices_pkey PRIMARY KEY USING INDEX invoices_pkey")
""",
    ),
)
def add_primary_key(context: Context) -> Iterator[Hit]:
    """Proved by the index build; a key over a new identity column is rewritten as a whole anyway."""
    for place in context.places:
        for key in added(context, place, Kind.PRIMARY_KEY):
            relation = owner_of(key.name)
            if builds_index(place, key) and not new_columns(place, key):
                message = (
                    f"builds the index of {last(key.name)} on {context.size(place, relation)} while everybody waits"
                )
                yield Hit(place, key.name, message, _careful_key(place, key), context.block_severity(place))


def _nullable_columns(place: Place, key: SchemaObject) -> list[str]:
    """Those of the key's columns that took NULL until this statement."""
    columns = [f"{key.parent}.{name}" for name in advice.texts(key, "columns")]
    before = ((name, place.revision.before.get(Kind.COLUMN, name)) for name in columns)
    nullable = [name for name, column in before if column is not None and column.attributes.get("nullable") is True]
    earlier = place.revision.statements[: place.index]
    set_since = {change.object for s in earlier for change in s.effects.changes if _sets_not_null(change)}
    return [name for name in nullable if name not in set_since]


def _sets_not_null(change: Change) -> bool:
    found = attribute(change, "nullable") if change.kind is Kind.COLUMN else None
    return found is not None and found.to is False


def _careful_key(place: Place, key: SchemaObject) -> str:
    steps = [advice.not_null_by_check(column) for column in _nullable_columns(place, key)]
    return "\n".join((*steps, advice.unique_using_index(key)))


@rule(
    "primary-key-nullable-column",
    Section.CONSTRAINT,
    About(
        catches="a primary key over a column that may be NULL so far",
        effect="a hidden SET NOT NULL: a scan under ACCESS EXCLUSIVE, also with USING INDEX",
        why="what was meant to be instant looks at every row while everybody waits, and fails on the first NULL",
        instead="make the column NOT NULL by a validated CHECK first",
        bad='op.create_primary_key("audit_pkey", "audit", ["id"])',
        good="""
with op.get_context().autocommit_block():
    op.execute("CREATE UNIQUE INDEX CONCURRENTLY invoices_pkey ON invoices (number)")
op.execute("ALTER TABLE invoices ADD CONSTRAINT invoices_pkey PRIMARY KEY USING INDEX invoices_pkey")
""",
    ),
)
def primary_key_nullable_column(context: Context) -> Iterator[Hit]:
    """Columns that took NULL before this very statement."""
    for place in context.places:
        for key in added(context, place, Kind.PRIMARY_KEY):
            for column in _nullable_columns(place, key):
                relation = owner_of(key.name)
                if relation not in place.effects.scans:
                    continue
                message = f"looks at every row of {context.size(place, relation)}, since {last(column)} may be NULL"
                fix = advice.before(advice.not_null_by_check(column))
                yield Hit(place, column, message, fix, context.block_severity(place))


@rule(
    "add-exclusion-constraint",
    Section.CONSTRAINT,
    About(
        catches="an exclusion constraint is added to a table with rows",
        effect="ACCESS EXCLUSIVE while the index is built; there is neither NOT VALID nor USING INDEX for it",
        why="nobody can read or write the table until the index is built",
        instead="a new table with the constraint, filled in batches; or a quiet hour",
        bad="""
op.execute("ALTER TABLE audit ADD CONSTRAINT audit_once EXCLUDE USING btree (id WITH =)")
""",
        good="""
op.execute("CREATE TABLE bookings (during tstzrange, EXCLUDE USING gist (during WITH &&))")
""",
    ),
)
def add_exclusion_constraint(context: Context) -> Iterator[Hit]:
    """Proved by the index build."""
    for place in context.places:
        for exclusion in added(context, place, Kind.EXCLUSION):
            relation = owner_of(exclusion.name)
            message = (
                f"builds the index of {last(exclusion.name)} on {context.size(place, relation)} while everybody waits"
            )
            reason = "how long the build takes on a copy, and in which quiet hour"
            fix = advice.intent("add-exclusion-constraint", exclusion.name, reason)
            yield Hit(place, exclusion.name, message, fix, context.block_severity(place))


@rule(
    "deterministic-collation-fk",
    Section.CONSTRAINT,
    About(
        catches="a foreign key between columns of which one has a nondeterministic collation",
        effect="18 and later refuse it unless both columns have the same collation",
        why="what is equal for one side need not be for the other; the revision fails on a newer server",
        instead="the same deterministic collation on both sides",
        versions="18 and later",
        until=17,
        bad="""
op.execute("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
op.execute("CREATE TABLE codes (code text COLLATE ci PRIMARY KEY)")
op.execute("CREATE TABLE uses (code text COLLATE ci REFERENCES codes (code) ON DELETE RESTRICT)")
""",
        good="""
op.execute("CREATE TABLE codes (code text PRIMARY KEY)")
op.execute("CREATE TABLE uses (code text REFERENCES codes (code) ON DELETE RESTRICT)")
""",
    ),
)
def deterministic_collation_fk(context: Context) -> Iterator[Hit]:
    """By the collations of both sides as stored."""
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY, anywhere=True):
            parent, others = reference(advice.text(key, "referenced"))
            columns = [f"{key.parent}.{name}" for name in advice.texts(key, "columns")]
            columns += [f"{parent}.{name}" for name in others]
            for column in columns:
                if _is_nondeterministic(place, column):
                    reason = "which collation both columns have, so that 18 takes it"
                    fix = advice.intent("deterministic-collation-fk", key.name, reason)
                    yield Hit(place, key.name, f"{column} has a nondeterministic collation", fix)
                    break


def _is_nondeterministic(place: Place, column: str) -> bool:
    found = place.find(Kind.COLUMN, column)
    collation = advice.text(found, "collation") if found is not None else ""
    item = place.find(Kind.COLLATION, collation) if collation else None
    return item is not None and "deterministic = false" in item.definition.lower().replace("'", "")


@rule(
    "foreign-key-locks-referenced",
    Section.CONSTRAINT,
    About(
        severity=Severity.NOTE,
        catches="a foreign key, NOT VALID or not, is added to a table of before the run",
        effect="SHARE ROW EXCLUSIVE on the referenced table as well: its writes wait too",
        why="the lock queue forms on a table that the statement hardly names",
        instead="one foreign key per transaction, with a short lock_timeout",
        bad="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)
""",
        good="""
op.create_check_constraint("audit_actor_id_check", "audit", "actor_id > 0", postgresql_not_valid=True)
""",
    ),
)
def foreign_key_locks_referenced(context: Context) -> Iterator[Hit]:
    """Proved by the lock."""
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY):
            parent = referenced_table(key)
            mode = locked(place, parent, LockMode.SHARE_ROW_EXCLUSIVE)
            if mode is not None and parent != key.parent and not context.exempt(place, parent):
                fix = advice.intent("foreign-key-locks-referenced", key.name, f"when writes to {parent} may wait")
                yield Hit(place, key.name, f"takes {mode} on {context.size(place, parent)} too", fix)


@rule(
    "create-table-with-foreign-key",
    Section.CONSTRAINT,
    About(
        severity=Severity.NOTE,
        catches="a new table references a table of before the run",
        effect="SHARE ROW EXCLUSIVE on the referenced table until the transaction ends",
        why="a harmless CREATE TABLE queues the writes of a busy table behind it",
        instead="create the table without the key, add the key in a transaction of its own",
        bad="""
op.create_table(
    "logins", sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
)
""",
        good='op.create_table("logins", sa.Column("user_id", sa.BigInteger()))',
    ),
)
def create_table_with_foreign_key(context: Context) -> Iterator[Hit]:
    """Proved by the lock."""
    for place in context.places:
        for change in place.changes(Kind.TABLE, Action.CREATED):
            for key in place.revision.after.children.get(change.object, ()):
                if key.kind is not Kind.FOREIGN_KEY:
                    continue
                parent = referenced_table(key)
                if locked(place, parent, LockMode.SHARE_ROW_EXCLUSIVE) and not context.exempt(place, parent):
                    message = f"the new table {change.object} locks {context.size(place, parent)} against writes"
                    fix = f"{WITHOUT_KEY}\n{advice.autocommit(advice.foreign_key(key))}"
                    yield Hit(place, key.name, message, fix)
