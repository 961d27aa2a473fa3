"""Keeping and restoring within a run: which of the plan's kept objects a statement drops, and what is due back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from db_migrate.errors import Failed
from db_migrate.execute.journal import Entry
from db_migrate.execute.keep.put_aside import Occasion, put_aside
from db_migrate.execute.keep.put_back import put_back
from db_migrate.execute.keep.store import Kept, kept_objects
from db_migrate.project.child_process import Link
from db_migrate.results import KeptObject, PlannedRevision, PlannedStatement, Restored

OPPOSITE = {"upgrade": "downgrade", "downgrade": "upgrade"}


@dataclass(slots=True)
class Keeper:
    """Keeps what the plan says is kept. ``kept`` and ``restored`` are what has been committed.

    ``run`` names the run in the labels of what is kept; ``note`` writes into the journal.
    """

    wanted: tuple[KeptObject, ...]
    run: str
    note: Callable[[Entry, Mapping[str, Any]], None]
    kept: list[KeptObject] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    _pending: list[KeptObject | Restored] = field(default_factory=list)
    _number: int = 0

    def before(self, planned: PlannedStatement, revision: PlannedRevision, link: Link) -> None:
        """Put aside what the statement is about to drop, on its own connection."""
        dropped = set(planned.effects.dropped)
        for each in self.wanted:
            if each.object in dropped and not planned.autocommit:
                self._number += 1
                occasion = Occasion(self.run, revision.revision, revision.direction, self._number)
                done = put_aside(link.query, each, occasion)
                self._pending.append(done)
                self.note(Entry.KEPT, {"object": done.object, "strategy": done.strategy, "rows": done.rows})

    def before_commit(self, revision: PlannedRevision, link: Link) -> None:
        """Put back what the revision had destroyed when it last ran the other way.

        Raises ``Failed`` when that is not possible, or when what this run has kept has not stayed whole.
        """
        everything = kept_objects(link.query)
        damaged = next((each for each in everything if each.label.run == self.run and not each.whole), None)
        if damaged is not None:
            raise Failed(
                "kept.damaged",
                f"a later statement takes away part of what was kept of {damaged.label.object}",
                why="it drops, with CASCADE, something that the kept table still uses",
                state="the revision is rolled back",
                next=["db-migrate plan"],
            )
        for each in reversed(due(everything, revision.revision, revision.direction)):
            done = put_back(link.query, each)
            if done is not None:
                self._pending.append(done)
                self.note(Entry.RESTORED, {"object": done.object, "rows": done.rows, "from": each.name})

    def ended(self, *, committed: bool) -> None:
        """The transaction has ended."""
        if committed:
            self.kept += [each for each in self._pending if isinstance(each, KeptObject)]
            self.restored += [each for each in self._pending if isinstance(each, Restored)]
        self._pending.clear()


def due(kept: tuple[Kept, ...], revision: str, direction: str) -> tuple[Kept, ...]:
    """What was kept when the revision last ran the other way: of each object the latest, oldest first."""
    found = {
        (each.label.object, each.label.strategy): each
        for each in kept
        if (each.label.revision, each.label.direction) == (revision, OPPOSITE[direction])
    }
    return tuple(found.values())
