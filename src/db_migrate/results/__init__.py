"""What each verb returns: frozen, typed values that print as JSON without help from the code that made them.

The shapes are a published contract (``docs/schemas/``) and only grow. A field named with a trailing underscore
because the plain word is Python's (``from_``, ``class_``) is printed without it.
"""

from __future__ import annotations

from db_migrate.results.base import Result
from db_migrate.results.doctor import Cure, Diagnosis, Doctor
from db_migrate.results.files import (
    BothProofs,
    DirectionProof,
    Generate,
    Init,
    LeftOut,
    NewRevision,
    NextStep,
    Operation,
    SetupFile,
    SkillInstalled,
    TestRun,
)
from db_migrate.results.plan import (
    DowngradeProof,
    Estimate,
    Explanation,
    Fingerprints,
    KeptObject,
    Lint,
    LockEffect,
    LockPage,
    Plan,
    PlannedRevision,
    PlannedStatement,
    Restored,
    RulePage,
    StatementEffects,
    WayBack,
)
from db_migrate.results.project import (
    Drift,
    DriftCounts,
    History,
    HistoryRevision,
    PendingRevision,
    RunSummary,
    Schema,
    SchemaEntry,
    Status,
)
from db_migrate.results.report import ReportData
from db_migrate.results.run import (
    Backup,
    KeptData,
    KeptItem,
    Problem,
    RunResult,
    Stamp,
    StepResult,
    Verify,
    VerifyOutcome,
)
from db_migrate.schemas.outcome import Acknowledged, Comparison, TargetSummary

__all__ = [
    "Acknowledged",
    "Backup",
    "BothProofs",
    "Comparison",
    "Cure",
    "Diagnosis",
    "DirectionProof",
    "Doctor",
    "DowngradeProof",
    "Drift",
    "DriftCounts",
    "Estimate",
    "Explanation",
    "Fingerprints",
    "Generate",
    "History",
    "HistoryRevision",
    "Init",
    "KeptData",
    "KeptItem",
    "KeptObject",
    "LeftOut",
    "Lint",
    "LockEffect",
    "LockPage",
    "NewRevision",
    "NextStep",
    "Operation",
    "PendingRevision",
    "Plan",
    "PlannedRevision",
    "PlannedStatement",
    "Problem",
    "ReportData",
    "Restored",
    "Result",
    "RulePage",
    "RunResult",
    "RunSummary",
    "Schema",
    "SchemaEntry",
    "SetupFile",
    "SkillInstalled",
    "Stamp",
    "StatementEffects",
    "Status",
    "StepResult",
    "TargetSummary",
    "TestRun",
    "Verify",
    "VerifyOutcome",
    "WayBack",
]
