"""What is reviewed: plans, lint, and the pages that explain them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from db_migrate.catalog.change import Change
from db_migrate.results.base import Result
from db_migrate.rules.facts import Throughput
from db_migrate.rules.finding import Finding, Severity
from db_migrate.trace.effects import IndexBuild, Rewrite

_OF_THE_CATALOGS = re.compile(r"\s*SELECT\b.*\bFROM\s+(pg_catalog|information_schema)\.", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class LockEffect:
    relation: str
    mode: str
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhaseEffect:
    """``awaits`` is None where it waited for older transactions to end, whatever they hold."""

    locks: tuple[LockEffect, ...]
    awaits: LockEffect | None


@dataclass(frozen=True, slots=True)
class StatementEffects:
    """What the statement did on scratch. ``dropped`` are qualified names.

    ``notices`` are the server's own words; ``spared`` says what it need not look through, and why. ``phases`` are the
    moments at which a statement that commits in between (CONCURRENTLY) stood still: what it held and waited for.
    """

    locks: tuple[LockEffect, ...]
    rewrites: tuple[Rewrite, ...]
    scans: tuple[str, ...]
    index_builds: tuple[IndexBuild, ...]
    dropped: tuple[str, ...]
    changes: tuple[Change, ...]
    writes: tuple[str, ...]
    truncated: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    phases: tuple[PhaseEffect, ...] = ()


_NOTHING = StatementEffects((), (), (), (), (), (), ())


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the statement will meet on the target: rows and bytes of what it works over, seconds; None = unknown."""

    rows: int | None
    bytes: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One statement of the plan. ``ddl`` ones must be sent exactly as they are; others may vary with the data.

    ``lock_timeout``: how long it waits for a lock that stops reads or writes before it lets others go first, in
    seconds; None where nothing limits that, or it takes no such lock.
    """

    sql: str
    parameters: tuple[str, ...]
    line: int
    transaction: int
    autocommit: bool
    ddl: bool
    effects: StatementEffects
    estimate: Estimate
    lock_timeout: float | None = None

    @property
    def only_looks(self) -> bool:
        """Whether it only asks PostgreSQL's own catalogs, as ``sa.inspect()`` does, by numbers of scratch."""
        return not self.ddl and self.effects == _NOTHING and _OF_THE_CATALOGS.match(self.sql) is not None


@dataclass(frozen=True, slots=True)
class DowngradeProof:
    """Whether the downgrade gives back exactly what was there; the first differences or the error if not."""

    proved: bool
    differences: tuple[Change, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class PlannedRevision:
    """``checksum`` is the SHA-256 of the revision file that was traced.

    ``may_write`` are relations that its intent lets it write beyond those that its statements do. ``derived`` is the
    Python that is run in place of the file's ``downgrade()``; empty where the file's own is. ``error_place`` is the
    ``file:line`` of the user's code that failed, ``error_sql`` the statement that PostgreSQL refused; else empty.
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
    derived: str = ""
    error_place: str = ""
    error_sql: str = ""


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


class TableWork(StrEnum):
    """What goes through a whole table."""

    SCAN = "scan"
    INDEX_BUILD = "index build"
    REWRITE = "rewrite"


@dataclass(frozen=True, slots=True)
class UnderLock:
    """Something that goes through a whole table while it is locked with ACCESS EXCLUSIVE."""

    sql: str
    work: TableWork


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back: how many rows have their values again, and how many others came since the data was kept.

    ``left`` are the columns of a table that it does not have now, or cannot hold as they are: they stay kept.

    Of a parked column a plan says more: the indexes that are built on it CONCURRENTLY before the first revision runs
    (``ahead``), and what goes through its table while that is locked (``under_lock``), for about so many ``seconds``;
    None where that is not known.
    """

    object: str
    rows: int
    since: int = 0
    left: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    under_lock: tuple[UnderLock, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Result):
    """The reviewed thing. ``hash`` covers every field but itself, the warnings and the time.

    ``prepared`` is what Alembic itself sends before the first revision: its version table, where there is none.
    ``throughput`` is what seconds are estimated with; None without a target. ``search_path`` is what env.py sets it
    to, if it does. ``targets``: where env.py migrates several databases or schemas, the plan of each, in the order in
    which they are executed; the other fields are then about all of them. ``seal`` is in a document of its own the
    SHA-256 of everything else that it says; ``apply`` takes no file that says anything else.
    """

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
    if_filled: tuple[KeptObject, ...] = ()
    """What would be destroyed and is empty now: it is kept, in this way, if rows have come until then."""
    prepared: tuple[str, ...] = ()
    throughput: Throughput | None = None
    search_path: str = ""
    targets: tuple[Plan, ...] = ()
    made_by: str = ""
    """The version of db-migrate that made it; no part of the hash."""
    seal: str = ""


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
