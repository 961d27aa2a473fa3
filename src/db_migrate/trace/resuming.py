"""Takes up a revision where it was left: statements of it that are committed already are not sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from db_migrate.project import events
from db_migrate.project.child_process import Handler, Link
from db_migrate.trace.grammar import sort_of_sent


def key_of(event: events.Statement) -> str:
    """What makes a statement the same one again: its text; of data only the text without parameters."""
    return event.sql if sort_of_sent(event.rendered, event.sql).writes else event.rendered or event.sql


def is_own(event: events.Statement) -> bool:
    """Whether a statement is a revision's own, and more than the end of a transaction."""
    own = not event.internal and event.revision is not None
    return own and not sort_of_sent(event.rendered, event.sql).transaction


@dataclass(frozen=True, slots=True)
class Committed:
    """What of one revision is committed: its statements in the order in which they are sent, and which of them are.

    ``unforeseen`` is what to do with data that the statements do not have, where nothing tells whether it has run: True
    to leave it out, False to send it, None to refuse.
    """

    revision: str
    direction: str
    statements: Sequence[tuple[str, bool]]
    unforeseen: bool | None = None


UNFORESEEN = "nobody knows whether this has run before"


class Unforeseen(Exception):
    """Data is about to be written of which nobody knows whether it was written before."""

    def __init__(self, sql: str) -> None:
        super().__init__(f"{UNFORESEEN}: {sql}")
        self.sql = sql


@dataclass(slots=True)
class Resuming:
    """Stands before ``inner`` and leaves out what is committed."""

    inner: Handler
    committed: Committed
    _seen: Counter[str] = field(default_factory=Counter)
    _last: int = -1

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event of the child."""
        if isinstance(event, events.StepBegin):
            self._seen.clear()
            self._last = -1
        if isinstance(event, events.Statement) and is_own(event) and event.revision == self.committed.revision:
            try:
                if self._is_done(event):
                    link.skip()
                    return
            except Unforeseen as error:
                link.abort(str(error))
                return
        self.inner.event(event, link)

    def _is_done(self, event: events.Statement) -> bool:
        key = key_of(event)
        number = self._seen[key]
        self._seen[key] += 1
        places = self._places(key)
        if number < len(places):
            self._last = max(self._last, places[number])
            return self.committed.statements[places[number]][1]
        if not sort_of_sent(event.rendered, event.sql).writes:
            return False
        if places:
            return self.committed.statements[places[-1]][1]
        return self._around(event.sql)

    def _places(self, key: str) -> tuple[int, ...]:
        return tuple(n for n, (each, _) in enumerate(self.committed.statements) if each == key)

    def _around(self, sql: str) -> bool:
        """Whether data that the statements do not have has run: as its neighbours have."""
        done = [each for _, each in self.committed.statements]
        if any(done[self._last + 1 :]):
            return True
        if self._last < 0 or not all(done[: self._last + 1]):
            return False
        if self.committed.unforeseen is None:
            raise Unforeseen(sql)
        return self.committed.unforeseen
