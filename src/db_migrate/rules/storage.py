"""Section G: how tables are stored."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.rules import advice
from db_migrate.rules.columns import is_rewritten
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.estimate import bytes_in_words
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import altered
from db_migrate.rules.names import owner_of, tail
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.transactions import without_rewrite
from db_migrate.rules.undoing import allowed

_CAUSES = frozenset({"persistence", "access_method", "tablespace", "type", "generated", "default", "identity"})


def _unexplained_rewrites(context: Context, place: Place) -> Iterator[str]:
    """Tables that were written anew although nothing about them or their columns changed."""
    for rewrite in place.effects.rewrites:
        relation = rewrite.relation
        own = [c for c in place.effects.changes if relation in (c.object, c.parent)]
        caused = any(c.kind is Kind.COLUMN for c in own) or any(a.name in _CAUSES for c in own for a in c.attributes)
        if not caused and place.find(Kind.TABLE, relation) is not None and not context.exempt(place, relation):
            yield relation


@rule(
    "vacuum-full-cluster",
    Section.OBJECT,
    About(
        catches="VACUUM FULL or CLUSTER on a table with rows",
        effect="ACCESS EXCLUSIVE while the whole table and its indexes are written again",
        why="nobody can read or write the table until the copy is done",
        instead="plain VACUUM; pg_repack or, from 19, REPACK CONCURRENTLY where space must be given back",
        general="rewrite-under-lock",
        bad='op.execute("CLUSTER orders USING ix_orders_user_id")',
        good='op.execute("ANALYZE orders")',
    ),
)
def vacuum_full_cluster(context: Context) -> Iterator[Hit]:
    """A rewrite that changes nothing but the order and the gaps."""
    for place in context.places:
        for relation in _unexplained_rewrites(context, place):
            message = f"writes {context.size(place, relation)} again only to sort or shrink it"
            fix = advice.autocommit(advice.execute(f"VACUUM ANALYZE {relation}"))
            yield Hit(place, relation, message, fix, context.block_severity(place))


@rule(
    "set-logged-unlogged",
    Section.OBJECT,
    About(
        catches="a table with rows becomes LOGGED or UNLOGGED",
        effect="ACCESS EXCLUSIVE while it is written again; LOGGED writes all of it to the WAL",
        why="nobody can read or write it meanwhile; an UNLOGGED table is empty after a crash, and on replicas",
        instead="a new table of the right kind, filled in batches",
        general="rewrite-under-lock",
        bad='op.execute("ALTER TABLE audit SET UNLOGGED")',
        good='op.execute("CREATE UNLOGGED TABLE cache (key text)")',
    ),
)
def set_logged_unlogged(context: Context) -> Iterator[Hit]:
    """An UNLOGGED table is an error whatever its size: a crash empties it."""
    for place, change, persistence in altered(context, Kind.TABLE, "persistence"):
        if context.exempt(place, change.object):
            continue
        unlogged = persistence.to == "unlogged"
        then = "; it is empty after a crash" if unlogged else ""
        message = f"writes {context.size(place, change.object)} again as {persistence.to}{then}"
        fix = _allowed(place, "set-logged-unlogged", change)
        yield Hit(place, change.object, message, fix, context.block_severity(place))


def _allowed(place: Place, rule_id: str, change: Change) -> str:
    return allowed(place, rule_id, change, "how long it takes on a copy, and in which quiet hour")


@rule(
    "set-tablespace-or-access-method",
    Section.OBJECT,
    About(
        catches="a table with rows moves to another tablespace or access method",
        effect="ACCESS EXCLUSIVE while it is copied",
        why="nobody can read or write it until the copy is done",
        instead="a new table there, filled in batches",
        versions="access methods from 15",
        general="rewrite-under-lock",
        prepared="CREATE ACCESS METHOD heap_again TYPE TABLE HANDLER heap_tableam_handler",
        bad='op.execute("ALTER TABLE audit SET ACCESS METHOD heap_again")',
        good='op.execute("CREATE TABLE archive (key text) USING heap")',
    ),
)
def set_tablespace_or_access_method(context: Context) -> Iterator[Hit]:
    """By the catalog."""
    for name in ("tablespace", "access_method"):
        for place, change, moved in altered(context, Kind.TABLE, name):
            if not context.exempt(place, change.object):
                where = moved.to or "the default one"
                message = f"copies {context.size(place, change.object)} to the {name.replace('_', ' ')} {where}"
                fix = _allowed(place, "set-tablespace-or-access-method", change)
                yield Hit(place, change.object, message, fix, context.block_severity(place))


@rule(
    "rewrite-disk-headroom-and-replica-lag",
    Section.OBJECT,
    About(
        catches="a table is rewritten on a server that has replicas or replication slots",
        effect="as much disk again until the commit, and as much WAL, which every replica must replay",
        why="replicas fall behind by the whole table; slots keep the WAL and fill the disk",
        instead="the same change in batches",
        needs_facts=True,
        bad='op.alter_column("users", "balance", type_=sa.BigInteger())',
        good='op.add_column("users", sa.Column("balance_big", sa.BigInteger()))',
    ),
)
def rewrite_disk_headroom_and_replica_lag(context: Context) -> Iterator[Hit]:
    """From the target's replicas and slots."""
    server = context.facts.server
    followers = (server.replicas or 0) + (server.slots or 0)
    for place in context.places:
        for rewrite in place.effects.rewrites:
            table = context.table(place, rewrite.relation)
            if not followers or table is None or context.exempt(place, rewrite.relation):
                continue
            lag = f", {server.replica_lag_s:.0f} s behind already" if server.replica_lag_s else ""
            message = (
                f"writes {bytes_in_words(table.bytes)} of WAL for {server.replicas or 0} replicas and "
                f"{server.slots or 0} slots{lag}"
            )
            severity = Severity.WARNING if table.bytes >= context.settings.large_bytes else Severity.NOTE
            fix = without_rewrite(place, "rewrite-disk-headroom-and-replica-lag", rewrite.relation)
            yield Hit(place, rewrite.relation, message, fix, severity)


@rule(
    "autovacuum-off",
    Section.OBJECT,
    About(
        catches="autovacuum is switched off for a table",
        effect="dead rows stay, statistics age, and wraparound forces a vacuum at the worst time",
        why="it is forgotten",
        instead="autovacuum_vacuum_scale_factor and cost settings that suit the table",
        bad='op.execute("ALTER TABLE audit SET (autovacuum_enabled = false)")',
        good='op.execute("ALTER TABLE audit SET (autovacuum_vacuum_scale_factor = 0.01)")',
    ),
)
def autovacuum_off(context: Context) -> Iterator[Hit]:
    """By the stored options, of new tables too."""
    for place in context.places:
        for change in place.effects.changes:
            if change.kind not in (Kind.TABLE, Kind.PARTITION, Kind.MATERIALIZED_VIEW):
                continue
            item = place.find(change.kind, change.object)
            if item is None or (change.attributes and "storage_parameters" not in {a.name for a in change.attributes}):
                continue
            final = context.trace.after.get(change.kind, change.object) or item
            if all(any(map(_is_off, advice.texts(each, "storage_parameters"))) for each in (item, final)):
                fix = _vacuumed_often(change)
                yield Hit(place, change.object, f"autovacuum is off for {change.object}", fix)


def _vacuumed_often(change: Change) -> str:
    word = "MATERIALIZED VIEW" if change.kind is Kind.MATERIALIZED_VIEW else "TABLE"
    reset = f"ALTER {word} {change.object} RESET (autovacuum_enabled, toast.autovacuum_enabled)"
    if change.action is not Action.ALTERED:
        return advice.after(advice.execute(reset))
    return advice.execute(f"ALTER {word} {change.object} SET (autovacuum_vacuum_scale_factor = 0.01)")


def _is_off(option: str) -> bool:
    name, _, value = option.partition("=")
    return name.endswith("autovacuum_enabled") and value.lower() in ("false", "off", "no", "0", "f", "n")


@rule(
    "toast-compression",
    Section.OBJECT,
    About(
        severity=Severity.NOTE,
        catches="a column is told to compress with pglz where lz4 is there",
        effect="pglz packs a little better and takes several times the CPU time",
        why="wide columns are slower to write and to read",
        instead="lz4",
        versions="14 and later",
        bad='op.execute("ALTER TABLE audit ALTER COLUMN detail SET COMPRESSION pglz")',
        good='op.execute("ALTER TABLE audit ALTER COLUMN detail SET STORAGE MAIN")',
    ),
)
def toast_compression(context: Context) -> Iterator[Hit]:
    """By the stored choice; a server built without lz4 would have refused it."""
    for place, change, compression in altered(context, Kind.COLUMN, "compression"):
        if compression.to == "pglz" and not is_rewritten(place, owner_of(change.object)):
            table = owner_of(change.object)
            fix = advice.execute(f"ALTER TABLE {table} ALTER COLUMN {tail(change.object)} SET COMPRESSION lz4")
            yield Hit(place, change.object, f"{change.object} compresses with pglz", fix)
