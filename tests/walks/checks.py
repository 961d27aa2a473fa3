"""What must hold after every step of a walk, whatever that was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from db_migrate.catalog.change import Change
from db_migrate.results import Diagnosis, Drift, KeptData, Problem, Verify
from db_migrate.workspace import Workspace

from .oracle import Difference, Listing, differences

STANDING = {"schema.differs", "version.wrong", "version.missing", "revision.partial", "revision.ahead", "index.invalid"}
"""What doctor calls a schema that is not that of the recorded revisions."""
PENDING = {"revisions.pending", "revisions.fail", "revisions.rows"}


@dataclass(frozen=True)
class Step:
    """What a revision makes of what its parents have made; ``done``: it is recorded, or one on it is."""

    revision: str
    before: Listing
    after: Listing
    done: bool


@dataclass(frozen=True)
class Seen:
    """Where a target is, as our own queries see it, what each revision does, and the three sides that are compared.

    ``kept`` is how many rows each table of what is kept has, ``crashed``: the last run was killed.
    """

    recorded: frozenset[str]
    heads: frozenset[str]
    live: Listing
    history: Listing
    steps: Sequence[Step]
    newest: Listing
    models: Listing
    kept: Mapping[str, int]
    crashed: bool = False

    @property
    def skipped(self) -> frozenset[str]:
        """The revisions that are done, and of which all is undone here, and nothing else is otherwise."""
        here = _otherwise(self.history, self.live)
        return frozenset(
            each.revision
            for each in self.steps
            if each.done
            and here == _otherwise(each.before, each.after)
            and all(self.live.get(key) == each.before.get(key) for key in here)
        )

    @property
    def is_foreign(self) -> bool:
        """Whether there are tables here, and none that a revision ever made."""
        return is_foreign(self.live, self.steps)

    @property
    def is_whole(self) -> bool:
        """Whether the schema is that of the recorded revisions."""
        return not differences(self.history, self.live)


def _otherwise(before: Listing, after: Listing) -> set[tuple[str, str]]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def is_foreign(live: Listing, steps: Iterable[Step]) -> bool:
    """Whether there are tables, and none that a revision ever made: whose they are nobody says."""
    made = {key for each in steps for key in each.after if key[0] == "table"}
    here = {key for key in live if key[0] == "table"}
    return bool(here) and made.isdisjoint(here)


def check(workspace: Workspace, seen: Seen) -> list[str]:
    """What doctor, drift, verify and kept say that is not so, or leave out."""
    doctor, drift, verify = workspace.doctor(), workspace.drift(), workspace.verify()
    return [
        *_wrong_drift(drift, seen),
        *_wrong_verify(verify, seen),
        *_wrong_doctor(doctor.diagnoses, seen),
        *_wrong_kept(workspace.kept.list(), seen.kept),
    ]


def _wrong_kept(kept: KeptData, there: Mapping[str, int]) -> Iterable[str]:
    told = {each.place: each.rows for each in kept.objects}
    for place in sorted(told.keys() ^ there.keys()):
        yield f"kept: {place} {'not told' if place in there else 'told and not there'}"
    for place in sorted(told.keys() & there.keys()):
        if told[place] != there[place]:
            yield f"kept: {place} has {there[place]} rows, and {told[place]} are told"


def _wrong_drift(drift: Drift, seen: Seen) -> Iterable[str]:
    sides = {
        ("history", "models"): (seen.newest, seen.models),
        ("history", "live"): (seen.history, seen.live),
        ("models", "live"): (seen.models, seen.live),
    }
    for comparison in drift.comparisons:
        before, after = sides[comparison.from_, comparison.to]
        wanted = differences(before, after)
        found = _told(comparison.changes, after)
        for each in sorted(wanted ^ found):
            how = "not told" if each in wanted else "told and not so"
            yield f"drift {comparison.from_}→{comparison.to}: {each} {how}"


def _told(changes: Sequence[Change], after: Listing) -> set[Difference]:
    """The changes that are told, names too; a rename is a drop and a creation, of all that a table has."""
    found: set[Difference] = set()
    renamed = {each.object for each in changes if each.action == "renamed" and each.kind == "table"}
    own = {name for (kind, name), item in after.items() if kind == "sequence" and item.parent in renamed}
    for each in changes:
        if each.class_ not in ("drift", "name_only") or each.parent in renamed or each.object in own:
            continue
        if each.action == "renamed":
            found |= {(each.kind.value, str(each.from_object), "dropped"), (each.kind.value, each.object, "created")}
        else:
            found.add((each.kind.value, each.object, each.action.value))
    return found


def _wrong_verify(verify: Verify, seen: Seen) -> Iterable[str]:
    renamed = {each.object: each.message for each in verify.problems if each.code == "schema.renamed"}
    schema = (each.object for each in verify.problems if each.code.startswith("schema."))
    told = {name for name in schema if name.rpartition(".")[0] not in renamed}  # else it goes with its table
    told |= {found[1] for found in (re.search(r" renamed from (\S+),", each) for each in renamed.values()) if found}
    wanted = {name for _, name, _ in differences(seen.history, seen.live)}
    for name in sorted(wanted ^ told):
        yield f"verify: {name} {'not told' if name in wanted else 'told and not so'}"
    for each in verify.problems:
        if not _is_expected(each, seen):
            yield f"verify: {each}"


def _is_expected(problem: Problem, seen: Seen) -> bool:
    if problem.code.startswith("schema."):
        return True
    if problem.code == "run.unfinished":
        return seen.crashed
    return problem.code in ("index.invalid", "constraint.not-validated") and not seen.is_whole


def _wrong_doctor(found: Sequence[Diagnosis], seen: Seen) -> Iterable[str]:
    codes = {each.code for each in found}
    allowed = {"run.unfinished"} if seen.crashed else set[str]()
    if seen.is_whole:
        pending = seen.recorded != seen.heads
        if pending != bool(codes & PENDING):
            yield f"doctor: {sorted(codes)}, and revisions are {'' if pending else 'not '}pending"
        allowed |= PENDING
    else:
        standing = STANDING | ({"database.other"} if seen.is_foreign else set())
        if seen.skipped & {each.object for each in found if each.code == "revision.skipped"}:
            standing.add("revision.skipped")
        if not codes & standing:
            yield f"doctor: {sorted(codes)}, and the schema is not that of {sorted(seen.recorded)}"
        allowed |= standing | PENDING | {"constraint.not-validated", "version.rows"}
    if (len(seen.heads) > 1) != ("graph.multiple-heads" in codes):
        yield f"doctor: {sorted(codes)}, and heads are {sorted(seen.heads)}"
    allowed.add("graph.multiple-heads")
    for each in found:
        if each.code not in allowed:
            yield f"doctor: {each.code} of {each.object}: {each.message} {each.evidence}"
