"""Section F: what is held while what runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Kind
from db_migrate.rules import advice, batches, grammar
from db_migrate.rules.column_types import other_column
from db_migrate.rules.context import Context, Hit, Place, is_table, locked
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import attribute, refusal, subject
from db_migrate.rules.names import is_version_table
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import LockMode


def harmful_rewrites(context: Context, place: Place) -> Iterator[tuple[str, str]]:
    """Tables with rows that the statement wrote anew while readers wait, each with PostgreSQL's reason."""
    for rewrite in place.effects.rewrites:
        blocking = locked(place, rewrite.relation, LockMode.ACCESS_EXCLUSIVE) is not None
        if blocking and is_table(place, rewrite.relation) and not context.exempt(place, rewrite.relation):
            yield rewrite.relation, rewrite.reason


@rule(
    "rewrite-under-lock",
    Section.TRANSACTION,
    About(
        catches="a table with rows is written anew while ACCESS EXCLUSIVE is held, whatever the statement",
        effect="every row and every index is written again; ACCESS EXCLUSIVE until the transaction ends",
        why="nobody can read or write the table until the copy is done; it needs as much disk again, and as much WAL",
        instead="a new column or table, filled in batches, that takes the old one's place",
        bad='op.execute("ALTER TABLE users ALTER COLUMN balance TYPE bigint")',
        good='op.add_column("users", sa.Column("balance_big", sa.BigInteger()))',
    ),
)
def rewrite_under_lock(context: Context) -> Iterator[Hit]:
    """Every rewrite; rules of sections A, C and G say what caused it."""
    for place in context.places:
        for relation, reason in harmful_rewrites(context, place):
            yield Hit(
                place,
                relation,
                _rewrites(context.size(place, relation), reason),
                without_rewrite(place, "rewrite-under-lock", relation),
                context.block_severity(place),
            )


def _rewrites(size: str, reason: str) -> str:
    if not reason:
        return f"rewrites {size} under ACCESS EXCLUSIVE"
    return f"rewrites {size} under ACCESS EXCLUSIVE: {reason}"


def without_rewrite(place: Place, rule_id: str, relation: str) -> str:
    """The way around a rewrite where it comes of a change of type; else the intent."""
    for change in place.changes(Kind.COLUMN, Action.ALTERED):
        found = attribute(change, "type")
        if change.parent == relation and found is not None:
            return other_column(change.object, str(found.to))
    return advice.intent(rule_id, relation, "how long it takes on a copy, and in which quiet hour")


@rule(
    "concurrently-in-transaction",
    Section.TRANSACTION,
    About(
        severity=Severity.ERROR,
        catches="a statement that PostgreSQL runs only outside of a transaction is sent inside one",
        effect="refused (25001), always",
        why="the revision fails every time",
        instead="wrap it in op.get_context().autocommit_block()",
        bad='op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def concurrently_in_transaction(context: Context) -> Iterator[Hit]:
    """PostgreSQL's own refusal on scratch."""
    for place in context.places:
        error = place.error
        if error is None or error.sqlstate != "25001":
            continue
        fix = advice.autocommit(advice.statement(place))
        yield Hit(place, subject(context, place), refusal(place), fix)


def transactions(context: Context) -> Iterator[Sequence[Place]]:
    """The statements of each transaction, in order."""
    for _key, places in groupby(context.places, lambda place: (place.revision.revision, place.statement.transaction)):
        yield tuple(places)


def exclusive(context: Context, place: Place, locks: Mapping[str, LockMode]) -> list[str]:
    """Tables with rows on which ``locks`` of the statement are ACCESS EXCLUSIVE."""
    taken = (name for name, mode in locks.items() if mode is LockMode.ACCESS_EXCLUSIVE)
    return [name for name in taken if is_table(place, name) and not context.exempt(place, name)]


def written(context: Context, place: Place) -> list[str]:
    """Tables with rows of before the run that the statement writes to as data."""
    return [
        name
        for name in place.effects.writes
        if not is_version_table(name) and not context.exempt(place, name) and not place.effects.rewrites
    ]


@rule(
    "statement-after-access-exclusive",
    Section.TRANSACTION,
    About(
        catches="a statement that works over a table with rows runs after ACCESS EXCLUSIVE was taken on another one",
        effect="all locks of a transaction are held until it ends",
        why="readers of the first table wait for work that has nothing to do with it",
        instead="one revision, or one autocommit block, for each",
        bad="""
op.add_column("users", sa.Column("phone", sa.Text()))
op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check")
""",
        good="""
op.add_column("users", sa.Column("phone", sa.Text()))
op.add_column("audit", sa.Column("origin", sa.Text()))
""",
    ),
)
def statement_after_access_exclusive(context: Context) -> Iterator[Hit]:
    """Only work counts: scans, rewrites, builds. What is instant may follow; writes are ``mixed-data-and-schema``."""
    for places in transactions(context):
        held: dict[str, Place] = {}
        for place in places:
            worked = {r.relation for r in place.effects.rewrites} | {b.relation for b in place.effects.index_builds}
            worked |= set(place.effects.scans) if place.statement.ddl or place.effects.changes else set()
            busy = sorted(name for name in worked if is_table(place, name) and not context.exempt(place, name))
            others = sorted(name for name in held if name not in busy)
            if busy and others:
                yield Hit(
                    place,
                    others[0],
                    f"works over {', '.join(busy)} while ACCESS EXCLUSIVE is held on {', '.join(others)}",
                    advice.autocommit(advice.statement(place)),
                    context.block_severity(place),
                )
            held |= dict.fromkeys(exclusive(context, place, place.gained), place)


@rule(
    "wide-lock-window",
    Section.TRANSACTION,
    About(
        catches="one transaction locks three or more tables with rows against reads or writes, one after the other",
        effect="all locks of a transaction are held until it ends",
        why="sessions that take the same tables in another order deadlock; each further wait adds to all the others",
        instead="one revision, or one autocommit block, for each table",
        bad="""
op.add_column("users", sa.Column("a", sa.Text()))
op.add_column("orders", sa.Column("a", sa.Text()))
op.add_column("audit", sa.Column("a", sa.Text()))
""",
        good="""
op.add_column("users", sa.Column("a", sa.Text()))
op.add_column("users", sa.Column("b", sa.Text()))
""",
    ),
)
def wide_lock_window(context: Context) -> Iterator[Hit]:
    """Counts only what later statements add: one that needs several locks at once cannot be split."""
    for places in transactions(context):
        first: dict[str, Place] = {}
        for place in places:
            for name, mode in place.gained.items():
                if name not in first and mode.blocks and is_table(place, name) and not context.exempt(place, name):
                    first[name] = place
        if len(first) >= WIDE and len({place.index for place in first.values()}) >= WIDE:
            last_place = max(first.values(), key=lambda each: each.index)
            names = ", ".join(first)
            message = f"holds locks on {len(first)} tables at once by then: {names}"
            yield Hit(last_place, last_place.revision.revision, message, advice.before(advice.commit()))


WIDE = 3
"""From how many tables on a transaction's locks are too many; two is what a foreign key needs."""


@rule(
    "mixed-data-and-schema",
    Section.TRANSACTION,
    About(
        catches="rows of a table of before the run are written while ACCESS EXCLUSIVE is held",
        effect="the exclusive lock of the DDL is held for as long as the rows take",
        why="readers of the altered table wait for a backfill",
        instead="DDL in one revision, data in the next, in batches that commit",
        bad="""
op.add_column("users", sa.Column("plan", sa.Text()))
op.execute("UPDATE users SET plan = 'free'")
""",
        good="""
op.create_table("plans", sa.Column("name", sa.Text()))
op.execute("INSERT INTO plans VALUES ('free')")
""",
    ),
)
def mixed_data_and_schema(context: Context) -> Iterator[Hit]:
    """Writing to tables that the run itself made is part of making them."""
    for places in transactions(context):
        for before, place in zip((None, *places), places, strict=False):
            rows = written(context, place)
            then = place if rows and _is_code(place) else before
            held = exclusive(context, then, then.locks) if rows and then is not None else []
            if held and (not place.effects.changes or _is_code(place)):
                yield Hit(
                    place,
                    rows[0],
                    f"writes {context.size(place, rows[0])} while ACCESS EXCLUSIVE is held on {', '.join(held)}",
                    batches.in_batches(place, rows[0]) or advice.autocommit(advice.statement(place)),
                )


def _is_code(place: Place) -> bool:
    """Whether it is several statements in one, and which was first is not to be seen."""
    kinds = grammar.kinds(place.statement.sql)
    return len(kinds) > 1 or bool({"do_stmt", "call_stmt", "select_stmt"} & set(kinds))


_MAY_LOCK = {"lock_stmt", "do_stmt", "call_stmt", "select_stmt"}
"""LOCK, and what runs code of its own; not so DDL that finds nothing to do."""


@rule(
    "explicit-lock-table",
    Section.TRANSACTION,
    About(
        catches="LOCK TABLE on a table of before the run",
        effect="the lock is held until the transaction ends, whether anything needs it or not",
        why="it waits, and lets everybody wait, without doing anything",
        instead="let each statement take the lock that it needs",
        bad='op.execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")',
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def explicit_lock_table(context: Context) -> Iterator[Hit]:
    """A lock that stops others, by a statement that did nothing else."""
    for place in context.places:
        effects = place.effects
        anything = effects.changes or effects.writes or effects.scans or effects.index_builds or effects.rewrites
        if anything or effects.dropped or effects.created or not _MAY_LOCK & set(grammar.kinds(place.statement.sql)):
            continue
        for lock in effects.locks:
            if lock.blocks and is_table(place, lock.relation) and not context.exempt(place, lock.relation):
                message = f"takes {lock.mode} on {context.size(place, lock.relation)} and does nothing with it"
                yield Hit(place, lock.relation, message, advice.LEAVE_OUT)


@rule(
    "high-traffic-or-large-table",
    Section.PROCESS,
    About(
        severity=Severity.ERROR,
        catches="a statement blocks reads or writes of a table that is large or busy on the target",
        effect="as long as the lock is waited for and held, requests pile up behind it",
        why="what is a moment elsewhere is an outage on this table",
        instead="the same change in steps that block nobody; in a quiet hour if there are none",
        needs_facts=True,
        bad='op.create_index("ix_users_full_name", "users", ["full_name"])',
        good="""
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
    ),
)
def high_traffic_or_large_table(context: Context) -> Iterator[Hit]:
    """Turns a warning into a stop, only for statements that work under their lock."""
    for place in context.places:
        effects = place.effects
        worked = (
            {r.relation for r in effects.rewrites} | {b.relation for b in effects.index_builds} | set(effects.scans)
        )
        for name in sorted(worked):
            table = context.table(place, name)
            mode = locked(place, name, LockMode.SHARE)
            if table is None or mode is None or context.exempt(place, name):
                continue
            busy = (table.writes_per_second or 0.0) >= context.settings.busy_writes_per_second
            if table.bytes >= context.settings.large_bytes or busy:
                message = f"works over {context.size(place, name)} under {mode}"
                if busy:
                    message = f"{message}, while {table.writes_per_second:.0f} rows are written per second"
                reason = "how long it takes on a copy, and in which quiet hour"
                yield Hit(place, name, message, advice.intent("high-traffic-or-large-table", name, reason))
