"""What was done to a target, and what is kept there."""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.catalog.change import Change
from db_migrate.errors import ErrorReport
from db_migrate.results.base import Result
from db_migrate.results.plan import KeptObject, Plan, Restored
from db_migrate.schemas.outcome import TargetSummary


@dataclass(frozen=True, slots=True)
class StepResult:
    """One statement that was executed. ``statement`` is its index within the revision; times in seconds."""

    revision: str
    statement: int
    sql: str
    seconds: float
    lock_wait_seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class KeptItem:
    """One thing that is kept. ``bytes`` is None for what takes no room of its own; ``kept_at`` is ISO 8601 in UTC.

    ``revision`` in ``direction`` destroyed it, ``place`` is where it is now, ``overdue`` whether it is to be purged.
    """

    id: str
    object: str
    strategy: str
    rows: int | None
    bytes: int | None
    run: str
    kept_at: str
    revision: str
    direction: str
    place: str
    overdue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptData(Result):
    """What is kept, after what was put back or purged; ``detail``: one object was asked for."""

    objects: tuple[KeptItem, ...]
    restored: tuple[Restored, ...] = ()
    purged: tuple[KeptItem, ...] = ()
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that verify found, with the command that ends it."""

    code: str
    object: str
    message: str
    command: str


@dataclass(frozen=True, slots=True)
class VerifyOutcome:
    ok: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Backup:
    """The tables that a run was going to touch, as ``pg_dump`` wrote them before; ``restore`` puts them back.

    ``sha256`` is the file's, which also stands in a file beside it.
    """

    file: str
    sha256: str
    bytes: int
    tables: tuple[str, ...]
    restore: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """How a plan went on a full copy of its database, which is gone again.

    ``method``: ``template`` or ``pg_dump``; ``server`` is where the copy was, ``bytes`` how large the original is,
    ``copy_seconds`` how long copying took, ``seconds`` the run. ``state``, ``to`` and ``error`` are those of the run.
    """

    target: TargetSummary | None
    method: str
    server: str
    bytes: int
    copy_seconds: float
    seconds: float
    state: str
    to: tuple[str, ...]
    steps: tuple[StepResult, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    error: ErrorReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult(Result):
    """What apply, rollback and repair return. ``error`` is set when the run did not reach its destination.

    ``targets``: where env.py migrates several databases or schemas, the run of each, in their order; the other fields
    are then about all of them. One that was not begun has no ``run``. ``rehearsals``: the run was only rehearsed.
    """

    run: str
    state: str
    from_: tuple[str, ...]
    to: tuple[str, ...]
    steps: tuple[StepResult, ...]
    kept: tuple[KeptObject, ...]
    restored: tuple[Restored, ...]
    verify: VerifyOutcome | None
    backup: Backup | None = None
    plan: Plan | None = None
    error: ErrorReport | None = None
    exit_code: int = 0
    targets: tuple[RunResult, ...] = ()
    rehearsals: tuple[Rehearsal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify(Result):
    """``targets``: of several databases or schemas, what was found in each."""

    problems: tuple[Problem, ...]
    targets: tuple[Verify, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp(Result):
    from_: tuple[str, ...]
    to: tuple[str, ...]
    differences: tuple[Change, ...]
