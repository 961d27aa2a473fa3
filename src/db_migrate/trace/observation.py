"""What one look from inside a transaction says, and what two looks around a statement say about the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

from db_migrate.catalog.reader import QUERIES, query
from db_migrate.trace.effects import Effects, IndexBuild, Lock, LockMode, Rewrite

SCRATCH_SCHEMA = "db_migrate_scratch"
"""Where the observers live in a scratch database; never part of a catalog."""

_TABLES = frozenset("rpfm")
_REASONS = {
    1: "persistence changed",
    2: "a column's values are computed",
    4: "a column's type changed",
    8: "access method changed",
}
"""Bits of ``pg_event_trigger_table_rewrite_reason()``: ``AT_REWRITE_*`` in PostgreSQL's ``event_trigger.h``."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation at one moment. ``filenode`` is its storage, ``table`` the oid of an index's table."""

    name: str
    kind: str
    filenode: int | None
    table: int | None
    valid: bool
    partition: bool


class ServerEvent(msgspec.Struct, frozen=True):
    """What an event trigger noted: a rewrite (``oid``, ``reason``) or a drop (``type``, ``name``)."""

    event: str
    oid: int = 0
    reason: int = 0
    type: str = ""
    name: str = ""
    original: bool = False


class Observation(msgspec.Struct, frozen=True):
    """One look: locks (oid, mode), activity by table (oid, scans, writes, sequential scans), catalog rows changed."""

    transaction: str | None = None
    search_path: str = ""
    locks: tuple[tuple[int, str], ...] = ()
    activity: tuple[tuple[int, int, int, int], ...] = ()
    catalogs: dict[str, int] = {}
    events: str | None = None
    cleared: str | None = None

    @property
    def server_events(self) -> tuple[ServerEvent, ...]:
        """What the event triggers noted since the last look."""
        return tuple(msgspec.json.decode(line, type=ServerEvent) for line in (self.events or "").splitlines())


@cache
def _sql(name: str) -> str:
    return resources.files("db_migrate.trace").joinpath("sql", f"{name}.sql").read_text("utf-8")


def looking_at(*questions: str) -> str:
    """One query whose row answers the questions, each with a JSON text: ``observe``, ``relations``, catalog parts."""
    return f"SELECT {', '.join(f'{SCRATCH_SCHEMA}.{name}()' for name in questions)}"


def install_script(major: int) -> str:
    """What a superuser runs once in a scratch database, so that it can be observed.

    Each question becomes a function of the superuser's: it sees what the revision's role may not, leaves no setting
    changed, and PostgreSQL plans it once a session instead of once a look (planning is three quarters of the time).
    """
    asked = {name: query(name, major) for name in QUERIES}
    asked |= {"observe": _sql("observe"), "relations": _sql("relations")}
    functions = (
        f"CREATE FUNCTION {SCRATCH_SCHEMA}.{name}() RETURNS text LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path = pg_catalog AS $look$\nBEGIN\nRETURN (\n{sql}\n);\nEND\n$look$;"
        for name, sql in asked.items()
    )
    return "\n".join((_sql("install"), *functions))


def changed_catalogs(before: Observation, after: Observation) -> frozenset[str]:
    """The system catalogs whose rows changed between two looks of one backend.

    A counter that fell was flushed in between, and what it says now is all new.
    """
    return frozenset(
        name
        for name, count in after.catalogs.items()
        if count != before.catalogs.get(name, 0) or after.transaction != before.transaction
    )


def effects_between(
    before: Observation,
    after: Observation,
    old: Mapping[int, Relation],
    new: Mapping[int, Relation],
) -> Effects:
    """What a statement did, from a look before and after it and the relations before and after it; no changes yet."""
    held_before = frozenset(before.locks) if before.transaction == after.transaction else frozenset()
    known = {**new, **old}
    events = after.server_events
    activity = _activity(before, after)
    scans = tuple(sorted(known[oid].name for oid, (_writes, seq) in activity.items() if seq > 0 and oid in old))
    truncated = tuple(_truncated(old, new, events, activity))
    return Effects(
        locks=tuple(_locks((lock for lock in after.locks if lock not in held_before), old)),
        held=tuple(_locks(after.locks, known)),
        rewrites=tuple(_rewrites(old, new, events, frozenset(truncated))),
        scans=scans,
        index_builds=tuple(_index_builds(old, new, frozenset(truncated))),
        dropped=tuple(sorted({_dropped_name(e) for e in events if e.event == "drop" and e.type != "type"})),
        created=tuple(sorted(r.name for oid, r in new.items() if oid not in old and r.kind in _TABLES | {"v"})),
        writes=tuple(sorted(_writes(before, after, activity, known, old))),
        truncated=tuple(sorted(old[oid].name for oid in truncated)),
    )


def _activity(before: Observation, after: Observation) -> dict[int, tuple[int, int]]:
    """Rows written and sequential scans by table between two looks."""
    earlier = {oid: (writes, seq) for oid, _scans, writes, seq in before.activity}
    found = {}
    for oid, _scans, writes, seq in after.activity:
        old_writes, old_seq = earlier.get(oid, (0, 0))
        if seq < old_seq or writes < old_writes:
            old_writes = old_seq = 0
        found[oid] = (writes - old_writes, seq - old_seq)
    return found


def _locks(locks: object, relations: Mapping[int, Relation]) -> Iterator[Lock]:
    named = {
        (relations[oid].name, _mode(mode))
        for oid, mode in locks  # type: ignore[attr-defined]  # any iterable of pairs
        if oid in relations
    }
    for name, mode in sorted(named, key=lambda pair: (pair[0], -pair[1].strength)):
        yield Lock(name, mode)


def _mode(name: str) -> LockMode:
    """``AccessExclusiveLock``, as pg_locks writes it, as SQL writes it."""
    return LockMode(re.sub(r"(?<!^)(?=[A-Z])", " ", name.removesuffix("Lock")).upper())


def _replaced(old: Mapping[int, Relation], new: Mapping[int, Relation]) -> Iterator[int]:
    for oid, relation in new.items():
        if oid in old and relation.filenode != old[oid].filenode and old[oid].filenode:
            yield oid


def _truncated(
    old: Mapping[int, Relation],
    new: Mapping[int, Relation],
    events: tuple[ServerEvent, ...],
    activity: Mapping[int, tuple[int, int]],
) -> Iterator[int]:
    """Tables with new storage that nobody read and no rewrite was reported for: TRUNCATE."""
    rewritten = {e.oid for e in events if e.event == "rewrite"}
    for oid in _replaced(old, new):
        if new[oid].kind == "r" and oid not in rewritten and activity.get(oid, (0, 0))[1] == 0:
            yield oid


def _rewrites(
    old: Mapping[int, Relation],
    new: Mapping[int, Relation],
    events: tuple[ServerEvent, ...],
    truncated: frozenset[int],
) -> Iterator[Rewrite]:
    reasons = {e.oid: e.reason for e in events if e.event == "rewrite"}
    replaced = {oid for oid in _replaced(old, new) if new[oid].kind in "rm" and oid not in truncated}
    for oid in sorted(replaced | {oid for oid in reasons if oid in old}, key=lambda o: old[o].name):
        bits = reasons.get(oid, 0)
        named = [text for bit, text in _REASONS.items() if bits & bit]
        yield Rewrite(old[oid].name, ", ".join(named) or "its storage was replaced")


def _index_builds(
    old: Mapping[int, Relation], new: Mapping[int, Relation], truncated: frozenset[int]
) -> Iterator[IndexBuild]:
    for oid, relation in sorted(new.items(), key=lambda item: item[1].name):
        if relation.kind != "i" or relation.table is None or relation.table not in new:
            continue
        rebuilt = oid in old and relation.filenode != old[oid].filenode and relation.table not in truncated
        completed = oid in old and relation.valid and not old[oid].valid
        if oid not in old or rebuilt or completed:
            yield IndexBuild(relation.name, new[relation.table].name)


def _dropped_name(event: ServerEvent) -> str:
    """``constraint on schema.table``, as PostgreSQL identifies what belongs to a table, in our form."""
    inner, separator, table = event.name.partition(" on ")
    if separator and event.type in ("table constraint", "trigger", "policy", "rule"):
        return f"{table}.{inner}"
    return event.name


def _writes(
    before: Observation,
    after: Observation,
    activity: Mapping[int, tuple[int, int]],
    known: Mapping[int, Relation],
    old: Mapping[int, Relation],
) -> Iterator[str]:
    """Tables that rows were written to, or that a statement made itself ready to write to while they were empty."""
    ready = {oid for oid, mode in after.locks if mode == "RowExclusiveLock"}
    ready_before = {oid for oid, mode in before.locks if mode == "RowExclusiveLock"}
    if before.transaction != after.transaction:
        ready_before = set()
    touched = {oid for oid, (writes, seq) in activity.items() if writes > 0 or (seq > 0 and oid in ready)}
    for oid in touched | (ready - ready_before):
        if oid in known and known[oid].kind in "rpf" and (oid in old or oid in touched):
            yield known[oid].name
