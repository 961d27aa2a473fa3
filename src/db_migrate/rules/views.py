"""Section G: views, functions, triggers and types that other code relies on."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.catalog.tokens import literal
from db_migrate.rules import advice, grammar, rewriting
from db_migrate.rules.context import Context, Hit, Place, locked
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import changed
from db_migrate.rules.names import beside, last
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.undoing import allowed, called
from db_migrate.trace.effects import LockMode


@rule(
    "refresh-matview-blocking",
    Section.OBJECT,
    About(
        catches="a materialized view is refreshed without CONCURRENTLY",
        effect="ACCESS EXCLUSIVE on it while its query runs",
        why="nobody can read it until the query is done",
        instead="REFRESH ... CONCURRENTLY, which needs a unique index, and still excludes another refresh",
        bad='op.execute("REFRESH MATERIALIZED VIEW order_totals")',
        good='op.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY order_totals")',
    ),
)
def refresh_matview_blocking(context: Context) -> Iterator[Hit]:
    """Proved by its new storage, under the lock."""
    for place in context.places:
        for rewrite in place.effects.rewrites:
            name = rewrite.relation
            is_view = place.find(Kind.MATERIALIZED_VIEW, name) is not None
            if is_view and locked(place, name, LockMode.ACCESS_EXCLUSIVE) and not context.exempt(place, name):
                fix = _refreshed(place, name)
                message = f"refreshes {context.size(place, name)} while its readers wait"
                yield Hit(place, name, message, fix, context.block_severity(place))


def _refreshed(place: Place, view: str) -> str:
    """CONCURRENTLY, which needs a unique index over columns, of all rows."""
    for index in place.revision.after.children.get(view, ()):
        plain = not index.attributes.get("predicate") and not index.attributes.get("expression")
        if index.kind is Kind.INDEX and index.attributes.get("unique") and plain:
            return advice.execute(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {view}")
    reason = "when its readers may wait: it has no unique index, which CONCURRENTLY needs"
    return advice.intent("refresh-matview-blocking", view, reason)


@rule(
    "create-matview-with-data",
    Section.OBJECT,
    About(
        severity=Severity.NOTE,
        catches="a materialized view is created and filled in the same statement",
        effect="its query runs inside the revision's transaction, with all of its locks held",
        why="a long query between other steps holds them all up",
        instead="CREATE ... WITH NO DATA, and REFRESH in a transaction of its own",
        bad='op.execute("CREATE MATERIALIZED VIEW user_names AS SELECT full_name FROM users")',
        good='op.execute("CREATE MATERIALIZED VIEW user_names AS SELECT full_name FROM users WITH NO DATA")',
    ),
)
def create_matview_with_data(context: Context) -> Iterator[Hit]:
    """Proved by what it scanned."""
    for place in context.places:
        for change in place.changes(Kind.MATERIALIZED_VIEW, Action.CREATED):
            read = sorted(name for name in place.effects.scans if not context.exempt(place, name))
            if not read:
                continue
            message = f"fills {change.object} from {', '.join(context.size(place, name) for name in read)}"
            empty = rewriting.with_no_data(place.statement.sql)
            reason = "how long its query takes, and what is locked meanwhile"
            fix = advice.intent("create-matview-with-data", change.object, reason)
            if empty:
                refresh = advice.autocommit(advice.execute(f"REFRESH MATERIALIZED VIEW {change.object}"))
                fix = f"{advice.execute(empty)}\n{refresh}"
            yield Hit(place, change.object, message, fix)


@rule(
    "replace-view",
    Section.OBJECT,
    About(
        severity=Severity.NOTE,
        catches="a view or function of before the run gets another definition",
        effect="ACCESS EXCLUSIVE on the view; every session uses the new one at once",
        why="the running release gets other rows, columns or results than it was written for",
        instead="a new name, which the next release uses",
        bad="""
op.execute("CREATE OR REPLACE VIEW active_users AS SELECT id, email FROM users WHERE active AND age > 17")
""",
        good='op.execute("CREATE VIEW adult_users AS SELECT id FROM users WHERE age > 17")',
    ),
)
def replace_view(context: Context) -> Iterator[Hit]:
    """Replaced in place, or dropped and made again under its name."""
    kinds = (Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.FUNCTION, Kind.PROCEDURE, Kind.AGGREGATE)
    for place, change in changed(context, Action.ALTERED, *kinds):
        message = f"the {change.kind.replace('_', ' ')} {change.object} gets another definition"
        yield Hit(place, change.object, message, _beside(place, change))
    for place, change in changed(context, Action.DROPPED, *kinds):
        again = place.revision.after.get(change.kind, change.object)
        if again is not None:
            word = change.kind.replace("_", " ")
            fix = advice.intent("replace-view", change.object, "since which release the new one is expected")
            yield Hit(place, change.object, f"the {word} {change.object} is dropped and made again", fix)


def _beside(place: Place, change: Change) -> str:
    """The new definition under a name of its own."""
    item = place.find(change.kind, change.object)
    name = called(item) if item is not None else ""
    if item is None or item.definition.count(name) != 1 or change.kind not in (Kind.VIEW, Kind.FUNCTION):
        return advice.intent("replace-view", change.object, "since which release the new one is expected")
    return advice.execute(item.definition.replace(name, beside(name, last(name), "new")))


@rule(
    "create-trigger",
    Section.OBJECT,
    About(
        catches="a trigger is created on a table of before the run",
        effect="SHARE ROW EXCLUSIVE on the table for an instant; from then on it runs on every write",
        why="writes of the running release do something new, take longer, or fail",
        instead="make sure that the function is right and fast before it is attached",
        bad="""
op.execute("CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch()")
""",
        good='op.execute("CREATE TABLE tags (name text)")',
    ),
)
def create_trigger(context: Context) -> Iterator[Hit]:
    """Not on tables that the run itself made."""
    for place, change in changed(context, Action.CREATED, Kind.TRIGGER):
        trigger = place.find(Kind.TRIGGER, change.object)
        definition = trigger.definition if trigger is not None else ""
        fix = allowed(place, "create-trigger", change, "what it does to the writes of the running release")
        yield Hit(place, change.object, f"runs from then on: {definition}", fix)


@rule(
    "enable-disable-trigger",
    Section.OBJECT,
    About(
        catches="a trigger, or all of them, is switched off or on",
        effect="SHARE ROW EXCLUSIVE on the table; with ALL or USER foreign keys may not be checked either",
        why="what the trigger keeps right goes wrong for every session, not only for this one",
        instead="SET LOCAL session_replication_role = replica, for this session only, where it is allowed",
        bad='op.execute("ALTER TABLE orders DISABLE TRIGGER orders_touch")',
        good='op.execute("ALTER TRIGGER orders_touch ON orders RENAME TO orders_stamp")',
    ),
)
def enable_disable_trigger(context: Context) -> Iterator[Hit]:
    """By the state in the trigger's stored definition."""
    for place, change in changed(context, Action.ALTERED, Kind.TRIGGER):
        states = [(_state(str(a.from_)), _state(str(a.to))) for a in change.attributes]
        for before, after in states:
            if before != after:
                fix = allowed(place, "enable-disable-trigger", change, "who keeps right meanwhile what it keeps right")
                yield Hit(place, change.object, f"the trigger {change.object} was {before} and is {after}", fix)


def _state(definition: str) -> str:
    if " DISABLE TRIGGER " in definition:
        return "disabled"
    return "enabled" if " ENABLE " not in definition else definition.rpartition(" ENABLE ")[2].partition(" TRIGGER")[0]


@rule(
    "composite-type-or-extension-change",
    Section.OBJECT,
    About(
        catches="a composite type, an extension or a view's options change",
        effect="every column, function and prepared statement that uses the type sees the new one at once",
        why="the running release reads rows of another shape, or calls functions of another version",
        instead="a new type beside the old one",
        bad='op.execute("ALTER TYPE address ADD ATTRIBUTE country text")',
        good='op.execute("CREATE TYPE location AS (x integer, y integer)")',
    ),
)
def composite_type_or_extension_change(context: Context) -> Iterator[Hit]:
    """By the catalog; an extension's version by the grammar, since the catalog leaves versions out."""
    for place, change in changed(context, Action.ALTERED, Kind.COMPOSITE_TYPE, Kind.EXTENSION, Kind.RANGE_TYPE):
        message = f"the {change.kind.replace('_', ' ')} {change.object} changes"
        yield Hit(place, change.object, message, _another_type(place, change))
    for place in context.places:
        for node in grammar.nodes(place.statement.sql, "AlterExtensionStmt"):
            reason = "since which release its new version is expected"
            fix = advice.intent("composite-type-or-extension-change", node.extname, reason)
            yield Hit(place, node.extname, f"the extension {node.extname} is updated", fix)


def _another_type(place: Place, change: Change) -> str:
    """The changed composite type under a name of its own."""
    item = place.find(change.kind, change.object)
    if item is None or change.kind is not Kind.COMPOSITE_TYPE:
        reason = "since which release the new one is expected"
        return advice.intent("composite-type-or-extension-change", change.object, reason)
    new = beside(change.object, last(change.object), "new")
    return advice.execute(item.definition.replace(change.object, new, 1))


@rule(
    "extension-version-pin",
    Section.OBJECT,
    About(
        severity=Severity.NOTE,
        catches="CREATE EXTENSION without VERSION",
        effect="each server installs the version that it has",
        why="functions and types differ between environments that ran the same revisions",
        instead="CREATE EXTENSION ... VERSION '...'",
        source=True,
        bad='op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")',
        good="op.execute(\"CREATE EXTENSION IF NOT EXISTS pg_trgm VERSION '1.6'\")",
    ),
)
def extension_version_pin(context: Context) -> Iterator[Hit]:
    """By the grammar."""
    for place in context.places:
        unpinned = [(each, name) for each in place.texts for name, version in grammar.extensions(each) if not version]
        for text, name in unpinned:
            message = f"installs whichever version of {name} the server has"
            yield Hit(place, name, message, _with_its_version(text, name))


def _with_its_version(sql: str, name: str) -> str:
    """A query whose answer is the statement: which version a server has, only that server knows."""
    statement = sql.strip().removesuffix(";").replace("%", "%%") + " VERSION '%s'"
    answer = f"SELECT format({literal(advice.execute(statement))}, default_version)"
    asked = f"{answer}\nFROM pg_available_extensions WHERE name = {literal(name)};"
    return f"-- on the target; its answer is the line to write:\n{asked}"


_PRODUCTS = {
    "create_hypertable": "TimescaleDB moves all rows into chunks under ACCESS EXCLUSIVE",
    "create_distributed_table": "Citus copies all rows to the shards while writes wait",
    "create_reference_table": "Citus copies all rows to every node while writes wait",
    "create_parent": "pg_partman takes over the partitioned table",
    "add_compression_policy": "TimescaleDB rewrites chunks in the background",
    "undistribute_table": "Citus copies all rows back while writes wait",
}


@rule(
    "extension-timescale-citus-vector",
    Section.OBJECT,
    About(
        catches="functions of TimescaleDB, Citus or pg_partman that move a whole table, or a vector index",
        effect="per product: rows are moved under a lock; vector indexes build long and want memory",
        why="one harmless looking call works for hours",
        instead="the product's own online way; for vector indexes CONCURRENTLY, with more maintenance_work_mem",
        bad="""
op.execute("CREATE FUNCTION create_hypertable(name text) RETURNS integer LANGUAGE sql AS 'SELECT 1'")
op.execute("SELECT create_hypertable('audit')")
""",
        good="op.execute(\"SELECT setval('ticket_number', 1000)\")",
    ),
)
def extension_timescale_citus_vector(context: Context) -> Iterator[Hit]:
    """Calls by the grammar, vector indexes by their method."""
    for place in context.places:
        for name, argument in grammar.calls(place.texts):
            if name in _PRODUCTS:
                reason = "how long it takes on a copy, and in which quiet hour"
                fix = advice.intent("extension-timescale-citus-vector", argument or name, reason)
                yield Hit(place, argument or name, f"{name}: {_PRODUCTS[name]}", fix)
        for change in place.changes(Kind.INDEX, Action.CREATED):
            index = place.find(Kind.INDEX, change.object)
            if index is None:
                continue
            method = index.attributes.get("method")
            if method in ("hnsw", "ivfflat") and not context.exempt(place, change.parent or ""):
                memory = advice.execute("SET maintenance_work_mem = '2GB'")
                fix = f"{memory}\n{advice.autocommit(advice.execute(advice.concurrent(index.definition)))}"
                yield Hit(place, change.object, f"builds a vector index ({method}) over {change.parent}", fix)
