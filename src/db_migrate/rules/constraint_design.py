"""Section D: constraints that will not do, or cost later - missing indexes, duplicates, policies on foreign keys."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.rules import advice
from db_migrate.rules.constraints import added, referenced_table
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import last, made, owner_of, quote, tail
from db_migrate.rules.registry import About, Section, opt_in, rule


@rule(
    "unique-on-existing-data",
    Section.CONSTRAINT,
    About(
        catches="a unique index or constraint over columns that have held any value so far",
        effect="one pair of equal rows makes it fail (23505); CONCURRENTLY leaves an INVALID index behind",
        why="it fails at run time, on data that the author never saw",
        instead="look for duplicates first; db-migrate asks the target",
        bad="""
with op.get_context().autocommit_block():
    op.create_index("uq_users_nickname", "users", ["nickname"], unique=True, postgresql_concurrently=True)
""",
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def unique_on_existing_data(context: Context) -> Iterator[Hit]:
    """Silent when the target was asked: then ``would-fail-on-data`` knows."""
    if context.facts.known:
        return
    for place in context.places:
        built = {last(build.index) for build in place.effects.index_builds}
        for kind in (Kind.UNIQUE, Kind.PRIMARY_KEY, Kind.INDEX):
            for item in added(context, place, kind) if kind is not Kind.INDEX else ():
                if last(item.name) in built and not _all_null(place, item):
                    yield Hit(place, item.name, f"fails if two rows of {item.parent} are equal", _find_duplicates(item))
        for change in place.changes(Kind.INDEX, Action.CREATED):
            index = place.find(Kind.INDEX, change.object)
            if index is None or index.parent is None or not index.attributes.get("unique"):
                continue
            if _without_values(context, place, index):
                continue
            if not context.exempt(place, index.parent):
                yield Hit(place, index.name, f"fails if two rows of {index.parent} are equal", _find_duplicates(index))


def _all_null(place: Place, item: SchemaObject) -> bool:
    """Whether a column of the constraint came with the same statement and has no value in any row: NULLs differ."""
    columns = (place.find(Kind.COLUMN, c.object) for c in place.changes(Kind.COLUMN, Action.CREATED))
    empty = {last(c.name) for c in columns if c is not None and not c.attributes.get("default")}
    distinct = item.kind is Kind.UNIQUE and "NULLS NOT DISTINCT" not in item.definition
    return distinct and bool(empty & {last(name) for name in advice.texts(item, "columns")})


def _without_values(context: Context, place: Place, index: SchemaObject) -> bool:
    """Whether a column of the index is new in this run and nothing has been written to it yet: NULLs differ."""
    if index.attributes.get("nulls_not_distinct") or index.parent in place.known.written:
        return False
    columns = [place.find(Kind.COLUMN, f"{index.parent}.{name}") for name in advice.texts(index, "columns")]
    return any(
        column is not None
        and context.fresh(place, column.name)
        and not any(column.attributes.get(name) for name in ("default", "identity", "generated"))
        for column in columns
    )


def _find_duplicates(item: SchemaObject) -> str:
    columns = ", ".join(_key_of(item))
    predicate = advice.text(item, "predicate")
    where = f" WHERE {predicate}" if predicate else ""
    query = f"SELECT {columns}, count(*) FROM {item.parent}{where} GROUP BY {columns} HAVING count(*) > 1;"
    intent = advice.intent("unique-on-existing-data", item.name, "how it was seen that no two rows are equal")
    return f"-- look first, on the target:\n{query}\n# if there are none, in the revision:\n{intent}"


def _key_of(item: SchemaObject) -> Iterator[str]:
    """What the index is over, its expressions too."""
    expressions = iter(advice.texts(item, "expression"))
    for column in advice.texts(item, "columns"):
        yield next(expressions) if column == "<expression>" else column


def leading_columns(catalog: Catalog, relation: str) -> Iterator[tuple[SchemaObject, tuple[str, ...]]]:
    """The complete indexes of a relation with their columns, those behind constraints too."""
    for item in catalog.children.get(relation, ()):
        if item.kind in (Kind.PRIMARY_KEY, Kind.UNIQUE) or (
            item.kind is Kind.INDEX
            and not item.attributes.get("predicate")
            and item.attributes.get("valid") is not False
        ):
            yield item, advice.texts(item, "columns")


def _is_indexed(catalog: Catalog, key: SchemaObject) -> bool:
    wanted = set(advice.texts(key, "columns"))
    indexes = leading_columns(catalog, key.parent or "")
    return any(set(columns[: len(wanted)]) == wanted for _index, columns in indexes)


@rule(
    "foreign-key-without-index",
    Section.CONSTRAINT,
    About(
        catches="a foreign key whose columns no index begins with",
        effect="each DELETE, or UPDATE of the key, in the referenced table scans the whole referencing one",
        why="deleting one parent row takes as long as reading all children, with its row locks held",
        instead="an index over the columns, built CONCURRENTLY",
        severity=Severity.NOTE,
        bad="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)
""",
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_audit_actor_id", "audit", ["actor_id"], postgresql_concurrently=True)
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)
""",
    ),
)
def foreign_key_without_index(context: Context) -> Iterator[Hit]:
    """Judged at the end of the run, in new tables too."""
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY, anywhere=True):
            if context.trace.after.get(key.kind, key.name) is None or _is_indexed(context.trace.after, key):
                continue
            columns = advice.texts(key, "columns")
            name = made("ix", last(key.parent or ""), *map(last, columns))
            index = SchemaObject(Kind.INDEX, quote(name), key.parent, {"columns": columns})
            new = context.fresh(place, key.parent or "")
            fix = advice.after(advice.create_index(index) if new else advice.create_index_concurrently(index))
            yield Hit(place, key.name, f"no index of {key.parent} begins with {', '.join(columns)}", fix)


@rule(
    "foreign-key-nullable",
    Section.CONSTRAINT,
    About(
        severity=Severity.NOTE,
        catches="a foreign key over a column that may be NULL",
        effect="rows with NULL reference nothing and are not checked",
        why="for teams that want every child to have a parent",
        instead="NOT NULL",
        bad="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)
""",
        good="""
op.create_foreign_key(
    "orders_user_id_fkey2", "orders", "users", ["user_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)
""",
    ),
)
def foreign_key_nullable(context: Context) -> Iterator[Hit]:
    """Off until it is named; judged at the end of the run."""
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY, anywhere=True):
            for name in advice.texts(key, "columns"):
                column = context.trace.after.get(Kind.COLUMN, f"{key.parent}.{name}")
                if column is not None and column.attributes.get("nullable") is True:
                    fix = advice.after(_made_not_null(context, place, column.name))
                    yield Hit(place, key.name, f"{column.name} may be NULL and then references nothing", fix)


def _made_not_null(context: Context, place: Place, column: str) -> str:
    if context.fresh(place, owner_of(column)):
        return advice.execute(f"ALTER TABLE {owner_of(column)} ALTER COLUMN {tail(column)} SET NOT NULL")
    return advice.not_null_by_check(column)


opt_in("foreign-key-nullable")


@rule(
    "foreign-key-deferrable",
    Section.CONSTRAINT,
    About(
        severity=Severity.NOTE,
        catches="a foreign key that is not DEFERRABLE",
        effect="checked after each statement",
        why="for teams that load rows in any order within a transaction",
        instead="DEFERRABLE",
        bad="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"], ondelete="CASCADE", postgresql_not_valid=True
)
""",
        good="""
op.create_foreign_key(
    "audit_actor_id_fkey", "audit", "users", ["actor_id"], ["id"],
    ondelete="CASCADE", deferrable=True, postgresql_not_valid=True,
)
""",
    ),
)
def foreign_key_deferrable(context: Context) -> Iterator[Hit]:
    """Off until it is named."""
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY, anywhere=True):
            final = context.trace.after.get(key.kind, key.name)
            if final is not None and not final.attributes.get("deferrable"):
                alter = f"ALTER TABLE {key.parent} ALTER CONSTRAINT {tail(key.name)} DEFERRABLE"
                fix = advice.after(advice.execute(alter))
                yield Hit(place, key.name, f"{key.name} to {referenced_table(key)} is not deferrable", fix)


opt_in("foreign-key-deferrable")
