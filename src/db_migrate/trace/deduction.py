"""What two looks around a statement say about the statement."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from db_migrate.trace.effects import Effects, IndexBuild, Lock, Phase, Rewrite, mode_of
from db_migrate.trace.grammar import StatementSort
from db_migrate.trace.observation import WEAK, Observation, OidLock, Relation, ServerEvent
from db_migrate.trace.phases import Standstill

_RELATIONS_WITH_ROWS = frozenset("rpfm")
_WRITABLE = frozenset("rpf")
_REASONS = {
    1: "persistence changed",
    2: "a column's values are computed",
    4: "a column's type changed",
    8: "access method changed",
}
"""Bits of ``pg_event_trigger_table_rewrite_reason()``: ``AT_REWRITE_*`` in PostgreSQL's ``event_trigger.h``."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened to a relation's rows: how often it was scanned, how many rows were written."""

    scans: int
    writes: int


@dataclass(frozen=True)
class Between:
    """Two looks around a statement, and what is known of the relations.

    ``old`` and ``new`` are the relations that may have changed, before and after; ``known`` all that there are.
    ``standstills`` are what was seen while it ran, of a statement that commits in between.
    """

    sort: StatementSort
    before: Observation
    after: Observation
    old: Mapping[int, Relation]
    new: Mapping[int, Relation]
    known: Mapping[int, Relation]
    standstills: tuple[Standstill, ...] = ()
    holding: Holding = field(default_factory=lambda: Holding())

    def effects(self) -> Effects:
        """What the statement did, without what the catalog alone tells."""
        return Effects(
            locks=locks(self._taken | self._gone, self._existing),
            phases=tuple(self._phases()),
            held=self.holding.after(self),
            rewrites=tuple(self._rewrites()),
            scans=self._named(o for o, done in self._activity.items() if done.scans and self._scanned(o)),
            index_builds=tuple(self._index_builds()),
            dropped=tuple(sorted({_dropped_name(e) for e in self._events if e.event == "drop" and not _is_inner(e)})),
            created=tuple(sorted(r.name for o, r in self.new.items() if o in self._created and r.kind in "rpfmv")),
            writes=self._named(self._writes),
            truncated=self._named(self._truncated),
            reads=self._named(self._reads),
        )

    def name(self, oid: int) -> str | None:
        """The name of a relation before the statement, or after it where it is new; None for what is not the user's."""
        found = self.old.get(oid) or self.new.get(oid) or self.known.get(oid)
        return found.name if found else None

    def _existing(self, oid: int) -> str | None:
        return None if oid in self._created else self.name(oid)

    def _named(self, oids: Iterable[int]) -> tuple[str, ...]:
        return tuple(sorted({name for oid in oids if (name := self.name(oid)) is not None}))

    def _kind(self, oid: int) -> str:
        found = self.old.get(oid) or self.new.get(oid) or self.known.get(oid)
        return found.kind if found else ""

    @cached_property
    def _created(self) -> frozenset[int]:
        return frozenset(self.new.keys() - self.old.keys())

    @cached_property
    def _events(self) -> tuple[ServerEvent, ...]:
        return self.after.server_events

    @property
    def _in_one(self) -> bool:
        """Whether the statement ran in the transaction that both looks were made from."""
        return self.before.transaction == self.after.transaction

    @cached_property
    def _held_before(self) -> frozenset[OidLock]:
        return frozenset(self.before.locks) if self._in_one else frozenset()

    @cached_property
    def _taken(self) -> frozenset[OidLock]:
        noted = {lock for event in self._events for lock in event.locks}
        for each in self.standstills:
            noted.update(each.locks)
            if each.awaits is not None:
                noted.add(each.awaits)
        return (frozenset(self.after.locks) - self._held_before) | noted

    def _phases(self) -> Iterator[Phase]:
        for each in self.standstills:
            awaited = locks([each.awaits] if each.awaits else [], self.name)
            yield Phase(locks(each.locks, self.name), awaited[0] if awaited else None)

    @cached_property
    def _activity(self) -> Mapping[int, Activity]:
        earlier = {oid: (scans, writes) for oid, scans, writes in self.before.activity}
        found = {}
        for oid, scans, writes in self.after.activity:
            old_scans, old_writes = earlier.get(oid, (0, 0))
            if scans < old_scans or writes < old_writes:  # what was counted before has been flushed in between
                old_scans = old_writes = 0
            if (scans, writes) != (old_scans, old_writes):
                found[oid] = Activity(scans - old_scans, writes - old_writes)
        return found

    def _scanned(self, oid: int) -> bool:
        return oid not in self._created and self._kind(oid) in _RELATIONS_WITH_ROWS

    @cached_property
    def _looked_through(self) -> frozenset[int]:
        """Tables whose rows were looked at, by whichever way."""
        found = set()
        for oid, done in self._activity.items():
            relation = self.old.get(oid) or self.known.get(oid)
            if done.scans and relation is not None:
                found.add(oid if relation.table is None else relation.table)
        return frozenset(found)

    @cached_property
    def _replaced(self) -> frozenset[int]:
        """Relations with rows that have other storage than before."""
        return frozenset(
            oid
            for oid, relation in self.new.items()
            if oid in self.old and self.old[oid].filenode and relation.filenode != self.old[oid].filenode
        )

    @cached_property
    def _truncated(self) -> frozenset[int]:
        """Tables with new storage in the same place, no rewrite reported for them, and no count of their rows.

        TRUNCATE takes the count back (``reltuples`` is -1), CLUSTER and VACUUM FULL make one.
        """
        rewritten = {e.oid for e in self._events if e.event == "rewrite"}
        return frozenset(
            oid
            for oid in self._replaced - rewritten
            if self.new[oid].kind == "r" and not self.new[oid].counted and not self._is_moved(oid)
        )

    def _is_moved(self, oid: int) -> bool:
        """Whether a relation has gone to another tablespace."""
        return oid in self.old and self.new[oid].tablespace != self.old[oid].tablespace

    def _rewrites(self) -> Iterator[Rewrite]:
        reasons = {e.oid: e.reason for e in self._events if e.event == "rewrite" and self._existing(e.oid)}
        replaced = {oid for oid in self._replaced if self.new[oid].kind in "rm" or self._is_moved(oid)}
        replaced -= self._truncated
        for oid in sorted(replaced | reasons.keys(), key=lambda oid: self.name(oid) or ""):
            bits = reasons.get(oid, 0)
            named = [text for bit, text in _REASONS.items() if bits & bit]
            if oid in self.new and self._is_moved(oid):
                named.append("tablespace changed")
            yield Rewrite(self.name(oid) or "", ", ".join(named) or "its storage was replaced")

    def _index_builds(self) -> Iterator[IndexBuild]:
        """Indexes with storage that none had before; ALTER TYPE may give it to a new index with the same content."""
        storage = {r.filenode for r in self.old.values()}
        for oid, relation in sorted(self.new.items(), key=lambda item: item[1].name):
            if relation.kind != "i" or relation.table is None or relation.table in self._truncated:
                continue
            completed = oid in self.old and relation.valid and not self.old[oid].valid
            if (relation.filenode not in storage and not self._is_moved(oid)) or completed:
                table = self.new.get(relation.table) or self.known.get(relation.table)
                yield IndexBuild(relation.name, table.name if table else "")

    @cached_property
    def _writes(self) -> frozenset[int]:
        """Tables that rows were written to, or that the statement made itself ready to write to while they were empty.

        Which is seen by the lock; where the transaction had that one before, by those on the table's indexes, by the
        statement's own target, and where it runs code of its own, by its having looked for rows. CREATE FUNCTION takes
        the lock of what its body will write to, only to check the body.
        """
        ready = {oid for oid, mode in (*self.after.locks, *self._taken) if mode == "RowExclusiveLock"}
        found = {oid for oid, done in self._activity.items() if done.writes}
        if set(self.sort.nodes) != {"create_function_stmt"}:
            found |= {oid for oid, mode in self._taken if mode == "RowExclusiveLock" and self._existing(oid)}
        if not self.sort.ddl:
            indexes = (self.known.get(oid) for oid, mode in self._taken if mode == "RowExclusiveLock")
            found |= {each.table for each in indexes if each is not None and each.table is not None}
        if self.sort.nodes != ("select_stmt",):
            found |= self._looked_through & ready
        found |= {oid for oid in (ready if self._in_one else self.known) if self._is_target(oid)}
        if self.sort.block and not self._in_one:
            found |= self._looked_through
        return frozenset(oid for oid in found if self._kind(oid) in _WRITABLE)

    def _is_target(self, oid: int) -> bool:
        schema, name = _parts(self.name(oid) or "")
        return (schema, name) in self.sort.targets or ("", name) in self.sort.targets

    @cached_property
    def _reads(self) -> frozenset[int]:
        """Tables whose rows a statement that is no DDL looked at, or made itself ready to look at.

        What it locks strongly it may look through to change it; what may hold DDL, a block, does so with a lock that an
        earlier statement took, too.
        """
        if self.sort.ddl and not self.sort.reads:
            return frozenset()
        modes: dict[int, set[str]] = {}
        for oid, mode in (*self.after.locks, *self._taken) if self.sort.ddl or self.sort.block else self._taken:
            modes.setdefault(oid, set()).add(mode)
        ready = {oid for oid, mode in self._taken if mode in ("AccessShareLock", "RowShareLock")}
        return frozenset(
            oid
            for oid in (ready | self._looked_through) - self._writes - self._created
            if self._kind(oid) in _RELATIONS_WITH_ROWS and modes.get(oid, set()) <= WEAK
        )

    @cached_property
    def _gone(self) -> frozenset[OidLock]:
        """The locks that reading and writing rows takes, where they were over before they could be seen."""
        if self._in_one:
            return frozenset()
        written = {(oid, "RowExclusiveLock") for oid in self._writes}
        return frozenset(written | {(oid, "AccessShareLock") for oid in self._reads})


class Holding:
    """What a transaction holds by name, from statement to statement: only what is new is named.

    While nothing changes it is the very same tuple, of which 10,000 statements need one.
    """

    def __init__(self) -> None:
        self._transaction = ""
        self._named: dict[OidLock, tuple[tuple[str, int], Lock] | None] = {}
        self._shown: tuple[Lock, ...] = ()
        self._concerned: frozenset[int] = frozenset()

    def forget(self) -> None:
        """Names may have changed without a statement that tells of it."""
        self._transaction = ""

    def after(self, between: Between) -> tuple[Lock, ...]:
        """All that is held after the statement, by relation, the strongest first."""
        look = between.after
        if look.transaction != self._transaction:
            self._transaction, self._named, self._concerned = look.transaction, {}, frozenset()
        concerned = frozenset(between.old.keys() | between.new.keys())
        uncertain = concerned | self._concerned  # a name is that of before the statement: so the next one changes it
        known, self._concerned = self._named, concerned
        self._named = {
            each: known[each] if each in known and each[0] not in uncertain else _placed(_named(each, between.name))
            for each in look.locks
        }
        if self._named != known or not known:
            placed = dict([each for each in self._named.values() if each is not None])
            self._shown = tuple([placed[place] for place in sorted(placed)])
        return self._shown


def with_keys(effects: Effects, validated: Iterable[tuple[str, str]]) -> Effects:
    """The effects with the other side of each foreign key (table, referenced table) that was checked for all rows.

    Where the table is empty, as on scratch, PostgreSQL does not get as far as reading the referenced one.
    """
    scans = set(effects.scans)
    scans.update(referenced for table, referenced in validated if table in effects.scans)
    return replace(effects, scans=tuple(sorted(scans)))


def locks(found: Iterable[OidLock], name: Callable[[int], str | None]) -> tuple[Lock, ...]:
    """Locks by name, of relations that ``name`` knows; by relation, the strongest first."""
    return in_order({lock for each in found if (lock := _named(each, name)) is not None})


def in_order(found: Iterable[Lock]) -> tuple[Lock, ...]:
    """Locks by relation, the strongest first."""
    return tuple(sorted(found, key=_place))


def _place(lock: Lock) -> tuple[str, int]:
    return lock.relation, -lock.mode.strength


def _placed(lock: Lock | None) -> tuple[tuple[str, int], Lock] | None:
    return None if lock is None else (_place(lock), lock)


def _named(lock: OidLock, name: Callable[[int], str | None]) -> Lock | None:
    known = name(lock[0])
    return Lock(known, mode_of(lock[1])) if known is not None else None


def _is_inner(event: ServerEvent) -> bool:
    """Whether it belongs to another object and is PostgreSQL's own affair, mostly with a number for a name."""
    inner = event.type == "trigger" and event.name.startswith('"RI_ConstraintTrigger_')
    rule = event.type == "rule" and event.name.startswith('"_RETURN" on ')
    return event.type == "type" or inner or rule or event.name.startswith("pg_toast.")


def _dropped_name(event: ServerEvent) -> str:
    """``constraint on schema.table``, as PostgreSQL identifies what belongs to a table, in our form."""
    inner, separator, table = event.name.partition(" on ")
    if separator and event.type in ("table constraint", "trigger", "policy", "rule"):
        return f"{table}.{inner}"
    return event.name


def _parts(name: str) -> tuple[str, str]:
    """Schema and name, unquoted, of a qualified name."""
    schema, last = re.findall(r'"(?:[^"]|"")*"|[^".]+', name)[:2] if "." in name else ("", name)
    return _unquoted(schema), _unquoted(last)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
