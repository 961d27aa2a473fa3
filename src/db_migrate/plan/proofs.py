"""The way back, proved: each revision's downgrade is run on the copy that its upgrade was run on, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.config import RuleLevel
from db_migrate.plan.masking import without_passwords
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project.graph import Graph
from db_migrate.results import DowngradeProof
from db_migrate.rules.finding import Allowed, Finding, Severity
from db_migrate.rules.intents import Intent
from db_migrate.schemas.scratch import Scratch
from db_migrate.trace.effects import Direction, Trace, TracedRevision
from db_migrate.trace.run import trace

RULE = "downgrade-not-inverse"
NOT_REACHED = "it was not reached: a later revision's downgrade failed first"


def prove_downgrades(
    scratch: Scratch, graph: Graph, database: ConnInfo, began: Sequence[str], up: Trace
) -> Mapping[str, DowngradeProof]:
    """Each revision's downgrade, run in reverse order on the same copy, held against what was there before.

    ``began`` are the revisions that the database was at before ``up``.
    """
    done = [r for r in up.revisions if r.error is None]
    back: dict[str, TracedRevision] = {}
    if done:
        way = trace(scratch, graph, database, Direction.DOWNGRADE, _way_back(graph, began, done), steps=len(done))
        back = {r.revision: r for r in way.revisions}
    failed = any(each.error for each in back.values())
    proofs = {}
    for revision in up.revisions:
        down = back.get(revision.revision)
        if down is None and not failed and revision.error is None:
            continue  # on another branch, which Alembic had no reason to go down
        differences = diff(revision.before, down.after) if down is not None and down.error is None else ()
        proofs[revision.revision] = proof(revision, down, differences)
    return proofs


def proof(up: TracedRevision, down: TracedRevision | None, differences: tuple[Change, ...]) -> DowngradeProof:
    """Whether the way back from ``up`` was proved, and what differs if not."""
    if up.error is not None:
        return DowngradeProof(False, (), "the upgrade fails, so there is nothing to come back from")
    if down is None:
        return DowngradeProof(False, (), NOT_REACHED)
    if down.error is not None:
        return DowngradeProof(False, (), f"{down.error.type}: {down.error.message}")
    counted = drifted(differences)
    return DowngradeProof(not counted, tuple(without_passwords(each) for each in counted), None)


def _way_back(graph: Graph, began: Sequence[str], done: Sequence[TracedRevision]) -> str:
    """Alembic's name for where the run began; of several, for what the first revision stands on."""
    if not began:
        return "base"
    first = done[0].revision
    return began[0] if len(began) == 1 else next(iter(graph.revisions[first].down_revision), f"{first}-1")


def proof_findings(
    done: Trace, proofs: Mapping[str, DowngradeProof], allow: Sequence[Intent], levels: Mapping[str, RuleLevel]
) -> Iterator[Finding]:
    """A downgrade that is not the inverse of its upgrade, as a finding with the severity that the settings say."""
    level = levels.get(RULE, RuleLevel.ON)
    if level is RuleLevel.OFF:
        return
    for revision in done.revisions:
        proved = proofs.get(revision.revision)
        if proved is None or proved.proved or revision.error is not None:
            continue
        name = f"{RULE}:{revision.revision}"
        reason = revision.allow.get(name)
        given = next((i for i in allow if i.name == name), None)
        allowed = Allowed(reason, "revision") if reason else Allowed(given.reason, given.by) if given else None
        first = proved.differences[0] if proved.differences else None
        yield Finding(
            rule=RULE,
            severity=Severity.WARNING if level is RuleLevel.ON else Severity(level.value),
            revision=revision.revision,
            statement=None,
            object=revision.revision,
            message=proved.error or f"after upgrade and downgrade {first.object if first else ''} differs",
            why="a rollback would not give back what was there",
            fix="make downgrade() the exact inverse of upgrade()",
            file=revision.file,
            line=0,
            allowed=allowed,
        )
