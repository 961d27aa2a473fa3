"""One env.py that migrates several databases or schemas: what is said of each by itself is put into one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from db_migrate.plan.document import plan_hash
from db_migrate.results import (
    DowngradeProof,
    Fingerprints,
    Lint,
    Plan,
    PlannedRevision,
    PlannedStatement,
    Result,
    TargetSummary,
    WayBack,
)
from db_migrate.rules.finding import Finding, Severity
from db_migrate.rules.rot import STALE, UNKNOWN

P = TypeVar("P", bound=Plan)


def joined(lints: Mapping[str, Lint]) -> Lint:
    """The lints of several databases, by name, as one.

    A revision is there once, with the statements that it sends to one database after those that it sends to another.
    What is found in each of them alike is said once; what is not, with the database's name. An intent is stale only
    where it is in all of them.
    """
    if len(lints) == 1:
        return next(iter(lints.values()))
    whole, order = _whole(lints, "each of which was linted")
    ways = [each.way_back for each in lints.values() if each.way_back is not None]
    whole = replace(whole, way_back=_shortest(ways, order))
    return replace(whole, hash=plan_hash(whole))


def joined_plan(plans: Sequence[Plan]) -> Plan:
    """The plans of several databases or schemas, in the order in which they are executed, as one."""
    names = labels([each.target for each in plans])
    whole, _ = _whole(dict(zip(names, plans, strict=True)), "each of which has its plan")
    whole = replace(
        whole,
        target=common([each.target for each in plans]),
        current=_union(each.current for each in plans),
        destination=_union(each.destination for each in plans),
        kept=tuple(kept for each in plans for kept in each.kept),
        restored=tuple(restored for each in plans for restored in each.restored),
        targets=tuple(plans),
    )
    return replace(whole, hash=plan_hash(whole))


def labels(targets: Sequence[TargetSummary | None]) -> list[str]:
    """What tells several databases or schemas apart."""
    found = [each for each in targets if each is not None]
    short = [each.schema or each.database for each in found]
    if len(set(short)) == len(short):
        return short
    long = [f"{each.database}.{each.schema}" if each.schema else each.database for each in found]
    return long if len(set(long)) == len(long) else [f"{name} ({n})" for n, name in enumerate(long, 1)]


def common(targets: Sequence[TargetSummary | None]) -> TargetSummary | None:
    """The database that all are in; None where they are in several."""
    found = {replace(each, schema="") for each in targets if each is not None}
    return found.pop() if len(found) == 1 else None


def _union(several: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(sorted({name for each in several for name in each}))


def _whole(lints: Mapping[str, P], what: str) -> tuple[P, list[str]]:
    """What lints and plans have alike, and the order of the revisions."""
    parts = list(lints.values())
    order = list(dict.fromkeys(each.revision for part in parts for each in part.revisions))
    revisions = tuple(_revision([r for part in parts for r in part.revisions if r.revision == name]) for name in order)
    said = f"env.py migrates several {kind_of(parts)}, {what}: {', '.join(lints)}"
    whole = replace(
        parts[0],
        warnings=tuple(dict.fromkeys((said, *(warning for part in parts for warning in part.warnings)))),
        fingerprint=Fingerprints(
            _digest(each.fingerprint.from_ for each in parts), _digest(each.fingerprint.to for each in parts)
        ),
        revisions=revisions,
        findings=tuple(sorted(_findings(lints), key=lambda each: _place(each, order))),
    )
    return whole, order


def kind_of(results: Sequence[Result]) -> str:
    """What they are about: databases, or schemas."""
    return "schemas" if any(each.target is not None and each.target.schema for each in results) else "databases"


def _revision(parts: Sequence[PlannedRevision]) -> PlannedRevision:
    first = parts[0]
    proofs = [each.downgrade for each in parts if each.downgrade is not None]
    return replace(
        first,
        statements=tuple(_statements(parts)),
        downgrade=_proof(proofs) if proofs else None,
        fingerprint=_digest(each.fingerprint for each in parts),
        error=next((each.error for each in parts if each.error), None),
        may_write=tuple(dict.fromkeys(name for each in parts for name in each.may_write)),
    )


def _statements(parts: Sequence[PlannedRevision]) -> Iterator[PlannedStatement]:
    """One after the other, with the transactions of one database not taken for those of another."""
    last = 0
    for part in parts:
        yield from (replace(each, transaction=each.transaction + last) for each in part.statements)
        last += max((each.transaction for each in part.statements), default=0)


def _proof(proofs: Sequence[DowngradeProof]) -> DowngradeProof:
    return DowngradeProof(
        all(each.proved for each in proofs),
        tuple(change for each in proofs for change in each.differences),
        next((each.error for each in proofs if each.error), None),
    )


def _findings(lints: Mapping[str, P]) -> Iterator[Finding]:
    kind = kind_of(list(lints.values())).removesuffix("s")
    seen: dict[Finding, list[str]] = {}
    found: dict[Finding, Finding] = {}
    for name, part in lints.items():
        for each in part.findings:
            same = replace(each, statement=None)
            seen.setdefault(same, []).append(name)
            found.setdefault(same, _moved(each, list(lints.values()), part))
    for same, names in seen.items():
        everywhere = len(set(names)) == len(lints)
        if everywhere:
            yield found[same]
        elif same.rule not in (STALE, UNKNOWN):
            yield replace(found[same], message=f"{same.message} ({kind} {', '.join(dict.fromkeys(names))})")


def _moved(finding: Finding, parts: Sequence[Plan], part: Plan) -> Finding:
    """The finding with its statement's place among those of all parts."""
    if finding.statement is None:
        return finding
    before = parts[: next(place for place, each in enumerate(parts) if each is part)]
    sent = (len(r.statements) for each in before for r in each.revisions if r.revision == finding.revision)
    return replace(finding, statement=finding.statement + sum(sent))


def _place(finding: Finding, order: Sequence[str]) -> tuple[object, ...]:
    """As ``judge`` sorts them."""
    revision = order.index(finding.revision) if finding.revision in order else -1
    statement = (1, 0) if finding.statement is None else (0, finding.statement)
    return (revision, statement, list(Severity).index(finding.severity), finding.rule, finding.object)


def _shortest(ways: Sequence[WayBack], order: Sequence[str]) -> WayBack | None:
    """The way back that stops first, going down."""
    return max(ways, key=lambda way: order.index(way.stopped_by) if way.stopped_by in order else -1, default=None)


def _digest(fingerprints: Iterator[str]) -> str:
    """One for all of them, in their order."""
    return list(accumulate(fingerprints, lambda one, other: hashlib.sha256(f"{one} {other}".encode()).hexdigest()))[-1]
