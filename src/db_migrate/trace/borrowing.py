"""One connection of the child's, looked through while the child waits."""

from __future__ import annotations

import msgspec

from db_migrate.errors import Failed
from db_migrate.project.child_process import Link
from db_migrate.trace.grammar import StatementSort
from db_migrate.trace.observation import ALONE, LOOK, LOOK_AT_ALL, TOTALS, Observation, asking

_Activity = tuple[tuple[int, int, int], ...]

_LIMITS = "SELECT pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('statement_timeout')"
_LIMITED = (
    "SELECT pg_catalog.set_config('lock_timeout', '{}', false), pg_catalog.set_config('statement_timeout', '{}', false)"
)


class Borrowed:
    """What is known of a connection, and how to look through it.

    ``transaction`` is the number of its transaction in the trace, ``inside`` whether that goes on. ``alone``: its
    statement has a transaction, or several, of its own that will be over before we can look. ``doomed``: its
    transaction has failed and answers nothing until it is rolled back, in whole or to a savepoint.
    """

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.transaction = 0
        self.inside = False
        self.alone = False
        self.doomed = False
        self._last: Observation | None = None
        self._wrapped = False
        self._broken = False
        self._let_go = False
        self._timeouts: tuple[str, str] | None = None
        self._counted: dict[int, tuple[int, int, int]] = {}
        self._counted_in = ""

    def recover(self, link: Link) -> None:
        """End the block that we had put around a statement in autocommit mode which then failed."""
        if self._broken:
            link.query("ROLLBACK")
            self._broken = self.inside = False
        self._patient_no_more(link)

    def forget(self) -> None:
        """Take nothing of the last look for granted."""
        self._last = None

    def begin(self, transaction: int, link: Link, sort: StatementSort, *, autocommit: bool) -> None:
        """A statement is about to begin a transaction, or to run in autocommit mode."""
        self.transaction = transaction
        self.inside = not autocommit
        self._last = None
        self.alone = autocommit and not (sort.wrappable and self._wrap(link))

    def _wrap(self, link: Link) -> bool:
        """Put a statement in autocommit mode into a block: on scratch it may as well run in one, and is then seen.

        False where the driver keeps no block in autocommit mode.
        """
        link.query("BEGIN")
        self._last = _look(link)
        self._wrapped = _look(link).transaction == self._last.transaction
        return self._wrapped

    def before(self, link: Link) -> Observation:
        """The last look before a statement."""
        if self.alone:
            link.query(ALONE.format("on"))
            self._be_patient(link)
            self._last = _look(link, totals=True)
        elif self._last is None:
            self._last = self._counting(_look(link, all_of_it=self._let_go))
            self._let_go = False
        return self._last

    def _be_patient(self, link: Link) -> None:
        """Let the statement wait for the sessions that watch it, whatever time limits its own session has set."""
        lock, statement = link.query(_LIMITS)[0]
        self._timeouts = str(lock), str(statement)
        link.query(_LIMITED.format("0", "0"))

    def _patient_no_more(self, link: Link) -> None:
        if self._timeouts is not None:
            link.query(_LIMITED.format(*self._timeouts))
            self._timeouts = None

    def after(self, link: Link) -> Observation:
        """A look after a statement."""
        self._last = _look(link, totals=self.alone)
        if not self.alone:
            self._last = self._counting(self._last)
        return self._last

    def _counting(self, look: Observation) -> Observation:
        """The look with the activity of what the same transaction held before and has let go of."""
        if look.transaction != self._counted_in:
            self._counted, self._counted_in = {}, look.transaction
        self._counted |= {each[0]: each for each in look.activity}
        return msgspec.structs.replace(look, activity=tuple(self._counted.values()))

    def rolled_back(self) -> None:
        """To a savepoint: what was counted since stays, and the locks that said where to look are gone."""
        self.doomed = False
        self._last = None
        self._let_go = True

    def end_alone(self, link: Link) -> None:
        """The statement has been looked at: where it was in autocommit mode, let it end."""
        if self._wrapped:
            link.query("COMMIT")
            self._wrapped, self._last = False, None
        if self.alone:
            link.query(ALONE.format("off"))
            self._patient_no_more(link)
            self.alone, self._last = False, None

    def failed(self) -> None:
        """The statement has failed, and its transaction with it."""
        self._broken, self._wrapped = self._wrapped, False
        self.doomed = self.inside
        self._last = None

    def ended(self) -> None:
        """The transaction has been committed or rolled back."""
        self.inside = self.doomed = False
        self._last = None


def _look(link: Link, *, totals: bool = False, all_of_it: bool = False) -> Observation:
    """One look; with ``totals`` from outside of any transaction, at all that has been counted."""
    found = msgspec.json.decode(_one(link, LOOK_AT_ALL if all_of_it else LOOK), type=Observation)
    if not totals:
        return found
    (activity,) = msgspec.json.decode(_one(link, asking([TOTALS])), type=tuple[_Activity])
    return msgspec.structs.replace(found, activity=activity)


def _one(link: Link, sql: str) -> str:
    rows = link.query(sql)
    if not rows or rows[0][0] is None:
        raise Failed("trace.observe", "the scratch database returned nothing where an observation was expected")
    return rows[0][0]
