"""The proof: on scratch, history and revision are the models; back is the history; and up again is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.generate.dispose import in_words
from db_migrate.generate.ground import Ground
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project.graph import Graph, load_graph
from db_migrate.results import DirectionProof
from db_migrate.rules.facts import Facts
from db_migrate.rules.finding import Finding, Severity
from db_migrate.rules.judge import judge
from db_migrate.schemas.history import with_privileges, without_owners
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import read
from db_migrate.trace.effects import Direction, Trace
from db_migrate.trace.run import install, trace

_UNPROVED = DirectionProof(False, (), "the upgrade fails, so there is nothing to come back from")


@dataclass(frozen=True)
class Proof:
    """Both directions, and what the rules say of the upgrade."""

    upgrade: DirectionProof
    downgrade: DirectionProof
    findings: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether both directions do what they should."""
        return self.upgrade.proved and self.downgrade.proved


def prove(
    ground: Ground,
    folder: Path,
    revisions: Sequence[str],
    expected: Catalog | None = None,
    *,
    instead: bool = False,
    privileges: bool = False,
) -> Proof:
    """Run the new revisions, which are in ``folder``, up, down and up again from the history.

    ``expected`` is what the upgrade has to lead to where that is not what the models say. ``instead``: all of the
    project's revisions are in that folder. ``privileges``: grants count too, and ``expected`` has them.
    """
    scratch = ground.scratch
    with (
        scratch.child.seeing(folder, instead=instead),
        scratch.database("a new revision", template=ground.template) as database,
    ):
        install(database)
        graph = _graph(ground, folder, instead)
        done = trace(ground.scratch, graph, database, Direction.UPGRADE, revisions[-1])
        failed = next((r for r in done.revisions if r.error is not None), None)
        if failed is not None and failed.error is not None:
            error = failed.error
            place = f" (line {error.line})" if error.line else ""
            return Proof(DirectionProof(False, (), f"{error.type}: {error.message}{place}"), _UNPROVED)
        first = read(database, privileges=privileges)
        up = _as_wanted(ground, first, expected)
        down = _back(ground, database, graph, revisions, first, privileges)
    proof = Proof(up, down, _findings(done))
    if ground.beside is None or expected is not None or not proof.holds:
        return proof
    return replace(prove(ground.beside, folder, revisions), findings=proof.findings)


def _graph(ground: Ground, folder: Path, instead: bool) -> Graph:
    project = ground.scratch.project
    own = () if instead else project.version_locations
    return load_graph(replace(project, version_locations=(*own, folder)))


def _as_wanted(ground: Ground, found: Catalog, expected: Catalog | None) -> DirectionProof:
    if expected is None:
        left = drifted(ground.intended(diff(*ground.against_models(found))))
        left = tuple(in_words(each, "the models", "what is made") for each in left)
    else:
        left = _differences(ground, found, expected, "what is wanted")
    return DirectionProof(not left, left, None)


def _before(graph: Graph, revision: str, start: Sequence[str]) -> str:
    """Where a downgrade of the revision leads, as Alembic takes it; all else that was there stays."""
    parents = graph.parents(revision)
    if set(parents) == set(start) and len(start) < 2:
        return start[0] if start else "base"
    return f"{revision}-1" if parents else f"{revision}@base"


def _back(
    ground: Ground, database: ConnInfo, graph: Graph, revisions: Sequence[str], first: Catalog, privileges: bool
) -> DirectionProof:
    """Down, held against the history; then up again, held against the first time."""
    target = _before(graph, revisions[0], ground.history.revisions)
    outcome = ground.scratch.migrate("downgrade", target, database, Witness(), len(revisions))
    if outcome.failure is not None:
        return DirectionProof(False, (), f"{outcome.failure.type}: {outcome.failure.message}")
    history = with_privileges(ground.scratch, ground.history) if privileges else ground.history.catalog
    left = _differences(ground, read(database, privileges=privileges), history, "the history")
    if left:
        return DirectionProof(False, left, None)
    outcome = ground.scratch.migrate("upgrade", revisions[-1], database, Witness())
    if outcome.failure is not None:
        return DirectionProof(False, (), f"the second upgrade fails: {outcome.failure.message}")
    again = _differences(ground, read(database, privileges=privileges), first, "the first time")
    return DirectionProof(not again, again, "the second upgrade leads elsewhere" if again else None)


def _differences(ground: Ground, found: Catalog, wanted: Catalog, name: str) -> tuple[Change, ...]:
    one, other = (without_owners(ground.without_own(side)) for side in (found, wanted))
    return tuple(in_words(each, name, "what is made") for each in drifted(diff(one, other)))


def _findings(done: Trace) -> tuple[Finding, ...]:
    """What would refuse the revision on any target: the errors that need no facts."""
    found = judge(done, Facts.unknown(done.server_version))
    return tuple(each for each in found if each.severity is Severity.ERROR and each.allowed is None)
