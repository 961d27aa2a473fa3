"""The way back, proved: each revision's downgrade is run on the copy that its upgrade was run on, and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.plan.masking import without_passwords
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project.graph import Graph
from db_migrate.results import DowngradeProof
from db_migrate.rules.facts import Downgrade
from db_migrate.schemas.scratch import Scratch
from db_migrate.trace.effects import Direction, Trace, TracedRevision
from db_migrate.trace.run import trace

NOT_REACHED = "it was not reached: a later revision's downgrade failed first"


def prove_downgrades(
    scratch: Scratch, graph: Graph, database: ConnInfo, began: Sequence[str], up: Trace
) -> Mapping[str, DowngradeProof]:
    """Each revision's downgrade, run in reverse order on the same copy, held against what was there before.

    ``began`` are the revisions that the database was at before ``up``.
    """
    return proofs_of(up, trace_back(scratch, graph, database, began, up))


def trace_back(
    scratch: Scratch, graph: Graph, database: ConnInfo, began: Sequence[str], up: Trace
) -> Mapping[str, TracedRevision]:
    """The trace of each downgrade that was reached, run in reverse order on the same copy."""
    done = [r for r in up.revisions if r.error is None]
    if not done:
        return {}
    way = trace(scratch, graph, database, Direction.DOWNGRADE, _way_back(graph, began, done), steps=len(done))
    return {r.revision: r for r in way.revisions}


def proofs_of(up: Trace, back: Mapping[str, TracedRevision]) -> Mapping[str, DowngradeProof]:
    """What the traces of the downgrades prove."""
    failed = any(each.error for each in back.values())
    proofs = {}
    for revision in up.revisions:
        down = back.get(revision.revision)
        if down is None and not failed and revision.error is None:
            continue  # on another branch, which Alembic had no reason to go down
        differences = _left(revision, down) if down is not None and down.error is None else ()
        proofs[revision.revision] = proof(revision, down, differences)
    return proofs


def _left(up: TracedRevision, down: TracedRevision) -> tuple[Change, ...]:
    """What a downgrade leaves different, but for what those of later revisions had left before it began."""
    before = {(c.kind, c.object, c.action, c.attributes) for c in diff(up.after, down.before)}
    found = diff(up.before, down.after)
    return tuple(each for each in found if (each.kind, each.object, each.action, each.attributes) not in before)


def downgrades(
    proofs: Mapping[str, DowngradeProof], back: Mapping[str, TracedRevision] | None = None
) -> Mapping[str, Downgrade]:
    """The proofs as the rules look at them, with the traces where there are any."""
    return {name: Downgrade(_problem(each), (back or {}).get(name)) for name, each in proofs.items()}


def _problem(proved: DowngradeProof) -> str:
    if proved.proved or proved.error == NOT_REACHED:  # which the one that failed says
        return ""
    first = proved.differences[0].object if proved.differences else ""
    return proved.error or f"after upgrade and downgrade {first} differs"


def proof(up: TracedRevision, down: TracedRevision | None, differences: tuple[Change, ...]) -> DowngradeProof:
    """Whether the way back from ``up`` was proved, and what differs if not."""
    if up.error is not None:
        return DowngradeProof(False, (), "the upgrade fails, so there is nothing to come back from")
    if down is None:
        return DowngradeProof(False, (), NOT_REACHED)
    if down.error is not None:
        return DowngradeProof(False, (), down.error.text)
    counted = drifted(differences)
    return DowngradeProof(not counted, tuple(without_passwords(each) for each in counted), None)


def _way_back(graph: Graph, began: Sequence[str], done: Sequence[TracedRevision]) -> str:
    """Alembic's name for where the run began; of several, for what the first revision stands on."""
    if not began:
        return "base"
    first = done[0].revision
    return began[0] if len(began) == 1 else next(iter(graph.revisions[first].down_revision), f"{first}-1")
