"""Section G: partitions and inheritance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.catalog.tokens import inside_brackets, split_list, unquoted
from db_migrate.rules import advice, bounds, grammar, rewriting
from db_migrate.rules.constraints import added
from db_migrate.rules.context import Context, Hit, Place, is_table, locked
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import altered, attribute, refusal, subject
from db_migrate.rules.names import last, made, quote
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.undoing import allowed
from db_migrate.trace.effects import LockMode


def _moved(place: Place, *, into: bool) -> Iterator[str]:
    """Relations that the statement made a partition, or (``into`` False) no partition any more."""
    for change in place.changes(Kind.PARTITION, Action.ALTERED):
        found = attribute(change, "partition_of")
        if found is not None and (found.to if into else found.from_) is not None:
            yield change.object


def _parent(place: Place, partition: str) -> str:
    for catalog in (place.revision.after, place.revision.before):
        item = catalog.get(Kind.PARTITION, partition)
        if item is not None:
            return advice.text(item, "partition_of")
    return ""


@rule(
    "attach-partition",
    Section.OBJECT,
    About(
        catches="a table with rows is attached as a partition and all of its rows are looked at",
        effect="ACCESS EXCLUSIVE on the table, and on the default partition, while they are scanned",
        why="both wait for readers and writers, and the other way round",
        instead="a CHECK that says the same as the bounds, NOT VALID and validated, before ATTACH",
        versions="SHARE UPDATE EXCLUSIVE on the parent from 12",
        bad="""
op.execute("ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
""",
        good="""
op.execute(
    "ALTER TABLE events_2026 ADD CONSTRAINT events_2026_day"
    " CHECK (day >= '2026-01-01' AND day < '2027-01-01') NOT VALID"
)
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE events_2026 VALIDATE CONSTRAINT events_2026_day")
op.execute("ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
""",
    ),
)
def attach_partition(context: Context) -> Iterator[Hit]:
    """Proved by the scan; quiet where a CHECK spares it."""
    for place in context.places:
        for name in _moved(place, into=True):
            parent = _parent(place, name)
            scanned = [each for each in place.effects.scans if not context.exempt(place, each) and each != parent]
            for relation in scanned:
                message = f"looks at every row of {context.size(place, relation)} while reads and writes of it wait"
                fix = _checked_before(place, scanned, name, parent) or advice.intent(
                    "attach-partition", relation, "how long the scan takes, and in which quiet hour"
                )
                yield Hit(place, relation, message, fix, context.block_severity(place))


def _checked_before(place: Place, scanned: Sequence[str], partition: str, parent: str) -> str:
    """CHECKs that prove the bounds to ATTACH: of the partition itself, and that the default one has none of its rows.

    Of bounds by hash, or over several columns, only PostgreSQL can say such a CHECK.
    """
    table = place.find(Kind.TABLE, parent) or place.find(Kind.PARTITION, parent)
    item = place.find(Kind.PARTITION, partition)
    key = advice.text(table, "partition_key") if table is not None else ""
    bound = advice.text(item, "partition_bound") if item is not None else ""
    found = bounds.condition(key, bound)
    if not found:
        return ""
    adds, drops = [], []
    for relation in scanned:
        proof = found if relation == partition else bounds.opposite(key, bound)
        name = quote(made(last(relation), "bounds" if relation == partition else f"not_{last(partition)}"))
        adds.append(advice.execute(f"ALTER TABLE {relation} ADD CONSTRAINT {name} CHECK ({proof}) NOT VALID"))
        adds.append(advice.validate(relation, f"{relation}.{name}"))
        drops.append(advice.execute(f"ALTER TABLE {relation} DROP CONSTRAINT {name}"))
    return "\n".join((*adds, advice.statement(place), *drops))


@rule(
    "detach-partition",
    Section.OBJECT,
    About(
        catches="a partition is detached without CONCURRENTLY",
        effect="ACCESS EXCLUSIVE on the parent and on the partition",
        why="every query on the whole partitioned table waits",
        instead="DETACH PARTITION ... CONCURRENTLY in an autocommit block",
        versions="CONCURRENTLY from 14",
        bad='op.execute("ALTER TABLE events DETACH PARTITION events_2025")',
        good="""
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY")
""",
    ),
)
def detach_partition(context: Context) -> Iterator[Hit]:
    """By the lock on the parent."""
    for place in context.places:
        for name in _moved(place, into=False):
            parent = _parent(place, name)
            if parent and locked(place, parent, LockMode.ACCESS_EXCLUSIVE) and not context.fresh(place, parent):
                detach = f"ALTER TABLE {parent} DETACH PARTITION {name} CONCURRENTLY"
                fix = advice.autocommit(advice.execute(detach))
                if _has_default(place, parent):
                    reason = "when readers and writers may wait: beside a default partition there is no CONCURRENTLY"
                    fix = advice.intent("detach-partition", name, reason)
                yield Hit(place, name, f"takes ACCESS EXCLUSIVE on {context.size(place, parent)}", fix)


def _has_default(place: Place, parent: str) -> bool:
    return any(
        item.kind is Kind.PARTITION
        and advice.text(item, "partition_of") == parent
        and advice.text(item, "partition_bound") == "DEFAULT"
        for item in place.revision.before
    )


@rule(
    "create-partition-of",
    Section.OBJECT,
    About(
        catches="a partition is created within a partitioned table of before the run",
        effect="ACCESS EXCLUSIVE on the parent, and on the default partition, which is scanned",
        why="every query on the whole partitioned table waits",
        instead="CREATE TABLE (LIKE parent), then ATTACH PARTITION, which takes a weaker lock",
        bad="""
op.execute("CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
""",
        good="""
op.execute("CREATE TABLE events_2027 (LIKE events INCLUDING ALL)")
op.execute("ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
""",
    ),
)
def create_partition_of(context: Context) -> Iterator[Hit]:
    """By the lock on the parent."""
    for place in context.places:
        for name in place.effects.created:
            parent = _parent(place, name) if place.find(Kind.PARTITION, name) is not None else ""
            if not parent or context.fresh(place, parent):
                continue
            if not locked(place, parent, LockMode.ACCESS_EXCLUSIVE):
                continue
            item = place.find(Kind.PARTITION, name)
            bound = advice.text(item, "partition_bound") if item is not None else ""
            key = advice.text(item, "partition_key") if item is not None else ""
            by = f" PARTITION BY {key}" if key else ""
            fix = "\n".join(
                (
                    advice.execute(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL EXCLUDING IDENTITY){by}"),
                    advice.execute(f"ALTER TABLE {parent} ATTACH PARTITION {name} {bound}"),
                )
            )
            yield Hit(place, name, f"takes ACCESS EXCLUSIVE on {context.size(place, parent)}", fix)


@rule(
    "partition-key-not-in-pk",
    Section.OBJECT,
    About(
        severity=Severity.ERROR,
        catches="a primary key or unique constraint of a partitioned table without its partition key",
        effect="refused (0A000)",
        why="the revision fails every time",
        instead="add the partition key's columns to the constraint",
        versions="11 and later",
        bad='op.create_primary_key("events_pkey", "events", ["id"])',
        good='op.create_primary_key("events_pkey", "events", ["id", "day"])',
    ),
)
def partition_key_not_in_pk(context: Context) -> Iterator[Hit]:
    """PostgreSQL's own refusal on scratch."""
    for place in context.places:
        error = place.error
        if (
            error is not None
            and error.sqlstate == "0A000"
            and "partition" in error.message
            and "unique" in error.message
        ):
            name = subject(context, place)
            yield Hit(place, name, refusal(place), _with_partition_key(place, name))


def _with_partition_key(place: Place, table: str) -> str:
    """The statement with the columns of the partition key in what must be unique."""
    parent = place.find(Kind.TABLE, table) or place.find(Kind.PARTITION, table)
    key = advice.text(parent, "partition_key") if parent is not None else grammar.partition_key(place.statement.sql)
    columns = [unquoted(each) for each in split_list(inside_brackets(key)) if "(" not in each]
    written = rewriting.with_key_columns(place.statement.sql, columns)
    return advice.execute(written) if written else ""


@rule(
    "detach-inheritance",
    Section.OBJECT,
    About(
        catches="a table no longer inherits from another one, or begins to",
        effect="queries on the parent no longer see the child's rows, or see them from now on",
        why="the running release gets other results for the same queries",
        instead="queries with ONLY, or a view over what is meant",
        bad='op.execute("ALTER TABLE memos NO INHERIT documents")',
        good='op.execute("CREATE TABLE letters (sender text)")',
    ),
)
def detach_inheritance(context: Context) -> Iterator[Hit]:
    """Judged by the catalog."""
    for place, change, inherits in altered(context, Kind.TABLE, "inherits"):
        before, after = (", ".join(each) if isinstance(each, tuple) else "" for each in (inherits.from_, inherits.to))
        message = f"{change.object} inherited from {before} and inherits from {after}"
        if not after:
            message = f"{change.object} no longer inherits from {before}"
        elif not before:
            message = f"{change.object} begins to inherit from {after}"
        fix = allowed(place, "detach-inheritance", change, "since which release queries expect these rows")
        yield Hit(place, change.object, message, fix)


@rule(
    "locks-beyond-the-named-table",
    Section.DATA,
    About(
        severity=Severity.NOTE,
        catches="a statement locks tables against reads or writes that it does not name",
        effect="dropping a foreign key or its table locks the referenced one; CASCADE and partitions reach more",
        why="the lock queue forms on a table that nobody thought of",
        instead="look at the plan's locks; one such statement per transaction",
        bad='op.drop_constraint("orders_user_id_fkey", "orders", type_="foreignkey")',
        good='op.drop_constraint("users_age_check", "users", type_="check")',
    ),
)
def locks_beyond_the_named_table(context: Context) -> Iterator[Hit]:
    """Seen in the trace: locks on tables that no change, drop or write of the statement is about."""
    for place in context.places:
        effects = place.effects
        about = {name for c in effects.changes for name in (c.parent, c.object, c.from_object) if name}
        about |= {parent for c in effects.changes for parent in _parents_of(place, c)}
        about |= {*effects.dropped, *effects.writes, *effects.truncated, *(r.relation for r in effects.rewrites)}
        about |= {build.relation for build in effects.index_builds}
        if not effects.changes or any(added(context, place, Kind.FOREIGN_KEY, anywhere=True)):
            continue  # a new foreign key's other table is foreign-key-locks-referenced, or came with a new table
        for lock in effects.locks:
            if lock.mode.strength < LockMode.SHARE_ROW_EXCLUSIVE.strength or lock.relation in about:
                continue
            if is_table(place, lock.relation) and not context.exempt(place, lock.relation):
                fix = advice.intent("locks-beyond-the-named-table", lock.relation, "when those who use it may wait")
                message = f"takes {lock.mode} on {context.size(place, lock.relation)} as well"
                yield Hit(place, lock.relation, message, fix)


def _parents_of(place: Place, change: Change) -> Iterator[str]:
    """The tables that a partition was and is one of."""
    for catalog in (place.revision.after, place.revision.before):
        partition = catalog.get(Kind.PARTITION, change.object)
        if partition is not None and (parent := advice.text(partition, "partition_of")):
            yield parent
