"""Section E: indexes that are built, dropped and rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.rules import advice, grammar, rewriting
from db_migrate.rules.context import Context, Hit, Place, locked
from db_migrate.rules.estimate import bytes_in_words, seconds_in_words
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import failed_sql, subject
from db_migrate.rules.names import beside, last, made, quote, schema_of, tail
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import LockMode


def built(context: Context, place: Place) -> Iterator[SchemaObject]:
    """The indexes that the statement created on relations which existed before and hold rows."""
    names = {build.index for build in place.effects.index_builds}
    made = (Action.CREATED, Action.ALTERED)  # one that waits to be attached is already part of the parent's
    for change in (each for each in place.effects.changes if each.kind is Kind.INDEX and each.action in made):
        index = place.find(Kind.INDEX, change.object)
        if index is None or index.parent is None or context.exempt(place, index.parent):
            continue
        if index.name in names:
            yield index


@rule(
    "create-index-blocking",
    Section.INDEX,
    About(
        catches="an index is built on a table with rows under a lock that stops writes",
        effect="SHARE on the table until the transaction ends; the build reads the whole table",
        why="every INSERT, UPDATE and DELETE on the table waits until the index is built",
        instead="CREATE INDEX CONCURRENTLY in an autocommit block",
        bad='op.create_index("ix_users_full_name", "users", ["full_name"])',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def create_index_blocking(context: Context) -> Iterator[Hit]:
    """CONCURRENTLY holds SHARE UPDATE EXCLUSIVE, which stops nobody; a lock from before the build counts elsewhere."""
    for place in context.places:
        for index in built(context, place):
            relation = index.parent or ""
            mode = locked(place, relation, LockMode.SHARE)
            if mode is None or is_partitioned(place, relation):
                continue
            if mode is LockMode.ACCESS_EXCLUSIVE and held_before(context, place, relation):
                continue
            waiting = " and ".join(mode.blocks)
            yield Hit(
                place,
                index.name,
                f"builds {index.name} on {context.size(place, relation)} under {mode} while {waiting} wait",
                advice.create_index_concurrently(index),
                context.block_severity(place),
            )


def is_partitioned(place: Place, relation: str) -> bool:
    """Whether the relation is a partitioned parent, which has no CONCURRENTLY."""
    table = place.find(Kind.TABLE, relation)
    return table is not None and table.attributes.get("partition_key") is not None


def held_before(context: Context, place: Place, relation: str) -> bool:
    """Whether an earlier statement of the same transaction holds the relation under ACCESS EXCLUSIVE."""
    since = context.exclusive_since[id(place.revision), place.statement.transaction]
    return since.get(relation, place.index) < place.index


@rule(
    "index-create-exclusive-tx",
    Section.INDEX,
    About(
        catches="an index is built after another statement of the transaction has locked the table exclusively",
        effect="ACCESS EXCLUSIVE is held during the build",
        why="what would have stopped writes only stops reads too",
        instead="build the index CONCURRENTLY, in a transaction of its own",
        general="create-index-blocking",
        bad="""
op.add_column("users", sa.Column("phone", sa.Text()))
op.create_index("ix_users_full_name", "users", ["full_name"])
""",
        good="""
op.add_column("users", sa.Column("phone", sa.Text()))
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def index_create_exclusive_tx(context: Context) -> Iterator[Hit]:
    """By the locks that are really held."""
    for place in context.places:
        for index in built(context, place):
            relation = index.parent or ""
            if held_before(context, place, relation) and not is_partitioned(place, relation):
                yield Hit(
                    place,
                    index.name,
                    f"builds {index.name} on {context.size(place, relation)} while ACCESS EXCLUSIVE is held",
                    advice.create_index_concurrently(index),
                    context.block_severity(place),
                )


@rule(
    "drop-index-blocking",
    Section.INDEX,
    About(
        catches="an index of a table with rows is dropped without CONCURRENTLY",
        effect="ACCESS EXCLUSIVE on the table until the transaction ends",
        why="short in itself, but it waits behind every running query, and everybody waits behind it",
        instead="DROP INDEX CONCURRENTLY in an autocommit block",
        bad='op.drop_index("ix_users_nickname", table_name="users")',
        good="""
with op.get_context().autocommit_block():
    op.drop_index("ix_users_nickname", table_name="users", postgresql_concurrently=True)
""",
    ),
)
def drop_index_blocking(context: Context) -> Iterator[Hit]:
    """By the lock; an index that goes with its table is not meant."""
    for place in context.places:
        for change in place.changes(Kind.INDEX, Action.DROPPED):
            relation = change.parent or ""
            gone = relation in place.effects.dropped or change.object not in place.effects.dropped
            if gone or context.exempt(place, relation) or not locked(place, relation, LockMode.ACCESS_EXCLUSIVE):
                continue
            message = f"drops {change.object} of {context.size(place, relation)} under ACCESS EXCLUSIVE"
            fix = advice.drop_index_concurrently(change.object, relation)
            if is_partitioned(place, relation):
                reason = "when readers and writers may wait: a partitioned index has no CONCURRENTLY"
                fix = advice.intent("drop-index-blocking", change.object, reason)
            yield Hit(place, change.object, message, fix)


@rule(
    "reindex-blocking",
    Section.INDEX,
    About(
        catches="an index of a table with rows is built anew under a lock that stops writes",
        effect="SHARE on the table, ACCESS EXCLUSIVE on the index: readers that would use it wait as well",
        why="writes, and most reads, wait until the index is built",
        instead="REINDEX ... CONCURRENTLY in an autocommit block",
        versions="CONCURRENTLY from 12",
        bad='op.execute("REINDEX INDEX ix_users_nickname")',
        good="""
with op.get_context().autocommit_block():
    op.execute("REINDEX INDEX CONCURRENTLY ix_users_nickname")
""",
    ),
)
def reindex_blocking(context: Context) -> Iterator[Hit]:
    """An index that existed, was built, and nothing else happened to the table."""
    for place in context.places:
        if place.effects.changes or place.effects.rewrites or place.effects.truncated:
            continue
        for build in place.effects.index_builds:
            if context.exempt(place, build.relation) or not locked(place, build.relation, LockMode.SHARE):
                continue
            yield Hit(
                place,
                build.index,
                f"builds {build.index} of {context.size(place, build.relation)} anew while writes wait",
                advice.autocommit(advice.execute(f"REINDEX INDEX CONCURRENTLY {build.index}")),
                context.block_severity(place),
            )


@rule(
    "concurrently-leaves-invalid-index",
    Section.INDEX,
    About(
        severity=Severity.NOTE,
        catches="an index is built CONCURRENTLY with nothing that clears away a failed attempt",
        effect="a failed build leaves an INVALID index of that name; IF NOT EXISTS then keeps it for good",
        why="a second run fails, or silently keeps an index that nothing uses but every write maintains",
        instead="DROP INDEX CONCURRENTLY IF EXISTS before it; db-migrate repair does so by itself",
        bad="""
with op.get_context().autocommit_block():
    op.create_index(
        "ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True, if_not_exists=True
    )
""",
        good="""
with op.get_context().autocommit_block():
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_users_full_name")
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def concurrently_leaves_invalid_index(context: Context) -> Iterator[Hit]:
    """Fires where IF NOT EXISTS would keep the wreck; a plain second CREATE fails loudly and needs no finding."""
    for place in context.places:
        for node in grammar.nodes(place.statement.sql, "IndexStmt"):
            if not (node.concurrent and node.if_not_exists):
                continue
            name = subject(context, place)
            drop = advice.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            message = f"a failed build would leave {name} INVALID, and IF NOT EXISTS would keep it so"
            build = advice.execute(rewriting.without_if_not_exists(place.statement.sql))
            yield Hit(place, name, message, advice.autocommit(drop, build))


@rule(
    "index-corruption-version",
    Section.INDEX,
    About(
        severity=Severity.ERROR,
        catches="an index is built CONCURRENTLY on PostgreSQL 14.0 to 14.3",
        effect="rows changed meanwhile may be missing in the index (fixed in 14.4)",
        why="queries silently miss rows",
        instead="update the server to 14.4 or later first",
        versions="14.0 to 14.3",
        needs_facts=True,
        bad="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def index_corruption_version(context: Context) -> Iterator[Hit]:
    """By the target's version."""
    if not 140000 <= context.facts.server_version < 140004:
        return
    for place in context.places:
        concurrent = any(node.concurrent for node in grammar.nodes(place.statement.sql, "IndexStmt"))
        if concurrent or "CONCURRENTLY" in place.statement.sql.upper().split("REINDEX")[-1:][0]:
            for build in place.effects.index_builds:
                message = f"{build.index} may miss rows: PostgreSQL 14.0 to 14.3 corrupts such indexes"
                yield Hit(place, build.index, message, "# update the server to 14.4 or later first")


@rule(
    "drop-constraint-backing-index",
    Section.INDEX,
    About(
        severity=Severity.ERROR,
        catches="DROP INDEX of the index behind a constraint",
        effect="refused (2BP01)",
        why="the revision fails every time",
        instead="drop the constraint",
        bad='op.drop_index("users_pkey", table_name="users")',
        good='op.execute("ALTER INDEX users_pkey SET (fillfactor = 80)")',
    ),
)
def drop_constraint_backing_index(context: Context) -> Iterator[Hit]:
    """PostgreSQL's own refusal on scratch."""
    for place in context.places:
        error = place.error
        if error is None or error.sqlstate != "2BP01" or "drop_stmt" not in grammar.kinds(failed_sql(place)):
            continue
        name = subject(context, place)
        for kind in (Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.EXCLUSION):
            for item in place.revision.before:
                same_schema = schema_of(item.parent or "") == schema_of(name)
                if item.kind is kind and same_schema and tail(item.name) == tail(name):
                    fix = _constraint_dropped(place.revision.before, item)
                    yield Hit(place, name, f"{name} is the index of the constraint {item.name}", fix)


def _constraint_dropped(catalog: Catalog, constraint: SchemaObject) -> str:
    """Without the foreign keys that rely on it, which would stop it."""
    over = f"{constraint.parent}({', '.join(advice.texts(constraint, 'columns'))})"
    keys = [k for k in catalog if k.kind is Kind.FOREIGN_KEY and advice.text(k, "referenced") == over]
    drops = [f"ALTER TABLE {each.parent} DROP CONSTRAINT {tail(each.name)}" for each in (*keys, constraint)]
    return "\n".join(map(advice.execute, drops))


@rule(
    "index-on-partitioned-parent",
    Section.INDEX,
    About(
        catches="an index is built on a partitioned table",
        effect="SHARE on the parent and on every partition while all of their indexes are built; no CONCURRENTLY",
        why="writes to the whole table wait until every partition is done",
        instead="CREATE INDEX ON ONLY the parent, build CONCURRENTLY on each partition, then ATTACH PARTITION",
        versions="11 and later",
        general="create-index-blocking",
        bad='op.create_index("ix_events_kind", "events", ["kind"])',
        good="""
op.execute("CREATE INDEX ix_events_kind ON ONLY events (kind)")
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY events_2025_kind_idx ON events_2025 (kind)")
op.execute("ALTER INDEX ix_events_kind ATTACH PARTITION events_2025_kind_idx")
""",
    ),
)
def index_on_partitioned_parent(context: Context) -> Iterator[Hit]:
    """Proved by builds on partitions that existed before."""
    for place in context.places:
        for change in place.changes(Kind.INDEX, Action.CREATED):
            index = place.find(Kind.INDEX, change.object)
            relation = change.parent or ""
            builds = [b for b in place.effects.index_builds if not context.exempt(place, b.relation)]
            if index is None or not is_partitioned(place, relation) or not builds:
                continue
            yield Hit(
                place,
                index.name,
                f"builds an index on {len(builds)} partitions of {context.size(place, relation)} while writes wait",
                "\n".join((advice.execute(index.definition), *by_partition(place.revision.after, index))),
                context.block_severity(place),
            )


def by_partition(catalog: Catalog, index: SchemaObject) -> Iterator[str]:
    """The index of each partition, built without blocking writes and attached to the one ``ON ONLY`` the parent."""
    begins, _, rest = index.definition.partition(f" ON ONLY {index.parent} ")
    partitions = [
        item for item in catalog if item.kind is Kind.PARTITION and advice.text(item, "partition_of") == index.parent
    ]
    for partition in partitions:
        name = made(last(partition.name), last(index.name))
        head = f"{begins.rpartition(' INDEX ')[0]} INDEX {quote(name)} ON"
        part = replace(index, name=beside(partition.name, name), parent=partition.name)
        if partition.attributes.get("partition_key"):
            part = replace(part, definition=f"{head} ONLY {partition.name} {rest}")
            yield advice.execute(part.definition)
            yield from by_partition(catalog, part)
        else:
            yield advice.autocommit(advice.execute(advice.concurrent(f"{head} {partition.name} {rest}")))
        yield advice.execute(f"ALTER INDEX {index.name} ATTACH PARTITION {part.name}")


@rule(
    "index-build-memory-and-time",
    Section.INDEX,
    About(
        severity=Severity.NOTE,
        catches="an index is built over a large table",
        effect="the table is read as a whole and sorted in maintenance_work_mem, beyond it on disk",
        why="minutes to hours of I/O, and temporary files of the index's size",
        instead="a larger maintenance_work_mem for this session, in a quiet hour",
        needs_facts=True,
        bad='op.create_index("ix_users_full_name", "users", ["full_name"])',
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def index_build_memory_and_time(context: Context) -> Iterator[Hit]:
    """From the target's size and settings."""
    memory = context.facts.server.settings.get("maintenance_work_mem")
    raised: set[str] = set()
    for place in context.places:
        if any(name == "maintenance_work_mem" for name, _value in grammar.settings_of(place.statement.sql)):
            raised.add(place.revision.revision)
        for build in place.effects.index_builds if place.revision.revision not in raised else ():
            table = context.table(place, build.relation)
            if (
                table is None
                or context.fresh(place, build.relation)
                or table.table_bytes < context.settings.large_bytes
            ):
                continue
            seconds = context.work(place).seconds or 0.0
            message = f"reads {bytes_in_words(table.table_bytes)} and takes about {seconds_in_words(seconds)}"
            if memory:
                message = f"{message}; maintenance_work_mem is {bytes_in_words(int(memory) * 1024)}"
            fix = advice.before(advice.execute("SET maintenance_work_mem = '1GB'"))
            yield Hit(place, build.index, message, fix)
