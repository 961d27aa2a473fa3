"""What was written into a project: revisions, settings, the skill; and which of its tests ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from db_migrate.catalog.change import Change
from db_migrate.errors import ErrorReport
from db_migrate.results.base import Result
from db_migrate.rules.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun(Result):
    """Which tests ran and why; ``reason`` maps each selected path to the tables that chose it."""

    __test__ = False  # not a pytest class, whatever its name

    tables: tuple[str, ...]
    selected: tuple[str, ...]
    reason: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    command: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillInstalled(Result):
    """Where the skill is, and its files that were written; none where they were the same already."""

    folder: str
    written: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetupFile:
    """A file that a project needs. ``action`` is created, changed or unchanged; ``diff`` is in the unified form."""

    path: str
    action: str
    purpose: str
    diff: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a person does next; ``command`` is what to type, empty where a file has to be edited by hand."""

    what: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Init(Result):
    """The files that a project needs, whether they were ``written``, and what comes next.

    ``folder`` is the project's. ``error`` is set where nobody agreed to what would be written.
    """

    folder: str
    files: tuple[SetupFile, ...]
    next: tuple[NextStep, ...]
    written: bool = False
    error: ErrorReport | None = None
    exit_code: int = 0

    @property
    def due(self) -> tuple[SetupFile, ...]:
        """The files that are not as they should be."""
        return tuple(each for each in self.files if each.action != "unchanged")


@dataclass(frozen=True, slots=True)
class DirectionProof:
    """Whether one direction of a new revision leads where it should; what differs or how it fails if not."""

    proved: bool
    differences: tuple[Change, ...]
    error: str | None


class Goal(StrEnum):
    """What an upgrade has to lead to: the models, what the SQL makes, the same in either order, or what it led to."""

    MODELS = "models"
    SQL = "sql"
    EITHER_ORDER = "either_order"
    AS_BEFORE = "as_before"


@dataclass(frozen=True, slots=True)
class BothProofs:
    """``upgrade``: history and revision are the goal. ``downgrade``: back is the history, and up again the same."""

    upgrade: DirectionProof
    downgrade: DirectionProof
    goal: Goal = Goal.MODELS


@dataclass(frozen=True, slots=True)
class NewRevision:
    """``waits_for`` says what has to happen before it may be applied; ``source`` is the file's text."""

    revision: str
    file: str
    waits_for: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A change with the Python that makes it and the SQL which that sends; ``revision`` is where it stands."""

    python: str
    sql: str
    change: Change
    revision: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What autogenerate proposed and is not done, and why."""

    python: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(Result):
    """What generate and fix return.

    ``added`` are operations that autogenerate missed. ``written``: the files are in the project. ``remaining`` are the
    changes that the revision leaves undone, where it is not proved.
    """

    revisions: tuple[NewRevision, ...] = ()
    operations: tuple[Operation, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    added: tuple[Operation, ...] = ()
    proof: BothProofs | None = None
    findings: tuple[Finding, ...] = ()
    remaining: tuple[Change, ...] = ()
    written: bool = False

    @property
    def exit_code(self) -> int:
        """1: nothing to generate, or not provable. An empty revision has nothing to prove."""
        proved = self.proof is None or (self.proof.upgrade.proved and self.proof.downgrade.proved)
        return 0 if self.revisions and proved else 1
