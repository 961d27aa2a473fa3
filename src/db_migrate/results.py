"""What each verb returns: frozen, typed values that print as JSON without help from the code that made them.

The shapes are a published contract (``docs/schemas/``) and only grow. A field named with a trailing underscore
because the plain word is Python's (``from_``, ``class_``) is printed without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.errors import ErrorReport
from db_migrate.rules.finding import Finding, Severity
from db_migrate.schemas.outcome import Acknowledged as Acknowledged  # part of the published shapes too
from db_migrate.schemas.outcome import Comparison as Comparison
from db_migrate.schemas.outcome import TargetSummary as TargetSummary
from db_migrate.trace.effects import IndexBuild, Rewrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What every verb's result has: the target, or None, and warnings in plain sentences."""

    target: TargetSummary | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingRevision:
    revision: str
    message: str
    file: str


@dataclass(frozen=True, slots=True)
class DriftCounts:
    """How many changes of class drift each comparison has; None where it was not asked for or not possible."""

    history_models: int | None
    history_live: int | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run of the journal. Times are ISO 8601 in UTC; ``seconds`` is None while it runs.

    ``lock_wait_seconds`` is what its steps waited for locks together; None where no step was recorded.
    """

    run: str
    verb: str
    state: str
    from_: tuple[str, ...]
    to: tuple[str, ...]
    started_at: str
    seconds: float | None
    who: str
    plan: str
    lock_wait_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Result):
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[PendingRevision, ...]
    unknown: tuple[str, ...]
    drift: DriftCounts
    last_run: RunSummary | None


@dataclass(frozen=True, slots=True)
class HistoryRevision:
    revision: str
    down_revision: tuple[str, ...]
    branch_labels: tuple[str, ...]
    depends_on: tuple[str, ...]
    message: str
    file: str
    is_head: bool
    changes: tuple[Change, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Result):
    revisions: tuple[HistoryRevision, ...]
    runs: tuple[RunSummary, ...] = ()


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """One object of ``schema``; ``columns`` are filled for relations, in physical order."""

    kind: str
    object: str
    attributes: Mapping[str, Value]
    columns: tuple[SchemaEntry, ...] = ()
    definition: str = ""

    @classmethod
    def of(cls, item: SchemaObject, catalog: Catalog) -> SchemaEntry:
        """The entry of one of a catalog's objects that belong to no other."""
        columns = catalog.columns(item.name) if item.kind in RELATION_KINDS else ()
        parts = [o for o in catalog.children.get(item.name, ()) if o.kind is not Kind.COLUMN]
        members = (cls(c.kind.value, c.name, dict(c.attributes), definition=c.definition) for c in (*columns, *parts))
        return cls(item.kind.value, item.name, dict(item.attributes), tuple(members), item.definition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema(Result):
    side: str
    objects: tuple[SchemaEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Result):
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class LockEffect:
    relation: str
    mode: str
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatementEffects:
    """What the statement did on scratch. ``dropped`` are qualified names."""

    locks: tuple[LockEffect, ...]
    rewrites: tuple[Rewrite, ...]
    scans: tuple[str, ...]
    index_builds: tuple[IndexBuild, ...]
    dropped: tuple[str, ...]
    changes: tuple[Change, ...]
    writes: tuple[str, ...]
    truncated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the statement will meet on the target: rows and bytes of what it works over, seconds; None = unknown."""

    rows: int | None
    bytes: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One statement of the plan. ``ddl`` ones must be sent exactly as they are; others may vary with the data."""

    sql: str
    parameters: tuple[str, ...]
    line: int
    transaction: int
    autocommit: bool
    ddl: bool
    effects: StatementEffects
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class DowngradeProof:
    """Whether the downgrade gives back exactly what was there; the first differences or the error if not."""

    proved: bool
    differences: tuple[Change, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class PlannedRevision:
    """``checksum`` is the SHA-256 of the revision file that was traced.

    ``may_write`` are relations that its intent lets it write beyond those that its statements do.
    """

    revision: str
    down_revision: tuple[str, ...]
    message: str
    file: str
    checksum: str
    direction: str
    statements: tuple[PlannedStatement, ...]
    downgrade: DowngradeProof | None
    fingerprint: str
    error: str | None = None
    may_write: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fingerprints:
    from_: str
    to: str


@dataclass(frozen=True, slots=True)
class KeptObject:
    """What a destructive step would have destroyed and how it is kept: strategy move, copy, park or rows.

    With ``rows`` it is about a table whose rows are deleted or changed by ``revision``; ``rows`` of a plan are then all
    that the table has.
    """

    object: str
    strategy: str
    rows: int | None
    bytes: int | None
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Result):
    """The reviewed thing. ``hash`` covers every field but itself, the warnings and the time.

    ``prepared`` is what Alembic itself sends before the first revision: its version table, where there is none."""

    fingerprint: Fingerprints
    hash: str
    current: tuple[str, ...]
    destination: tuple[str, ...]
    direction: str
    proved_on: str
    revisions: tuple[PlannedRevision, ...]
    findings: tuple[Finding, ...]
    kept: tuple[KeptObject, ...]
    restored: tuple[Restored, ...] = ()
    """What was kept when the revisions last ran the other way, and is going to be put back."""
    prepared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WayBack:
    """How far down the history one could go: to the revisions ``to``, where ``stopped_by`` and ``why`` say what stops.

    ``to`` is empty for base; ``stopped_by`` is empty when all of it can be undone.
    """

    to: tuple[str, ...]
    stopped_by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint(Plan):
    """A plan for no target: ``current`` is where in the history it begins, and nothing is known of any data.

    ``fail_on`` is the least severity that counts. A file of SQL is a revision that is called like the file.
    ``baseline`` is the file whose findings are allowed; empty without one.
    """

    fail_on: str
    way_back: WayBack | None = None
    baseline: str = ""

    @property
    def counted(self) -> tuple[Finding, ...]:
        """The findings at or above ``fail_on`` that nothing allows."""
        levels = list(Severity)
        worst = levels[: levels.index(Severity(self.fail_on)) + 1]
        return tuple(each for each in self.findings if each.allowed is None and each.severity in worst)


@dataclass(frozen=True, slots=True)
class RulePage:
    """A rule as the manual has it; see ``rules.registry.Rule`` for the meaning of each field."""

    rule: str
    section: str
    severity: str
    on_by_default: bool
    needs_facts: bool
    versions: str
    catches: str
    effect: str
    why: str
    instead: str
    bad: str
    good: str
    allow: str


@dataclass(frozen=True, slots=True)
class LockPage:
    """A lock mode: what waits behind it (``reads``, ``writes``), which modes it excludes, and what takes it."""

    mode: str
    blocks: tuple[str, ...]
    conflicts: tuple[str, ...]
    taken_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Result):
    """What ``explain`` was asked about: rules (all of them when it was asked nothing), a lock mode, or statements.

    Statements were run on scratch, where objects that they need were made up: those are named in the warnings.
    """

    rules: tuple[RulePage, ...] = ()
    locks: tuple[LockPage, ...] = ()
    statements: tuple[PlannedStatement, ...] = ()
    findings: tuple[Finding, ...] = ()
    fails: str = ""


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
class Restored:
    """What was put back: how many rows have their values again, and how many others came since the data was kept."""

    object: str
    rows: int
    since: int = 0


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
class RunResult(Result):
    """What apply, rollback and repair return. ``error`` is set when the run did not reach its destination."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify(Result):
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Cure:
    """What ends a diagnosis: ``command`` can be typed as it is, ``effect`` says what it will have done."""

    command: str
    effect: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Something that is not as it should be, what shows it, and what ends it.

    ``object`` is a revision, a file, an object of the schema or a session. A note needs no cure.
    """

    code: str
    severity: Severity
    object: str
    message: str
    evidence: Mapping[str, Value]
    cure: Cure


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor(Result):
    """Every diagnosis that applies, the gravest first."""

    diagnoses: tuple[Diagnosis, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to cure: notes alone are none."""
        return all(each.severity is Severity.NOTE for each in self.diagnoses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp(Result):
    from_: tuple[str, ...]
    to: tuple[str, ...]
    differences: tuple[Change, ...]


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


@dataclass(frozen=True, slots=True)
class BothProofs:
    """``upgrade``: history and revision are the models. ``downgrade``: back is the history, and up again the same."""

    upgrade: DirectionProof
    downgrade: DirectionProof


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData(Result):
    """All that a report shows. ``made_at`` is ISO 8601 in UTC; ``file`` is where the page was written, if it was.

    A part is None where it could not be made; ``problems`` says why.
    """

    made_at: str
    status: Status
    history: History
    drift: Drift | None
    plan: Plan | None
    schema: Schema | None
    problems: tuple[str, ...] = ()
    file: str = ""
