"""What the plan lets one revision do, and whether what it does is that. Pure.

Every statement but SELECT, DML and SET must be the next planned one, to the letter. DML may repeat and vary with the
data; it, and everything else, may hold only locks that the plan names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from db_migrate.catalog.objects import TABLE_KINDS
from db_migrate.execute.locks import is_strong, strong, strongest
from db_migrate.postgres.redact import redact_statement
from db_migrate.project.events import Statement
from db_migrate.results import PlannedRevision, PlannedStatement
from db_migrate.schemas.scratch import KEPT_SCHEMA
from db_migrate.trace.effects import Lock, LockMode
from db_migrate.trace.grammar import StatementSort, sort_of, without_constants

_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")
_HARMLESS_OUTSIDE = frozenset({"create_schema_stmt", "create_extension_stmt"})


class Differs(Exception):
    """What is about to happen is not what was planned; ``message`` is one line, ``why`` shows both sides."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.message = message
        self.why = why


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock of the running transaction. ``names``: the relation's name now, and before this transaction.

    ``created``: the relation did not exist before.
    """

    oid: int
    names: frozenset[str]
    mode: LockMode
    kind: str
    created: bool


def sort_of_event(event: Statement) -> StatementSort:
    """What the grammar says of a statement, whose placeholders it does not know."""
    return _sort(event.rendered or event.sql)


def text_of(event: Statement) -> str:
    """The statement as the plan writes it."""
    return redact_statement(event.rendered or event.sql)


def _sort(sql: str) -> StatementSort:
    found = sort_of(sql)
    return sort_of(_PLACEHOLDER.sub("NULL", sql)) if found.nodes == ("unreadable",) else found


class Expectation:
    """The planned statements of one revision, being used up as they come by."""

    def __init__(self, revision: PlannedRevision) -> None:
        self.revision = revision
        self._sorts = tuple(_sort(each.sql) for each in revision.statements)
        self._next = 0
        self._also_written: set[str] = set(revision.may_write)
        self._taken: tuple[Lock, ...] = ()
        self._written_by_data = [s for s, sort in zip(revision.statements, self._sorts, strict=True) if not sort.ddl]

    def take(self, sql: str) -> tuple[int, PlannedStatement]:
        """Use up the next planned DDL statement, which ``sql`` must be. Raises ``Differs``."""
        index = self._next_ddl()
        if index is None:
            raise Differs("the revision sends a statement that the plan does not have", f"sent: {sql}")
        planned = self.revision.statements[index]
        if planned.sql != sql:
            raise Differs("the revision sends another statement than planned", f"planned: {planned.sql}\nsent: {sql}")
        self._next = index + 1
        return index, planned

    def place(self, sql: str) -> int:
        """The index to give to a statement that need not be the next planned one: its own where it is planned."""
        rest = range(self._next, len(self.revision.statements))
        for index in rest:
            if self.revision.statements[index].sql == sql:
                return index
        shape = without_constants(sql)
        for index in rest:
            if not self._sorts[index].ddl and without_constants(self.revision.statements[index].sql) == shape:
                return index
        return min(self._next, max(0, len(self.revision.statements) - 1))

    def is_planned(self, sql: str) -> bool:
        """Whether this text is in the plan of this revision, whatever constants it has: those of a batch differ."""
        if any(each.sql == sql for each in self.revision.statements):
            return True
        shape = without_constants(sql)
        planned = zip(self.revision.statements, self._sorts, strict=True)
        return any(not sort.ddl and without_constants(each.sql) == shape for each, sort in planned)

    def check_complete(self) -> None:
        """Raise ``Differs`` when planned DDL has not been sent, now that the revision is about to be recorded."""
        index = self._next_ddl()
        if index is not None:
            raise Differs(
                "the revision left out a planned statement", f"planned: {self.revision.statements[index].sql}"
            )

    def check_commit(self) -> None:
        """Raise ``Differs`` when a commit would split what the plan has in one transaction."""
        index = self._next_ddl()
        if index is None or self._next == 0:
            return
        last = self.revision.statements[self._next - 1]
        if not last.autocommit and self.revision.statements[index].transaction == last.transaction:
            raise Differs(
                "the revision commits before a statement that was planned in the same transaction",
                f"planned: {self.revision.statements[index].sql}",
            )

    def check_locks(self, held: Iterable[HeldLock]) -> None:
        """Raise ``Differs`` for a lock that the plan does not name, of those that say what was done."""
        allowed = self._allowed()
        for lock in held:
            if lock.created or not _tells(lock) or _is_ours(lock):
                continue
            if lock.mode.strength > max((allowed.get(name, 0) for name in lock.names), default=0):
                name = min(lock.names, default=f"relation {lock.oid}")
                raise Differs(
                    f"the revision holds {lock.mode} on {name}, which the plan does not name",
                    "the plan names " + (", ".join(sorted(allowed)) or "no relation"),
                )

    def allow_writes(self, reachable: Callable[[list[str]], Iterable[str]]) -> bool:
        """Let the revision's DML change what ``reachable`` says of the tables that it writes; whether that is news."""
        written = {name for each in self._written_by_data for name in each.effects.writes}
        written |= set(self.revision.may_write)
        before = len(self._also_written)
        self._also_written |= set(reachable(sorted(written)))
        return len(self._also_written) > before

    def took(self, locks: tuple[Lock, ...]) -> None:
        """We have taken these ourselves, before the statements that need them."""
        self._taken = strongest((*self._taken, *locks))

    @property
    def ends_together(self) -> bool:
        """Whether all that is still to come is one transaction, with the version table's."""
        return not any(each.autocommit for each in self.revision.statements[self._next :])

    def strong_ahead(self, transaction: int | None = None) -> tuple[Lock, ...]:
        """The strong locks that a transaction of the plan is still going to need (default: the next one's)."""
        rest = self.revision.statements[self._next :]
        if transaction is None:
            transaction = next((each.transaction for each in rest if strong(each.effects)), None)
        return strongest(lock for each in rest if each.transaction == transaction for lock in strong(each.effects))

    def _next_ddl(self) -> int | None:
        return next((i for i in range(self._next, len(self._sorts)) if self._sorts[i].ddl), None)

    def _allowed(self) -> dict[str, int]:
        """The strongest mode by relation that statements sent so far, and all DML of the revision, may hold."""
        allowed = dict.fromkeys(self._also_written, LockMode.ROW_EXCLUSIVE.strength)
        allowed |= {lock.relation: lock.mode.strength for lock in self._taken}
        for each in (*self.revision.statements[: self._next], *self._written_by_data):
            named = [(lock.relation, LockMode(lock.mode)) for lock in each.effects.locks]
            named += [(relation, LockMode.ROW_EXCLUSIVE) for relation in each.effects.writes]
            for relation, mode in named:
                allowed[relation] = max(allowed.get(relation, 0), mode.strength)
            for change in each.effects.changes:  # a lock stays on what gets another name, and may get a third one
                if change.kind in TABLE_KINDS and change.from_object in allowed:
                    allowed[change.object] = max(allowed.get(change.object, 0), allowed[change.from_object])
        return allowed


def outside_is_harmless(sort: StatementSort, sql: str) -> bool:
    """Whether env.py may send this before the first revision: what only makes sure that something is there."""
    return set(sort.nodes) <= _HARMLESS_OUTSIDE and sql.upper().count("IF NOT EXISTS") == len(sort.nodes)


def _is_ours(lock: HeldLock) -> bool:
    """Whether it is of what is kept: that is locked by whoever puts it back, which is us."""
    return bool(lock.names) and all(name.startswith(f"{KEPT_SCHEMA}.") for name in lock.names)


def _tells(lock: HeldLock) -> bool:
    """Whether a lock says what was done: readers' and foreign keys' locks do not, nor ordinary use of an index."""
    if lock.kind in ("i", "I", "S"):
        return is_strong(lock.mode)
    return lock.mode.strength > LockMode.ROW_SHARE.strength
