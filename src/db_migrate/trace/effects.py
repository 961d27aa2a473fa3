"""What running a revision on scratch did, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject


class LockMode(StrEnum):
    """PostgreSQL's table-level lock modes, weakest first (documentation: "13.3.1. Table-Level Locks")."""

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def blocks(self) -> tuple[str, ...]:
        """What ordinary work waits behind a holder: ``reads`` (SELECT), ``writes`` (INSERT, UPDATE, DELETE)."""
        if self is LockMode.ACCESS_EXCLUSIVE:
            return ("reads", "writes")
        if self in (LockMode.SHARE, LockMode.SHARE_ROW_EXCLUSIVE, LockMode.EXCLUSIVE):
            return ("writes",)
        return ()

    @property
    def strength(self) -> int:
        """The place of the mode in PostgreSQL's order, 1 to 8."""
        return _STRENGTHS[self]


_STRENGTHS = {mode: number for number, mode in enumerate(LockMode, 1)}


@cache
def mode_of(name: str) -> LockMode:
    """``AccessExclusiveLock``, as ``pg_locks`` writes it, as SQL writes it."""
    return LockMode(re.sub(r"(?<!^)(?=[A-Z])", " ", name.removesuffix("Lock")).upper())


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock held on a relation after a statement."""

    relation: str
    mode: LockMode

    @property
    def blocks(self) -> tuple[str, ...]:
        """See :attr:`LockMode.blocks`."""
        return self.mode.blocks


_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}(?=>)")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A table or index whose storage was written anew, with PostgreSQL's reason."""

    relation: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """An index that was built, which reads all of its table."""

    index: str
    relation: str


@dataclass(frozen=True, slots=True)
class Phase:
    """A moment at which a statement that commits in between (CONCURRENTLY, VACUUM) stood still.

    ``locks`` are those that it held, ``awaits`` the one that it was waiting for. Where it waits for older transactions
    to end, as CONCURRENTLY does, it awaits no lock.
    """

    locks: tuple[Lock, ...]
    awaits: Lock | None = None


@dataclass(frozen=True, slots=True)
class Effects:
    """What one statement did.

    ``locks`` are those that the statement took or strengthened; ``held`` all that its transaction holds after it.
    ``created`` names relations that this statement made. ``reads`` are tables whose rows it looked at, or made itself
    ready to look at, other than to change or check them. ``phases`` are empty for what runs in one transaction.
    ``spared`` is what the server says it need not look through, and why.
    """

    locks: tuple[Lock, ...] = ()
    held: tuple[Lock, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    scans: tuple[str, ...] = ()
    index_builds: tuple[IndexBuild, ...] = ()
    dropped: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    writes: tuple[str, ...] = ()
    truncated: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = ()
    spared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatementError:
    """How a statement failed on scratch."""

    sqlstate: str
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TracedStatement:
    """One statement as it was sent, where it came from, and what it did.

    ``transaction`` numbers the transactions of the whole trace from 1; a statement in autocommit mode has one of
    its own. ``line`` is the line of the revision file, 0 where unknown. ``seconds`` is the time on scratch.
    ``ddl`` is False for SELECT, DML and SET, told apart by PostgreSQL's grammar. ``assumed`` are objects that it needs,
    that nobody made, and that stand-ins took the place of. ``lock_timeout`` is what env.py or the revision had set, in
    seconds; 0 is none.
    """

    sql: str
    parameters: tuple[str, ...]
    file: str
    line: int
    transaction: int
    autocommit: bool
    effects: Effects
    seconds: float
    ddl: bool = True
    error: StatementError | None = None
    assumed: tuple[str, ...] = ()
    lock_timeout: float = 0.0


class Direction(StrEnum):
    """Which function of a revision ran."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


@dataclass(frozen=True, slots=True)
class RevisionError:
    """How a revision failed on scratch: PostgreSQL's or Python's error, with the place in the user's code.

    ``statement`` is the place of the statement that failed among the revision's, from 0; None when it was none.
    """

    type: str
    message: str
    sqlstate: str = ""
    file: str = ""
    line: int = 0
    statement: int | None = None

    @property
    def text(self) -> str:
        """What happened in words that are the same the next time: without the addresses of Python's objects."""
        return f"{self.type}: {_ADDRESS.sub('', self.message)}"


@dataclass(frozen=True, slots=True)
class CommitPoint:
    """A commit within a revision: the place of the last statement before it, from 0, and the schema as it then was."""

    statement: int
    after: Catalog


@dataclass(frozen=True)
class TracedRevision:
    """One revision run in one direction, from one catalog to another.

    ``after`` is what the database holds in the end, also after a failure: what was committed before it stays.
    ``unseen`` are statements that were sent behind SQLAlchemy's back, as the server's log has them. ``commits`` are
    the commits before the last one, where they were asked for. ``passing`` are the indexes that it made and that
    are gone in the end, each with the place of the statement that made it: taken over by a constraint or by the index
    of a partitioned table, or dropped again.
    """

    revision: str
    down_revision: tuple[str, ...]
    message: str
    file: str
    direction: Direction
    statements: tuple[TracedStatement, ...]
    before: Catalog
    after: Catalog
    error: RevisionError | None = None
    allow: Mapping[str, str] = field(default_factory=dict)
    external_transaction: bool = False
    unseen: tuple[str, ...] = ()
    commits: tuple[CommitPoint, ...] = ()
    passing: tuple[tuple[int, SchemaObject], ...] = ()

    @cached_property
    def created(self) -> frozenset[str]:
        """The names of all that its statements created as changes of their own."""
        changes = (change for statement in self.statements for change in statement.effects.changes)
        return frozenset(change.object for change in changes if change.action is Action.CREATED)

    @cached_property
    def steps_of(self) -> Mapping[tuple[Kind, str], Sequence[tuple[tuple[int, int], Change]]]:
        """What was altered of an object or gave it another name, by its kind and its name until then, in order.

        With each change the place of its statement, and its own among those of the statement.
        """
        found: dict[tuple[Kind, str], list[tuple[tuple[int, int], Change]]] = {}
        for index, statement in enumerate(self.statements):
            for number, change in enumerate(statement.effects.changes):
                if change.action in (Action.RENAMED, Action.ALTERED):
                    name = change.from_object if change.action is Action.RENAMED else change.object
                    found.setdefault((change.kind, name or ""), []).append(((index, number), change))
        return found


@dataclass(frozen=True)
class Trace:
    """All that was run, in order. ``server_version`` is that of the scratch server which proved it.

    ``sampled`` are the tables of which rows had been copied from the target.
    ``prepared`` is what Alembic itself made before the first revision.
    ``refused``: the revisions tried to reach something that they were not let, and may do otherwise where they are.
    ``connections``: over how many of its connections env.py ran Alembic.
    """

    revisions: tuple[TracedRevision, ...]
    server_version: int
    before: Catalog
    after: Catalog
    warnings: tuple[str, ...] = ()
    sampled: frozenset[str] = frozenset()
    refused: bool = False
    prepared: tuple[str, ...] = ()
    connections: int = 1
