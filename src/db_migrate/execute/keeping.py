"""Keeping and restoring within a run: which of the plan's kept objects a statement drops, and what is due back."""

from __future__ import annotations

from dataclasses import dataclass, field

from db_migrate.execute.journal import Entry
from db_migrate.execute.keep.put_aside import Occasion, put_aside
from db_migrate.execute.keep.put_back import put_back
from db_migrate.execute.keep.store import kept_objects
from db_migrate.execute.recording import Recorder
from db_migrate.project.child_process import Link
from db_migrate.results import KeptObject, Plan, PlannedRevision, PlannedStatement, Restored

_OPPOSITE = {"upgrade": "downgrade", "downgrade": "upgrade"}


@dataclass(slots=True)
class Keeper:
    """Keeps what the plan says is kept. ``kept`` and ``restored`` are what has been committed."""

    plan: Plan
    recorder: Recorder
    kept: list[KeptObject] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    _pending: list[KeptObject | Restored] = field(default_factory=list)
    _number: int = 0

    def before(self, planned: PlannedStatement, revision: PlannedRevision, link: Link) -> None:
        """Put aside what the statement is about to drop, on its own connection."""
        dropped = set(planned.effects.dropped)
        for each in self.plan.kept:
            if each.object in dropped and not planned.autocommit:
                self._number += 1
                occasion = Occasion(self.recorder.run, revision.revision, revision.direction, self._number)
                done = put_aside(link.query, each, occasion)
                self._pending.append(done)
                self.recorder.note(Entry.KEPT, {"object": done.object, "strategy": done.strategy, "rows": done.rows})

    def before_commit(self, revision: PlannedRevision, link: Link) -> None:
        """Put back what the revision had destroyed when it last ran the other way."""
        due = [
            each
            for each in kept_objects(link.query)
            if (each.label.revision, each.label.direction) == (revision.revision, _OPPOSITE[revision.direction])
        ]
        for each in reversed(due):
            done = put_back(link.query, each)
            if done is not None:
                self._pending.append(done)
                self.recorder.note(Entry.RESTORED, {"object": done.object, "rows": done.rows, "from": each.name})

    def ended(self, *, committed: bool) -> None:
        """The transaction has ended."""
        if committed:
            self.kept += [each for each in self._pending if isinstance(each, KeptObject)]
            self.restored += [each for each in self._pending if isinstance(each, Restored)]
        self._pending.clear()
