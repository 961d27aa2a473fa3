"""Keeping and restoring within a run: which of the plan's kept objects a statement drops, and what is due back."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.errors import Failed
from db_migrate.execute.journal import Entry
from db_migrate.execute.keep.choose import ROWS
from db_migrate.execute.keep.names import table_of, without_last
from db_migrate.execute.keep.put_aside import Occasion, put_aside, stays_empty
from db_migrate.execute.keep.put_back import in_order, is_complete, is_there, not_restored, put_back
from db_migrate.execute.keep.rows import Snapshot, is_of, settle, snapshot
from db_migrate.execute.keep.store import Kept, Run, kept_objects
from db_migrate.execute.locks import strongest
from db_migrate.project.child_process import Link, QueryError
from db_migrate.results import KeptObject, PlannedRevision, PlannedStatement, Restored
from db_migrate.trace.effects import Lock, LockMode

OPPOSITE = {"upgrade": "downgrade", "downgrade": "upgrade"}

_OF_VALUES = ("22", "23", "42846")
"""How SQLSTATEs begin that are about values: they do not fit a type, break a constraint, or nothing casts them."""


@dataclass(slots=True)
class Keeper:
    """Keeps what the plan says is kept. ``kept`` and ``restored`` are what has been committed.

    ``run`` names the run in the labels of what is kept; ``note`` writes into the journal. ``schema``: see ``Target``.
    ``before_run``: the schema that the run begins with, where it is no real one but to tell how one will go.
    """

    wanted: tuple[KeptObject, ...]
    run: str
    note: Callable[[Entry, Mapping[str, Any]], None]
    schema: str = ""
    before_run: Catalog | None = None
    kept: list[KeptObject] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    _pending: list[KeptObject | Restored] = field(default_factory=list)
    _snapshots: list[Snapshot] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)
    """The tables whose rows need no copy in this transaction: they are empty, or gone and kept."""
    _number: int = 0
    _anything_due: bool = True
    _room: tuple[tuple[Lock, str], ...] = ()

    def begin_revision(self, revision: PlannedRevision, run: Run) -> None:
        """Look what is due back while nobody waits for us: looking through all columns takes its time."""
        found = due(kept_objects(run), revision.revision, revision.direction, self.schema)
        self._anything_due = bool(found)
        self._room = tuple((_lock_of(each), each.label.object) for each in found)

    def room(self, objects: Container[str]) -> tuple[Lock, ...]:
        """The locks that it takes to put back what is due of these objects."""
        return strongest(lock for lock, name in self._room if name in objects)

    def before(self, planned: PlannedStatement, revision: PlannedRevision, link: Link, *, held: bool = False) -> None:
        """Put aside what the statement is about to drop, on its own connection; ``held``: so are its locks."""
        if planned.autocommit:
            return
        self.before_data(planned, revision, link)
        keys = [c for c in planned.effects.changes if c.kind == Kind.FOREIGN_KEY and c.action is Action.CREATED]
        if keys:
            referring = {str(each.parent) for each in keys}
            self._give_back_tables(revision, link, referring, {lock.relation for lock in planned.effects.locks})
        self._give_back_renamed({str(c.from_object) for c in planned.effects.changes if c.from_object}, revision, link)
        dropped = set(planned.effects.dropped)
        for each in self.wanted:
            if each.object in dropped and each.strategy != ROWS:
                self._settle_of(each.object, link)
                if not stays_empty(link.query, each):
                    self._has_kept(put_aside(link.query, each, self._occasion(revision), held=held))

    def _settle_of(self, name: str, link: Link) -> None:
        """Keep what has become of the rows of a table before it goes, or a column of it: then it cannot be told."""
        table = table_of(name)
        for taken in [each for each in self._snapshots if is_of(link.query, each, table)]:
            self._snapshots.remove(taken)
            self._settle(taken, link)
            if table == name:
                self._done.add(taken.kept.object)
        if table == name:
            self._done.add(name)

    def _settle(self, taken: Snapshot, link: Link) -> None:
        settled = settle(link.query, taken)
        if settled is not None:
            self._has_kept(settled)

    def rows_at_risk(self, planned: PlannedStatement | None, revision: PlannedRevision) -> tuple[str, ...]:
        """The tables to be copied before a statement is sent, since it may change rows that are to be kept.

        None stands for any DML, whose text and number may be others than planned.
        """
        tables = tuple(each.object for each in self._rows_of(revision))
        if planned is None:
            return tables
        effects = planned.effects
        retyped = {without_last(c.object) for c in effects.changes if any(a.name == "type" for a in c.attributes)}
        keyless = {c.parent for c in effects.changes if c.kind == Kind.PRIMARY_KEY and c.action is Action.DROPPED}
        touched = {*effects.truncated, *effects.writes, *retyped, *keyless, *(r.relation for r in effects.rewrites)}
        return tables if touched & set(tables) else ()

    def before_data(self, planned: PlannedStatement | None, revision: PlannedRevision, link: Link) -> None:
        """Copy the tables whose rows a statement may change or delete, unless that has been done."""
        if self.rows_at_risk(planned, revision):
            for each in self._rows_of(revision):
                if stays_empty(link.query, each):
                    self._done.add(each.object)
                else:
                    self._snapshots.append(snapshot(link.query, each, self._occasion(revision)))

    def _rows_of(self, revision: PlannedRevision) -> tuple[KeptObject, ...]:
        """The tables whose rows are to be kept in this revision and have not been copied."""
        done = {each.kept.object for each in self._snapshots} | self._done
        return tuple(
            each
            for each in self.wanted
            if each.strategy == ROWS and each.revision == revision.revision and each.object not in done
        )

    def _occasion(self, revision: PlannedRevision) -> Occasion:
        self._number += 1
        return Occasion(self.run, revision.revision, revision.direction, self._number, self.schema)

    def _has_kept(self, done: KeptObject) -> None:
        self._pending.append(done)
        self.note(Entry.KEPT, as_noted(done))

    def before_commit(self, revision: PlannedRevision, link: Link) -> None:
        """Put back what the revision had destroyed when it last ran the other way.

        Raises ``Failed`` when that is not possible, or when what this run has kept has not stayed whole.
        """
        for taken in self._snapshots:
            self._settle(taken, link)
        self._snapshots.clear()
        self._done.clear()
        if not (self._anything_due or self.kept or self._pending):
            return
        everything = kept_objects(link.query, parked=self._anything_due)
        damaged = next((each for each in everything if each.label.run == self.run and not each.whole), None)
        if damaged is not None:
            raise Failed(
                "kept.damaged",
                f"a later statement takes away part of what was kept of {damaged.label.object}",
                why="it drops, with CASCADE, something that the kept table still uses",
                state="the revision is rolled back",
                next=["db-migrate plan"],
            )
        for each in in_order(link.query, due(everything, revision.revision, revision.direction, self.schema)):
            self._give_back(each, link)

    def _give_back_tables(self, revision: PlannedRevision, link: Link, referring: Set[str], locked: Set[str]) -> None:
        """Give tables that are whole again their rows, before a foreign key holds those of others against them.

        So are those that lack a column, where the statement refers to them from a table that is there.
        """
        if not self._anything_due:
            return
        back = due(kept_objects(link.query), revision.revision, revision.direction, self.schema)
        there = any(is_there(link.query, each) for each in referring)
        needed = locked - referring if there else frozenset()
        wanted = [b for b in back if is_complete(link.query, b) or (b.is_whole_table and b.label.table in needed)]
        for each in in_order(link.query, wanted):
            self._give_back(each, link)

    def _give_back_renamed(self, names: Container[str], revision: PlannedRevision, link: Link) -> None:
        """Give back what is known by these names, before they go: the revision had renamed it before it dropped it."""
        if not self._anything_due:
            return
        back = due(kept_objects(link.query), revision.revision, revision.direction, self.schema)
        for each in in_order(link.query, [b for b in back if b.label.object in names or b.label.table in names]):
            self._give_back(each, link)

    def _give_back(self, kept: Kept, link: Link) -> None:
        try:
            done = put_back(link.query, kept, self.before_run)
        except QueryError as error:
            if (error.sqlstate or "").startswith(_OF_VALUES):
                raise not_restored(kept, str(error)) from error
            raise
        if done is not None:
            self._pending.append(done)
            left = {"left": list(done.left)} if done.left else {}
            self.note(Entry.RESTORED, {"object": done.object, "rows": done.rows, "from": kept.name, **left})

    def ended(self, *, committed: bool) -> None:
        """The transaction has ended."""
        if committed:
            self.kept += [each for each in self._pending if isinstance(each, KeptObject)]
            self.restored += [each for each in self._pending if isinstance(each, Restored)]
        self._pending.clear()
        self._snapshots.clear()
        self._done.clear()


def as_noted(kept: KeptObject) -> dict[str, Any]:
    """What the journal says of something that was kept."""
    return {"object": kept.object, "strategy": kept.strategy, "rows": kept.rows}


def _lock_of(kept: Kept) -> Lock:
    """What putting it back locks at the most: columns and triggers are altered, or only triggers."""
    mode = LockMode.SHARE_ROW_EXCLUSIVE if kept.label.strategy == ROWS else LockMode.ACCESS_EXCLUSIVE
    return Lock(kept.parked_in or kept.label.table, mode)


def due(kept: tuple[Kept, ...], revision: str, direction: str, schema: str) -> tuple[Kept, ...]:
    """What was kept when the revision last ran the other way, of each object the latest, as it has to go back.

    That is the other way round, for what depends on another was dropped first; then rows, those first that others
    refer to; then columns that had gone before their table's rows did, so that these rows have their values back too.
    """
    mine = [
        each
        for each in kept
        if (each.label.revision, each.label.direction, each.label.schema) == (revision, OPPOSITE[direction], schema)
    ]
    found = {(each.label.object, each.label.strategy): each for each in mine}
    whole = [each for each in found.values() if each.label.strategy != ROWS]
    last = {each.label.object: each.label.run for each in found.values() if each.label.strategy == ROWS}
    rows = [each for each in mine if each.label.strategy == ROWS and each.label.run == last[each.label.object]]
    later = [c for c in whole if c.label.column and any(_goes_after(r, c) for r in rows)]
    after = [r for r in rows if any(_is_of_table(r, c) and not _goes_after(r, c) for c in later)]
    return (
        *(each for each in reversed(whole) if each not in later),
        *(each for each in rows if each not in after),
        *reversed(later),
        *after,
    )


def _is_of_table(rows: Kept, column: Kept) -> bool:
    return rows.label.table == column.label.table


def _goes_after(rows: Kept, column: Kept) -> bool:
    """Whether they are rows of the column's table that were copied when the column had gone."""
    return _is_of_table(rows, column) and rows.label.number > column.label.number
