"""Section E: indexes that cost without use - too wide, doubled, redundant, of the wrong kind."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import inside_brackets, split_list, tokens
from db_migrate.rules import advice
from db_migrate.rules.constraint_design import leading_columns
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import last, tail
from db_migrate.rules.registry import About, Section, opt_in, rule

MAX_COLUMNS = 3
_SPATIAL = ("geometry", "geography", "point", "box", "polygon", "circle", "path")


def created(place: Place) -> Iterator[SchemaObject]:
    """The indexes that the statement made, those of new tables too, without those behind constraints."""
    for change in place.changes(Kind.INDEX, Action.CREATED):
        if (index := place.find(Kind.INDEX, change.object)) is not None:
            yield index
    for change in place.changes(Kind.TABLE, Action.CREATED):
        members = place.revision.after.children.get(change.object, ())
        for member in members:
            if member.kind is Kind.INDEX and _made_with_table(place, member.name):
                yield member


def _made_with_table(place: Place, index: str) -> bool:
    """Whether the index came with the very statement that made its table."""
    return any(build.index == index for build in place.effects.index_builds)


@rule(
    "index-too-many-columns",
    Section.INDEX,
    About(
        severity=Severity.NOTE,
        catches=f"an index that is not unique, over more than {MAX_COLUMNS} columns",
        effect="every write to any of the columns writes the index",
        why="the columns at the end hardly ever narrow a search",
        instead="the columns that are searched by equality, then one range; others in INCLUDE",
        bad='op.create_index("ix_audit_all", "audit", ["id", "happened_at", "actor_id", "detail"])',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_audit_when", "audit", ["actor_id", "happened_at"], postgresql_concurrently=True)
""",
    ),
)
def index_too_many_columns(context: Context) -> Iterator[Hit]:
    """INCLUDE columns do not count."""
    for place in context.places:
        for index in created(place):
            columns = advice.texts(index, "columns")
            if len(columns) > MAX_COLUMNS and not index.attributes.get("unique"):
                message = f"{index.name} is over {len(columns)} columns: {', '.join(columns)}"
                yield Hit(place, index.name, message, _fewer_columns(context, place, index))


def _fewer_columns(context: Context, place: Place, index: SchemaObject) -> str:
    """The first ones searched by, the others only carried along; where the kind of index can do so."""
    items = split_list(inside_brackets(index.definition))
    carried = [name for name in advice.texts(index, "columns")[MAX_COLUMNS:] if name != "<expression>"]
    if index.attributes.get("method") not in ("btree", "gist", "spgist") or len(items) != len(carried) + MAX_COLUMNS:
        return advice.intent("index-too-many-columns", index.name, "which search needs all of them")
    include = ", ".join((*carried, *advice.texts(index, "include")))
    return _built(context, place, index, f"({', '.join(items[:MAX_COLUMNS])}) INCLUDE ({include})")


def _after_brackets(text: str) -> str:
    """What follows the first pair of brackets."""
    found = tokens(text)
    begin = "".join(found[: found.index("(")])
    return text[len(begin) + len(inside_brackets(text)) + 2 :]


def _built(context: Context, place: Place, index: SchemaObject, columns: str) -> str:
    """The index over other columns, built without blocking writes unless its table is new."""
    found = tokens(index.definition)
    head = "".join(found[: found.index("(")])
    rest = _after_brackets(index.definition)
    if " INCLUDE " in columns and rest.startswith(" INCLUDE "):
        rest = _after_brackets(rest)
    definition = f"{head}{columns}{rest}"
    if context.exempt(place, index.parent or ""):
        return advice.execute(definition)
    return advice.autocommit(advice.execute(advice.concurrent(definition)))


@rule(
    "index-duplicate-column",
    Section.INDEX,
    About(
        catches="the same column twice in one index",
        effect="the second one narrows nothing",
        why="it was meant to be another column",
        instead="name each column once",
        bad='op.execute("CREATE INDEX ix_audit_twice ON audit (actor_id, happened_at, actor_id)")',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_audit_when", "audit", ["actor_id", "happened_at"], postgresql_concurrently=True)
""",
    ),
)
def index_duplicate_column(context: Context) -> Iterator[Hit]:
    """Another operator class or order for the same column may be meant."""
    for place in context.places:
        for index in created(place):
            columns = [name for name in advice.texts(index, "columns") if name != "<expression>"]
            twice = sorted({name for name in columns if columns.count(name) > 1})
            if twice and not index.attributes.get("opclass") and not index.attributes.get("order"):
                once = dict.fromkeys(split_list(inside_brackets(index.definition)))
                fix = _built(context, place, index, f"({', '.join(once)})")
                yield Hit(place, index.name, f"{index.name} has {', '.join(twice)} twice", fix)


@rule(
    "index-redundant",
    Section.INDEX,
    About(
        severity=Severity.NOTE,
        catches="a new index whose columns another index begins with",
        effect="both are written on every change",
        why="the longer one serves every search that the shorter one does",
        instead="only the longer one",
        bad='op.create_index("ix_users_nickname_again", "users", ["nickname"])',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_nickname_age", "users", ["age", "nickname"], postgresql_concurrently=True)
""",
    ),
)
def index_redundant(context: Context) -> Iterator[Hit]:
    """Plain B-tree indexes only; a unique index is there for its own sake."""
    for place in context.places:
        for index in created(place):
            if index.attributes.get("unique") or not advice.is_simple(index):
                continue
            columns = advice.texts(index, "columns")
            for other, longer in leading_columns(context.trace.after, index.parent or ""):
                simple = other.kind is not Kind.INDEX or advice.is_simple(other)
                if simple and other.name != index.name and longer[: len(columns)] == columns:
                    message = f"{other.name} ({', '.join(longer)}) serves the same searches"
                    yield Hit(place, index.name, message, "# leave this index out")
                    break


@rule(
    "index-type-fit",
    Section.INDEX,
    About(
        catches="an index of a kind that the searches over such a column cannot use",
        effect="a B-tree over a spatial or jsonb column compares whole values",
        why="it is written on every change and never read",
        instead="GiST for spatial columns; GIN for jsonb with @> and ?, a B-tree over the expression for ->>",
        bad='op.execute("CREATE INDEX ix_places_facts ON places (facts)")',
        good="""
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix_places_spot ON places USING gist (spot)")
""",
    ),
)
def index_type_fit(context: Context) -> Iterator[Hit]:
    """By the column's type and the index's method."""
    for place in context.places:
        for index in created(place):
            method = index.attributes.get("method", "btree")
            for name in advice.texts(index, "columns"):
                column = place.find(Kind.COLUMN, f"{index.parent}.{name}")
                type_ = advice.text(column, "type") if column is not None else ""
                better = _better_method(type_, str(method))
                if better:
                    sql = f"CREATE INDEX {tail(index.name)} ON {index.parent} USING {better} ({name})"
                    concurrently = advice.autocommit(advice.execute(advice.concurrent(sql)))
                    fix = advice.execute(sql) if context.exempt(place, index.parent or "") else concurrently
                    message = f"{index.name} is a {method} over {name}, which is {type_}"
                    yield Hit(place, index.name, message, fix)


def _better_method(type_: str, method: str) -> str:
    base = last(type_.partition("(")[0]) if type_ else ""
    if base in _SPATIAL and method not in ("gist", "spgist", "brin"):
        return "gist"
    if base == "jsonb" and method in ("btree", "hash"):
        return "gin"
    if base == "tsvector" and method not in ("gin", "gist"):
        return "gin"
    return "gin" if base.endswith("[]") and method == "hash" else ""


@rule(
    "drop-index-any",
    Section.INDEX,
    About(
        severity=Severity.NOTE,
        catches="any index of before the run that is dropped",
        effect="queries that used it scan from then on",
        why="for teams in which somebody looks at pg_stat_user_indexes first",
        instead="write the intent when it has been looked at",
        bad='op.drop_index("ix_users_nickname", table_name="users")',
        good='op.execute("ALTER INDEX ix_users_nickname SET (fillfactor = 80)")',
    ),
)
def drop_index_any(context: Context) -> Iterator[Hit]:
    """Off until it is named."""
    for place in context.places:
        for change in place.changes(Kind.INDEX, Action.DROPPED):
            if not context.fresh(place, change.parent or "") and change.parent not in place.effects.dropped:
                fix = advice.intent("drop-index-any", change.object, "how it was seen that nothing uses it")
                yield Hit(place, change.object, f"drops the index {change.object}", fix)


opt_in("drop-index-any")
