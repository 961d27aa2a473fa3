"""The plan as a value: from traces, facts and findings, with the hash that names exactly this plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import msgspec

from db_migrate import __version__
from db_migrate.catalog.fingerprint import Rows, fingerprint
from db_migrate.plan.masking import without_passwords
from db_migrate.postgres.redact import redact_statement
from db_migrate.results import (
    DowngradeProof,
    Estimate,
    Fingerprints,
    KeptObject,
    LockEffect,
    PhaseEffect,
    Plan,
    PlannedRevision,
    PlannedStatement,
    StatementEffects,
    TargetSummary,
)
from db_migrate.rules.context import Place, places
from db_migrate.rules.dependence import may_write
from db_migrate.rules.estimate import estimate
from db_migrate.rules.facts import Facts
from db_migrate.rules.finding import Finding
from db_migrate.rules.timeouts import milliseconds
from db_migrate.trace.effects import Lock, RevisionError, Trace, TracedRevision, TracedStatement

_SIDES = ("the schema before", "the schema after")
"""What the explanations of a statement's changes call the two catalogs."""


@dataclass(frozen=True)
class Subject:
    """What a plan is about: where it begins, where it leads, on which database.

    ``derived`` are downgrades that are run in place of the files', by revision. ``lock_timeout`` is what ``apply`` sets
    for what stops others, in seconds, where it is ``apply`` that runs the plan.
    """

    target: TargetSummary | None
    current: tuple[str, ...]
    destination: tuple[str, ...]
    direction: str
    fingerprint: str
    derived: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    search_path: str = ""
    lock_timeout: float | None = None


def assemble(
    subject: Subject,
    trace: Trace,
    proofs: Mapping[str, DowngradeProof],
    facts: Facts,
    findings: Sequence[Finding],
    *,
    kept: Sequence[KeptObject] = (),
    warnings: Sequence[str] = (),
) -> Plan:
    """The plan, with its hash."""
    works = {(id(place.revision), place.index): _work(place, facts) for place in places(trace, facts)}
    known: Rows = {}
    revisions = tuple(
        replace(
            _revision(each, proofs.get(each.revision), works, known), derived=subject.derived.get(each.revision, "")
        )
        for each in trace.revisions
    )
    revisions = tuple(
        _with_lock_timeouts(subject, facts, *each) for each in zip(revisions, trace.revisions, strict=True)
    )
    plan = Plan(
        target=subject.target,
        warnings=tuple(dict.fromkeys((*warnings, *trace.warnings, *facts.warnings))),
        fingerprint=Fingerprints(subject.fingerprint, trace.after.fingerprint),
        hash="",
        current=subject.current,
        destination=subject.destination,
        direction=subject.direction,
        proved_on=version_text(trace.server_version),
        revisions=revisions,
        findings=tuple(findings),
        kept=tuple(kept),
        prepared=trace.prepared,
        throughput=facts.throughput if facts.known else None,
        search_path=subject.search_path,
        made_by=__version__,
    )
    return replace(plan, hash=plan_hash(plan))


def plan_hash(plan: Plan) -> str:
    """SHA-256 over every field but the hash itself, the warnings, what was estimated or timed, and looks at catalogs.

    Those have the numbers that objects have on scratch in them, which are others the next time.
    """
    return hashlib.sha256(msgspec.json.encode(_stable(plan))).hexdigest()


def _stable(plan: Plan) -> Plan:
    return replace(
        plan,
        hash="",
        seal="",
        made_by="",
        warnings=(),
        throughput=None,
        revisions=tuple(
            replace(r, statements=tuple(_without_estimate(s) for s in r.statements if not s.only_looks))
            for r in plan.revisions
        ),
        restored=tuple(replace(each, seconds=None) for each in plan.restored),
        targets=tuple(map(_stable, plan.targets)),
    )


def _without_estimate(statement: PlannedStatement) -> PlannedStatement:
    """Also without what depends on the moment: the phases that were seen, what the server said, how long is waited."""
    effects = replace(statement.effects, notices=(), phases=())
    return replace(statement, estimate=Estimate(None, None, None), effects=effects, lock_timeout=None)


def checksum(file: str) -> str:
    """SHA-256 of a revision file's bytes; empty where there is no file."""
    path = Path(file)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def version_text(number: int) -> str:
    """``180006`` as ``18.6``."""
    return f"{number // 10000}.{number % 10000}"


def _work(place: Place, facts: Facts) -> Estimate:
    found = estimate(place.effects, facts, origins=place.known.origins, fresh=place.known.created)
    return Estimate(found.rows, found.bytes, found.seconds)


def _revision(
    revision: TracedRevision,
    downgrade: DowngradeProof | None,
    works: Mapping[tuple[int, int], Estimate],
    known: Rows,
) -> PlannedRevision:
    return PlannedRevision(
        revision=revision.revision,
        down_revision=revision.down_revision,
        message=revision.message,
        file=revision.file,
        checksum=checksum(revision.file),
        direction=revision.direction.value,
        statements=tuple(
            _statement(each, works[id(revision), index]) for index, each in enumerate(revision.statements)
        ),
        downgrade=downgrade,
        fingerprint=fingerprint(revision.after, known),
        may_write=may_write(revision, revision.after),
        error=revision.error.text if revision.error else None,
        error_place=_place(revision.error) if revision.error else "",
        error_sql=_refused(revision, revision.error) if revision.error else "",
    )


def _with_lock_timeouts(
    subject: Subject, facts: Facts, revision: PlannedRevision, traced: TracedRevision
) -> PlannedRevision:
    """The revision with the shortest limit of each statement: of ours, the revision's own, and the role's."""
    role = (milliseconds(facts.server.lock_timeout or "0") or 0) / 1000
    statements = (
        replace(
            each, lock_timeout=min((s for s in (subject.lock_timeout, own.lock_timeout or role) if s), default=None)
        )
        if any(lock.blocks for lock in each.effects.locks)
        else each
        for each, own in zip(revision.statements, traced.statements, strict=True)
    )
    return replace(revision, statements=tuple(statements))


def _place(error: RevisionError) -> str:
    return f"{error.file}:{error.line}" if error.file and error.line else ""


def _refused(revision: TracedRevision, error: RevisionError) -> str:
    return revision.statements[error.statement].sql if error.statement is not None else ""


def _lock(lock: Lock) -> LockEffect:
    return LockEffect(lock.relation, lock.mode.value, lock.blocks)


def _statement(statement: TracedStatement, weighed: Estimate) -> PlannedStatement:
    effects = statement.effects
    return PlannedStatement(
        sql=statement.sql,
        parameters=statement.parameters,
        line=statement.line,
        transaction=statement.transaction,
        autocommit=statement.autocommit,
        ddl=statement.ddl,
        effects=StatementEffects(
            locks=tuple(map(_lock, effects.locks)),
            rewrites=effects.rewrites,
            scans=effects.scans,
            index_builds=effects.index_builds,
            dropped=effects.dropped,
            changes=tuple(without_passwords(each).between(*_SIDES) for each in effects.changes),
            writes=effects.writes,
            truncated=effects.truncated,
            notices=tuple(redact_statement(each) for each in effects.notices),
            spared=effects.spared,
            phases=tuple(
                PhaseEffect(tuple(map(_lock, each.locks)), _lock(each.awaits) if each.awaits else None)
                for each in effects.phases
            ),
        ),
        estimate=weighed,
    )
