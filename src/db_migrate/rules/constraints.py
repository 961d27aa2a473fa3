"""Section D: constraints that are added to tables with rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import reference
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.grammar import says_on_delete
from db_migrate.rules.names import last, owner_of, parts, tail
from db_migrate.rules.registry import About, Section, rule


def added(context: Context, place: Place, kind: Kind, *, anywhere: bool = False) -> Iterator[SchemaObject]:
    """The constraints of the kind that the statement added to tables which existed before and are not empty.

    ``anywhere`` includes tables that this run made and empty ones, and so constraints that came with their table.
    """
    if anywhere:
        yield from _with_their_tables(place, kind)
    for change in place.changes(kind, Action.CREATED):
        found = place.find(kind, change.object)
        if found is not None and (anywhere or not context.exempt(place, owner_of(change.object))):
            yield found


def _with_their_tables(place: Place, kind: Kind) -> Iterator[SchemaObject]:
    later = place.revision.created
    for table_kind in (Kind.TABLE, Kind.PARTITION):
        for change in place.changes(table_kind, Action.CREATED):
            members = place.revision.after.children.get(change.object, ())
            yield from (member for member in members if member.kind is kind and member.name not in later)


def new_columns(place: Place, constraint: SchemaObject) -> bool:
    """Whether one of the constraint's columns came with the same statement."""
    made = {c.object for c in place.changes(Kind.COLUMN, Action.CREATED)}
    own = {f"{constraint.parent}.{name}" for name in advice.texts(constraint, "columns")}
    return bool(made & own)


def referenced_table(constraint: SchemaObject) -> str:
    """The table that a foreign key points to."""
    return reference(advice.text(constraint, "referenced"))[0]


@rule(
    "add-foreign-key-validating",
    Section.CONSTRAINT,
    About(
        catches="a foreign key is added and all existing rows are checked in the same statement",
        effect="SHARE ROW EXCLUSIVE on both tables while the referencing one is scanned against the referenced one",
        why="nobody can write to either table until every row has been checked",
        instead="add it NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own",
        versions="all; on a partitioned table NOT VALID needs 18",
        bad='op.create_foreign_key("audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE")',
        good="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE audit VALIDATE CONSTRAINT audit_actor_id_fkey")
""",
    ),
)
def add_foreign_key_validating(context: Context) -> Iterator[Hit]:
    """A foreign key over a new column without values scans nothing and is fine."""
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY):
            relation = owner_of(key.name)
            holding_rows = {relation, *leaves(place.revision.after, relation)}
            if holding_rows.isdisjoint(place.effects.scans) or new_columns(place, key):
                continue
            yield Hit(
                place,
                key.name,
                f"checks every row of {context.size(place, relation)} against {referenced_table(key)} while writes to "
                "both wait",
                _foreign_key_advice(context, place, key),
                context.block_severity(place),
            )


def _foreign_key_advice(context: Context, place: Place, key: SchemaObject) -> str:
    table = place.find(Kind.TABLE, owner_of(key.name))
    if table is not None and table.attributes.get("partition_key") and context.major < 18:
        return _by_partition(place, key)
    return advice.not_valid_then_validate(key)


def _by_partition(place: Place, key: SchemaObject) -> str:
    """Before 18 the partitioned table takes no NOT VALID key, but takes over those that its partitions have."""
    lines = []
    for name in leaves(place.revision.after, key.parent or ""):
        own = replace(key, name=f"{name}.{tail(key.name)}", parent=name)
        lines.append(advice.not_valid_then_validate(own))
    return "\n".join((*lines, advice.foreign_key(key)))


def leaves(catalog: Catalog, relation: str) -> Iterator[str]:
    """The partitions that hold rows, below partitions that are partitioned themselves too."""
    for item in catalog:
        if item.kind is Kind.PARTITION and advice.text(item, "partition_of") == relation:
            if item.attributes.get("partition_key"):
                yield from leaves(catalog, item.name)
            else:
                yield item.name


@rule(
    "add-check-validating",
    Section.CONSTRAINT,
    About(
        catches="a CHECK is added and all existing rows are checked in the same statement",
        effect="ACCESS EXCLUSIVE while the table is scanned",
        why="nobody can read or write the table until every row has been checked",
        instead="add it NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own",
        bad='op.create_check_constraint("users_balance_check", "users", "balance >= 0")',
        good="""
op.create_check_constraint("users_balance_check", "users", "balance >= 0", postgresql_not_valid=True)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_balance_check")
""",
    ),
)
def add_check_validating(context: Context) -> Iterator[Hit]:
    """A CHECK that came with its column is ``add-column-inline-check``."""
    for place in context.places:
        if any(place.changes(Kind.COLUMN, Action.CREATED)):
            continue
        for check in added(context, place, Kind.CHECK):
            relation = owner_of(check.name)
            if relation in place.effects.scans:
                yield Hit(
                    place,
                    check.name,
                    f"checks every row of {context.size(place, relation)} while reads and writes wait",
                    advice.not_valid_then_validate(check),
                    context.block_severity(place),
                )


@rule(
    "add-unique-constraint",
    Section.CONSTRAINT,
    About(
        catches="a unique constraint that builds its own index is added to a table with rows",
        effect="ACCESS EXCLUSIVE while the index is built; duplicates make it fail (23505)",
        why="nobody can read or write the table until the index is built",
        instead="build a unique index CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX",
        bad='op.create_unique_constraint("users_nickname_key", "users", ["nickname"])',
        good="""
with op.get_context().autocommit_block():
    op.execute("CREATE UNIQUE INDEX CONCURRENTLY users_nickname_key ON users (nickname)")
op.execute("ALTER TABLE users ADD CONSTRAINT users_nickname_key UNIQUE USING INDEX users_nickname_key")
""",
    ),
)
def add_unique_constraint(context: Context) -> Iterator[Hit]:
    """USING INDEX builds nothing and is quiet; a column's own UNIQUE is ``add-column-inline-unique``."""
    for place in context.places:
        for unique in added(context, place, Kind.UNIQUE):
            if new_columns(place, unique) or not builds_index(place, unique):
                continue
            yield Hit(
                place,
                unique.name,
                f"builds the index of {last(unique.name)} on {context.size(place, owner_of(unique.name))} while reads "
                "and writes wait",
                advice.unique_using_index(unique),
                context.block_severity(place),
            )


def builds_index(place: Place, constraint: SchemaObject) -> bool:
    """Whether the statement built the index behind the constraint."""
    relation = owner_of(constraint.name)
    return any(b.relation == relation and last(b.index) == last(constraint.name) for b in place.effects.index_builds)


@rule(
    "foreign-key-on-delete-review",
    Section.CONSTRAINT,
    About(
        catches="a foreign key whose text does not say ON DELETE, or whose action is not what the ORM expects",
        effect="without it NO ACTION: deleting a referenced row fails; with CASCADE or SET NULL it changes other rows",
        why="what happens to the children of a deleted row is decided here, and silently",
        instead="say what is meant: RESTRICT, CASCADE or SET NULL, and the same in the models",
        source=True,
        bad="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], postgresql_not_valid=True
)
""",
        good="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="RESTRICT", postgresql_not_valid=True
)
""",
    ),
)
def foreign_key_on_delete_review(context: Context) -> Iterator[Hit]:
    """The action is PostgreSQL's own record; only NO ACTION needs the text, to tell a choice from an omission."""
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY, anywhere=True):
            action = advice.text(key, "on_delete")
            if action == "NO ACTION" and not _is_said(place, key):
                yield Hit(
                    place,
                    key.name,
                    f"does not say what deleting a row of {referenced_table(key)} does to {key.parent}",
                    with_action(place, key, "RESTRICT"),
                )
            else:
                yield from _disagreement(context, place, key, action)


def _is_said(place: Place, key: SchemaObject) -> bool:
    columns = tuple(last(name) for name in advice.texts(key, "columns"))
    return says_on_delete(place.texts, last(key.name), columns)


def with_action(place: Place, key: SchemaObject, action: str) -> str:
    """The foreign key with that action on delete."""
    if place.revision.before.get(Kind.TABLE, key.parent or "") is None:
        return f"{WITHOUT_KEY}\n{advice.foreign_key(key, on_delete=action)}"
    return advice.foreign_key(key, on_delete=action, not_valid=key.attributes.get("validated") is False)


WITHOUT_KEY = "# leave the foreign key out of the table, and after it:"


def _disagreement(context: Context, place: Place, key: SchemaObject, action: str) -> Iterator[Hit]:
    """What SQLAlchemy does to children on delete (passive_deletes, cascade) against what the database does."""
    columns = {last(name) for name in advice.texts(key, "columns")}
    for relationship in context.facts.relationships:
        same = parts(relationship.child_table) == parts(key.parent or "") and columns == set(relationship.columns)
        if not same or relationship.viewonly or relationship.direction != "ONETOMANY":
            continue
        problem = _orm_problem(action, relationship.passive_deletes, relationship.cascade)
        if problem:
            fix = f"{advice.MODELS}, {relationship.name}:\n{_orm_advice(action)}"
            yield Hit(place, key.name, f"ON DELETE {action}, but {relationship.name} {problem}", fix)


def _orm_problem(action: str, passive_deletes: str, cascade: tuple[str, ...]) -> str:
    deletes = "delete" in cascade
    passive = passive_deletes in ("True", "all")
    if passive and action in ("NO ACTION", "RESTRICT"):
        return "has passive_deletes and leaves the children to the database, which will refuse"
    if action == "CASCADE" and not passive:
        if deletes:
            return "has no passive_deletes: it loads every child to delete it"
        return "has no passive_deletes: it loads every child to set its key NULL"
    if action.startswith("SET NULL") and deletes:
        return "deletes the children (cascade) that the database would keep with NULL"
    return ""


def _orm_advice(action: str) -> str:
    if action == "CASCADE":
        return 'relationship(cascade="all, delete-orphan", passive_deletes=True)'
    if action.startswith("SET NULL"):
        return "relationship(passive_deletes=True)"
    return 'relationship(passive_deletes=False)  # or ondelete="CASCADE" for the foreign key'
