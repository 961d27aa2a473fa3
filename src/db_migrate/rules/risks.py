"""Section K: what the target is like right now, and what state the run would leave behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.rules import advice, grammar, rewriting
from db_migrate.rules.constraints import added, referenced_table, with_action
from db_migrate.rules.context import Context, Hit, Place, is_table
from db_migrate.rules.estimate import bytes_in_words, in_words, seconds_in_words
from db_migrate.rules.finding import Severity
from db_migrate.rules.indexes import by_partition, is_partitioned
from db_migrate.rules.matching import altered, column_and_table
from db_migrate.rules.names import is_version_table, owner_of
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.transactions import without_rewrite
from db_migrate.trace.effects import LockMode

FAR = 3
"""How many tables a cascade may reach before it is called far."""

CONFLICTS: Mapping[LockMode, frozenset[LockMode]] = {
    LockMode.ACCESS_SHARE: frozenset({LockMode.ACCESS_EXCLUSIVE}),
    LockMode.ROW_SHARE: frozenset({LockMode.EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE}),
    LockMode.ROW_EXCLUSIVE: frozenset(
        {LockMode.SHARE, LockMode.SHARE_ROW_EXCLUSIVE, LockMode.EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE}
    ),
    LockMode.SHARE_UPDATE_EXCLUSIVE: frozenset(list(LockMode)[3:]),
    LockMode.SHARE: frozenset({LockMode.ROW_EXCLUSIVE, LockMode.SHARE_UPDATE_EXCLUSIVE, *list(LockMode)[5:]}),
    LockMode.SHARE_ROW_EXCLUSIVE: frozenset(list(LockMode)[2:]),
    LockMode.EXCLUSIVE: frozenset(list(LockMode)[1:]),
    LockMode.ACCESS_EXCLUSIVE: frozenset(LockMode),
}
"""Which modes wait for which (documentation: table 13.2, "Conflicting Lock Modes")."""


@rule(
    "cascade-blast-radius",
    Section.DATA,
    About(
        catches="ON DELETE CASCADE over several tables in a row",
        effect="one DELETE removes rows from every table that is reached, each scanned or searched in turn",
        why="deleting one row takes along far more than whoever deletes it sees",
        instead="RESTRICT where children are worth something; delete them on purpose",
        bad="""
op.create_table("parcels", sa.Column("id", sa.BigInteger(), primary_key=True),
                sa.Column("order_id", sa.BigInteger(), sa.ForeignKey("orders.id", ondelete="CASCADE"), index=True))
op.create_table("scans", sa.Column("id", sa.BigInteger(), primary_key=True),
                sa.Column("parcel_id", sa.BigInteger(), sa.ForeignKey("parcels.id", ondelete="CASCADE"), index=True))
op.create_table("photos", sa.Column("id", sa.BigInteger(), primary_key=True),
                sa.Column("scan_id", sa.BigInteger(), sa.ForeignKey("scans.id", ondelete="CASCADE"), index=True))
""",
        good="""
op.create_table("parcels", sa.Column("id", sa.BigInteger(), primary_key=True),
                sa.Column("order_id", sa.BigInteger(), sa.ForeignKey("orders.id", ondelete="CASCADE"), index=True))
""",
    ),
)
def cascade_blast_radius(context: Context) -> Iterator[Hit]:
    """Judged at the end of the run, once for each table whose deletion new keys make reach further."""
    after = context.trace.after
    children = _cascading(after)
    last_places: dict[str, Place] = {}
    for place in context.places:
        for key in added(context, place, Kind.FOREIGN_KEY, anywhere=True):
            if advice.text(key, "on_delete").startswith("CASCADE") and after.get(key.kind, key.name) is not None:
                root = _root(after, referenced_table(key), children)
                if key.parent in _reached(root, children):
                    last_places[root] = place
    for root, place in last_places.items():
        reached = sorted(_reached(root, children))
        if len(reached) < FAR:
            continue
        rows = sum(context.facts.tables[name].rows for name in reached if name in context.facts.tables)
        of = f", of {in_words(rows)} rows" if rows else ""
        message = f"deleting a row of {root} reaches {len(reached)} tables{of}: {', '.join(reached)}"
        yield Hit(place, root, message, _stopped_here(context, place, root))


def _stopped_here(context: Context, place: Place, root: str) -> str:
    """The new keys of the statement so that they stop the deletion instead of passing it on."""
    keys = added(context, place, Kind.FOREIGN_KEY, anywhere=True)
    cascading = [k for k in keys if advice.text(k, "on_delete").startswith("CASCADE")]
    fixes = [with_action(place, key, "RESTRICT") for key in cascading]
    return fixes[0] if len(fixes) == 1 else advice.intent("cascade-blast-radius", root, "why all of them are to go")


def _cascading(catalog: Catalog) -> Mapping[str, frozenset[str]]:
    """The tables that lose rows with each table, directly."""
    found: dict[str, set[str]] = {}
    for item in catalog:
        if item.kind is Kind.FOREIGN_KEY and advice.text(item, "on_delete").startswith("CASCADE"):
            found.setdefault(referenced_table(item), set()).add(item.parent or "")
    return {parent: frozenset(names) for parent, names in found.items()}


def _reached(table: str, children: Mapping[str, frozenset[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [table]
    while waiting:
        for child in children.get(waiting.pop(), frozenset()) - reached:
            reached.add(child)
            waiting.append(child)
    return reached - {table}


def _root(catalog: Catalog, table: str, children: Mapping[str, frozenset[str]]) -> str:
    """The table from which most is reached through this one; itself where nothing cascades into it."""
    parents = [name for name in children if table in _reached(name, children)]
    candidates = [name for name in parents if catalog.get(Kind.TABLE, name) is not None]
    return max((table, *sorted(candidates)), key=lambda name: len(_reached(name, children)))


@rule(
    "half-way-state",
    Section.DATA,
    About(
        severity=Severity.NOTE,
        catches="a revision commits in pieces, and a piece cannot be run a second time",
        effect="when a later piece fails, the earlier ones stay while the version does not move",
        why="running the revision again fails on what the first attempt left behind",
        instead="IF NOT EXISTS and IF EXISTS in every piece; db-migrate repair ends such a state",
        bad="""
op.add_column("users", sa.Column("phone", sa.Text()))
with op.get_context().autocommit_block():
    op.create_index("ix_users_full_name", "users", ["full_name"], postgresql_concurrently=True)
""",
        good="""
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_users_full_name ON users (full_name)")
""",
    ),
)
def half_way_state(context: Context) -> Iterator[Hit]:
    """By the commits that really happened: every piece but the last one is at risk."""
    for revision in context.trace.revisions:
        places = [each for each in context.places if each.revision is revision and _does_something(each)]
        if not places or len({each.statement.transaction for each in places}) < 2:
            continue
        final = places[-1].statement.transaction
        for place in places:
            if place.statement.transaction != final and not _can_be_repeated(place):
                message = (
                    f"is committed before {' '.join(places[-1].statement.sql.split())[:60]} and cannot be run again"
                )
                yield Hit(place, revision.revision, message, _once_more(place))
                break


def _once_more(place: Place) -> str:
    """The statement so that it may run again; where it has no such words, before a revision with the rest."""
    again = rewriting.repeatable(place.statement.sql)
    if again:
        return advice.execute(again)
    return f"# in a revision of its own, before this one:\n{advice.statement(place)}"


def _does_something(place: Place) -> bool:
    effects = place.effects
    rows = [name for name in effects.writes if not is_version_table(name)]
    return bool(effects.changes or effects.dropped or rows or effects.index_builds)


def _can_be_repeated(place: Place) -> bool:
    """Whether a second run of the statement does no harm, as far as the text says."""
    sql = place.statement.sql.upper()
    harmless = all(change.action is Action.ALTERED for change in place.effects.changes)
    return harmless or "IF NOT EXISTS" in sql or "IF EXISTS" in sql or not grammar.kinds(place.statement.sql)


@rule(
    "left-not-valid",
    Section.DATA,
    About(
        severity=Severity.NOTE,
        catches="a constraint that was NOT VALID before the run still is afterwards",
        effect="old rows may violate it; the planner and SET NOT NULL cannot use it",
        why="it was meant to be validated",
        instead="VALIDATE CONSTRAINT",
        bad='op.add_column("invoices", sa.Column("note", sa.Text()))',
        good="""
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check")
""",
    ),
)
def left_not_valid(context: Context) -> Iterator[Hit]:
    """Of tables that the run touches; what it adds itself is ``constraint-never-validated``."""
    for place, item in _left_on_touched_tables(context):
        not_valid = item.kind in (Kind.CHECK, Kind.FOREIGN_KEY, Kind.NOT_NULL)
        if not_valid and item.attributes.get("validated") is False and item.attributes.get("enforced") is not False:
            fix = advice.after(advice.validate(item.parent or "", item.name))
            yield Hit(place, item.name, f"{item.name} has been NOT VALID since before this run", fix)


@rule(
    "left-invalid",
    Section.DATA,
    About(
        catches="an index is INVALID after the run",
        effect="queries do not use it, every write maintains it; a unique one still rejects duplicates",
        why="it is what a failed CREATE INDEX CONCURRENTLY left behind",
        instead="DROP INDEX CONCURRENTLY, and build it again; db-migrate repair does so",
        bad="""
op.execute("CREATE INDEX ix_events_kind ON ONLY events (kind)")
""",
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def left_invalid(context: Context) -> Iterator[Hit]:
    """Old ones on tables that the run touches, and those that it leaves itself."""
    for place, item in _left_on_touched_tables(context, new=True):
        if item.kind is Kind.INDEX and item.attributes.get("valid") is False:
            yield Hit(place, item.name, f"{item.name} is INVALID after this run", _completed(context, place, item))


def _completed(context: Context, place: Place, index: SchemaObject) -> str:
    """The index built anew; one of a partitioned table by what its partitions lack."""
    if is_partitioned(place, index.parent or ""):
        return advice.after(*by_partition(context.trace.after, index))
    drop = advice.drop_index_concurrently(index.name, index.parent or "")
    return advice.after(drop, advice.create_index_concurrently(index))


def _left_on_touched_tables(context: Context, *, new: bool = False) -> Iterator[tuple[Place, SchemaObject]]:
    """What is there at the end on each table, at the last statement that changed the table; each object once."""
    touched: dict[str, Place] = {}
    for place in context.places:
        for change in place.effects.changes:
            touched[change.parent or change.object] = place
    for relation, place in touched.items():
        for item in context.trace.after.children.get(relation, ()):
            if new or context.trace.before.get(item.kind, item.name) is not None:
                yield place, item


@rule(
    "blocked-right-now",
    Section.DATA,
    About(
        catches="a session of the target holds a lock right now that a statement of the run would wait for",
        effect="the statement waits for the end of that transaction, and everybody else waits behind it",
        why="starting now means an outage as long as that session lasts",
        instead="wait for it, or end it; apply waits without making anybody queue",
        needs_facts=True,
        bad='op.add_column("users", sa.Column("phone", sa.Text()))',
        good='op.execute("CREATE TABLE tags (name text)")',
    ),
)
def blocked_right_now(context: Context) -> Iterator[Hit]:
    """By PostgreSQL's own table of conflicts; CONCURRENTLY waits for every transaction that was there before it."""
    told: set[tuple[int, str]] = set()
    for place in context.places:
        for session in context.facts.long_transactions if _waits_for_all(place) else ():
            if (session.pid, "") not in told:
                told.add((session.pid, ""))
                message = (
                    f"would wait for pid {session.pid}, {session.user} ({session.application or 'no name'}), "
                    f"{session.state}, whose transaction has been open for {seconds_in_words(session.age_s)}"
                )
                fix = f"SELECT pg_terminate_backend({session.pid});"
                yield Hit(place, place.effects.phases[0].locks[0].relation, message, fix)
        for lock in place.effects.locks:
            target_name = place.known.origins.get(lock.relation, lock.relation)
            for blocker in context.facts.now_blocking:
                if blocker.relation != target_name or (blocker.pid, lock.relation) in told:
                    continue
                if blocker.mode not in set(LockMode) or LockMode(blocker.mode) not in CONFLICTS[lock.mode]:
                    continue
                told.add((blocker.pid, lock.relation))
                who = "autovacuum" if blocker.autovacuum else f"{blocker.user} ({blocker.application or 'no name'})"
                message = (
                    f"would wait for pid {blocker.pid}, {who}, {blocker.state or 'active'}, "
                    f"which has held {blocker.mode} on {lock.relation} for {seconds_in_words(blocker.age_s)}"
                )
                yield Hit(
                    place, lock.relation, message, f"-- on the target:\nSELECT pg_terminate_backend({blocker.pid});"
                )


def _waits_for_all(place: Place) -> bool:
    """Whether it is something CONCURRENTLY, which waits for old snapshots wherever they are."""
    phases = place.effects.phases
    return bool(phases and phases[0].locks) and any(each.awaits is None for each in phases)


@rule(
    "prepared-statement-breaks",
    Section.DATA,
    About(
        severity=Severity.NOTE,
        catches="a column of before the run gets another type",
        effect="prepared statements that return it fail once: cached plan must not change result type (0A000)",
        why="asyncpg, psycopg after some executions and JDBC prepare statements by themselves",
        instead="a new column; or restart what prepares statements, or DISCARD ALL, right after",
        bad='op.execute("ALTER TABLE users ALTER COLUMN nickname TYPE text")',
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def prepared_statement_breaks(context: Context) -> Iterator[Hit]:
    """Also where nothing is rewritten: it is the result's type that counts."""
    for place, change, type_ in altered(context, Kind.COLUMN, "type"):
        if is_table(place, owner_of(change.object)):
            message = f"prepared statements that return {column_and_table(change.object)} fail once ({type_.to})"
            reason = "which drivers prepare statements, and how they are restarted"
            yield Hit(place, change.object, message, advice.intent("prepared-statement-breaks", change.object, reason))


@rule(
    "headroom",
    Section.DATA,
    About(
        catches="a rewrite or index build needs more disk than there is reason to trust in",
        effect="the new copy beside the old one until the commit, and the WAL that slots hold back",
        why="a full disk stops the whole server",
        instead="make room first, or do it in batches",
        needs_facts=True,
        bad='op.alter_column("users", "balance", type_=sa.BigInteger())',
        good='op.add_column("users", sa.Column("balance_big", sa.BigInteger()))',
    ),
)
def headroom(context: Context) -> Iterator[Hit]:
    """Against the free bytes where they are known; else when a slot already holds back more than the table."""
    server = context.facts.server
    for place in context.places:
        rewritten = {each.relation for each in place.effects.rewrites}
        for relation in sorted(rewritten | {each.relation for each in place.effects.index_builds}):
            table = context.table(place, relation)
            if table is None or context.exempt(place, relation):
                continue
            need = 2 * table.bytes if relation in rewritten else table.table_bytes
            if server.free_bytes is not None and need > server.free_bytes:
                message = f"builds an index, which may need up to {bytes_in_words(need)}"
                if relation in rewritten:
                    message = f"needs about {bytes_in_words(need)}"
                message = f"{message}; {bytes_in_words(server.free_bytes)} are free"
                severity = Severity.ERROR if relation in rewritten else Severity.WARNING
                yield Hit(place, relation, message, _with_room(place, relation, rewritten), severity)
            elif relation in rewritten and server.slot_lag_bytes and server.slot_lag_bytes > table.bytes:
                held = bytes_in_words(server.slot_lag_bytes)
                message = f"a replication slot already holds back {held} of WAL"
                yield Hit(place, relation, message, _with_room(place, relation, rewritten))


def _with_room(place: Place, relation: str, rewritten: Set[str]) -> str:
    if relation in rewritten:
        return without_rewrite(place, "headroom", relation)
    return advice.intent("headroom", relation, "how much room was made, and where")
