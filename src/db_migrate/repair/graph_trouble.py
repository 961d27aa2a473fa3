"""Diagnoses of the revision files: what keeps them from being one graph, and what Alembic would not tell of them."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from db_migrate.catalog.objects import Value
from db_migrate.errors import ConnectionLost, DbMigrateError
from db_migrate.generate.merge import commuting
from db_migrate.project.files import RevisionFile, leads_nowhere
from db_migrate.project.graph import Graph
from db_migrate.repair.finding import checkout, commit_with, find_file, is_revision, parents_of, read_text
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View
from db_migrate.repair.words import plural
from db_migrate.results import Cure, DirectionProof
from db_migrate.rules.finding import Severity


@diagnosis("file.unreadable", Severity.ERROR, Need.FILES)
def unreadable(view: View) -> Iterator[Case]:
    """A file in the folder of revisions is none that can be read."""
    for each in view.reading.unreadable:
        error = each.error
        evidence: dict[str, Value] = {"code": error.code, "why": error.why, "where": error.where}
        marks = _marks_of_merge(each.file)
        if marks:
            message = f"{each.file.name} has both sides of a merge that nobody has finished"
            command = f"grep -nE {shlex.quote(_MARKS.pattern)} {shlex.quote(str(each.file))}"
            effect = "shows where the sides begin and end; keep one, or make a revision of each"
            yield Case(str(each.file), message, Cure(command, effect), {**evidence, "lines": marks})
            continue
        yield Case(str(each.file), error.message, _to_read(each.file), evidence)


_MARKS = re.compile(r"^(<<<<<<<|=======|>>>>>>>)")


def _marks_of_merge(file: Path) -> tuple[str, ...]:
    """The lines with git's marks of a conflict."""
    if not file.is_file():
        return ()
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [f"{number}: {line}" for number, line in enumerate(lines, 1) if _MARKS.match(line)]
    return tuple(found) if any("<<<<<<<" in each for each in found) else ()


def _to_read(file: Path) -> Cure:
    name = shlex.quote(str(file))
    if commit := commit_with(file) if leads_nowhere(file) else "":
        return Cure(checkout(commit, file), f"makes it the file that it is in {commit}")
    if leads_nowhere(file):
        effect = "takes the link away; doctor then looks everywhere for the revision, if something needs it"
        return Cure(f"rm {name}", effect)
    return Cure(f"python -m py_compile {name}", "prints nothing once the file is Python")


def by_id(view: View) -> Mapping[str, tuple[RevisionFile, ...]]:
    """The files of each revision id."""
    found: dict[str, list[RevisionFile]] = defaultdict(list)
    for each in view.reading.files:
        found[each.revision].append(each)
    return {revision: tuple(files) for revision, files in found.items()}


@diagnosis("graph.duplicate", Severity.ERROR, Need.FILES)
def duplicate_id(view: View) -> Iterator[Case]:
    """Several files have one revision id."""
    for revision, files in view.once(by_id).items():
        if len(files) < 2:
            continue
        same = len({each.file.read_bytes() for each in files}) == 1
        newest = max(files, key=lambda each: (each.created or "", each.file.name))
        names = ", ".join(each.file.name for each in files)
        new = _free(f"{revision}_2", view)
        cure = (
            Cure(f"rm {shlex.quote(str(newest.file))}", "takes away a copy that is the same to the byte")
            if same
            else Cure(set_variable("revision", new, newest.file), f"{newest.file.name} becomes revision {new}")
        )
        evidence: dict[str, Value] = {
            "files": tuple(str(each.file) for each in files),
            "down_revisions": tuple(", ".join(each.down_revision) or "base" for each in files),
            "identical": same,
        }
        yield Case(revision, f"{plural(len(files), 'file')} have the revision id {revision}: {names}", cure, evidence)


def _free(wanted: str, view: View) -> str:
    taken = view.once(by_id)
    number = 2
    while wanted in taken:
        number += 1
        wanted = f"{wanted.rpartition('_')[0]}_{number}"
    return wanted


def set_variable(variable: str, value: str | tuple[str, ...] | None, file: Path) -> str:
    """The command that sets a variable of a revision file."""
    pattern = rf"s/^({variable}\b[^=]*= *).*/\1{value!r}/"
    return f"sed -i -E {shlex.quote(pattern)} {shlex.quote(str(file))}"


@diagnosis("graph.duplicate-label", Severity.ERROR, Need.FILES)
def duplicate_label(view: View) -> Iterator[Case]:
    """Two revisions have the same branch label."""
    owners: dict[str, list[RevisionFile]] = defaultdict(list)
    for each in view.reading.files:
        for label in each.branch_labels:
            owners[label].append(each)
    for label, files in owners.items():
        if len({each.revision for each in files}) > 1:
            names = ", ".join(each.revision for each in files)
            cure = Cure(
                set_variable("branch_labels", f"{label}_2", files[-1].file), f"{files[-1].revision} has another label"
            )
            evidence = {"files": tuple(str(each.file) for each in files)}
            yield Case(label, f"the branch label {label} is that of several revisions: {names}", cure, evidence)


@diagnosis("graph.cycle", Severity.ERROR, Need.FILES)
def cycle(view: View) -> Iterator[Case]:
    """Revisions come after each other in a circle."""
    waiting = {each.revision: {*each.down_revision} & view.once(by_id).keys() for each in view.reading.files}
    while free := {name for name, parents in waiting.items() if not parents}:
        waiting = {name: parents - free for name, parents in waiting.items() if name not in free}
    inside = {name for name in waiting if _comes_back(name, waiting)}
    if not inside:
        return
    files = [each for each in view.reading.files if each.revision in inside]
    newest = max(files, key=lambda each: (each.created or "", each.file.name))
    first = min(files, key=lambda each: (each.created or "", each.file.name))
    cure = Cure(
        set_variable("down_revision", _outside(first, inside), first.file), f"{first.revision} comes first again"
    )
    evidence = {
        "files": tuple(str(each.file) for each in files),
        "down_revisions": tuple(f"{each.revision} after {', '.join(each.down_revision)}" for each in files),
    }
    names = ", ".join(sorted(inside))
    yield Case(newest.revision, f"revisions come after each other in a circle: {names}", cure, evidence)


def _comes_back(name: str, parents: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    waiting = list(parents[name])
    while waiting:
        each = waiting.pop()
        if each == name:
            return True
        if each not in seen:
            seen.add(each)
            waiting += parents.get(each, ())
    return False


def _outside(file: RevisionFile, inside: set[str]) -> str | None:
    return next((each for each in file.down_revision if each not in inside), None)


@diagnosis("graph.multiple-heads", Severity.WARNING, Need.GRAPH)
def multiple_heads(view: View) -> Iterator[Case]:
    """The history has several heads that no branch label tells apart."""
    heads, proof = view.graph.effective_heads, view.once(commutation)
    if proof is None or _joined_by_a_lost_one(view, heads):
        return
    files = tuple(str(view.graph.revisions[each].file) for each in heads)
    message = f"there are {len(heads)} heads: {', '.join(heads)}; `upgrade head` does not know which"
    evidence: dict[str, Value] = {"heads": heads, "files": files, "commute": proof.proved, "clash": proof.error or ""}
    if proof.proved:
        effect = (
            "adds a revision after all of them that does nothing; in whichever order they ran, the schema is the same"
        )
        cure = Cure("db-migrate generate --merge", effect)
    else:
        message += f", and they clash: {proof.error}"
        cure = _one_after_the_other(view, heads)
    yield Case(", ".join(heads), message, cure, evidence)


def _joined_by_a_lost_one(view: View, heads: Sequence[str]) -> bool:
    """Whether the target is at a revision that joins the heads, whose file is to be found: that is what is wrong."""
    lost = set(_recorded(view)) - set(view.graph.revisions)
    found = (find_file(view.project, each, ()) for each in sorted(lost))
    return any(each is not None and set(heads) <= set(parents_of(each)) for each in found)


def _recorded(view: View) -> tuple[str, ...]:
    """What the version tables say; nothing where they cannot be looked at."""
    try:
        return view.current
    except DbMigrateError:
        return ()


def commutation(view: View) -> DirectionProof | None:
    """Whether it makes no difference which of the heads ran first; None where there are not several by mistake."""
    heads = view.graph.effective_heads
    if len(heads) < 2 or all(is_labelled(view.graph, each) for each in heads):
        return None
    try:
        return commuting(view.newest, view.graph, heads, lambda catalog: catalog)
    except ConnectionLost:
        raise
    except DbMigrateError as error:
        return DirectionProof(False, (), error.why or error.message)


def _one_after_the_other(view: View, heads: Sequence[str]) -> Cure:
    """The newest branch that has not run put behind the head of another, since the order makes a difference."""
    graph, ran = view.graph, set(_recorded(view))
    waiting = [each for each in heads if each not in ran] or heads
    newest = max(waiting, key=lambda each: (graph.revisions[each].created or "", each))
    other = next(each for each in sorted(heads, key=lambda each: each not in ran) if each != newest)
    own = graph.ancestors(newest) - graph.ancestors(*(each for each in heads if each != newest))
    first = next(each for each in graph.ordered() if each in own)
    return Cure(
        set_variable("down_revision", other, graph.revisions[first].file),
        f"lets {first} come after {other}, so that there is one order; where it has been applied already, look first",
    )


def is_labelled(graph: Graph, head: str) -> bool:
    """Whether the head is on a branch that has a label of its own, and so is meant to be one."""
    others = {a for each in graph.effective_heads if each != head for a in graph.ancestors(each)}
    own = graph.ancestors(head) - others
    return any(graph.revisions[each].branch_labels for each in own)


@diagnosis("graph.ignored-file", Severity.WARNING, Need.FILES)
def ignored_file(view: View) -> Iterator[Case]:
    """A revision lies in a folder that Alembic does not look into; an error where another one comes after it."""
    places = {each.resolve() for each in view.project.version_locations}
    wanted = {parent for each in view.reading.files for parent in (*each.down_revision, *each.depends_on)}
    for path, location in view.once(ignored_files).items():
        cure = Cure(f"mv {shlex.quote(str(path))} {shlex.quote(str(location))}/", "Alembic sees the revision")
        message = f"{path.parent.name}/{path.name} is a revision that Alembic does not see"
        evidence = {"version_locations": tuple(map(str, sorted(places)))}
        needed = _revision_of(path) in wanted
        yield Case(str(path), message, cure, evidence, Severity.ERROR if needed else None)


def is_ignored(view: View, revision: str) -> bool:
    """Whether a revision's file is there, where Alembic does not look."""
    return any(_revision_of(path) == revision for path in view.once(ignored_files))


def _revision_of(path: Path) -> str:
    read = read_text(path.read_bytes())
    return read.revision if read else ""


def ignored_files(view: View) -> Mapping[Path, Path]:
    """The revisions beside or below the folders that Alembic looks into, each with the folder that it belongs into."""
    return dict(_ignored(view))


def _ignored(view: View) -> Iterator[tuple[Path, Path]]:
    if view.project.recursive_version_locations or view.reading.folders:
        return
    read = {each.file for each in view.reading.files}
    places = {each.resolve() for each in view.project.version_locations}
    for location in sorted(places):
        for path in sorted(location.glob("*/**/*.py")):
            if path.parent in places or "__pycache__" in path.parts or path in read or not is_revision(path):
                continue
            yield path, location
    usual = (view.project.script_location / "versions").resolve()
    if usual not in places:
        for path in sorted(usual.glob("*.py")):
            if path not in read and is_revision(path):
                yield path, min(places)


@diagnosis("graph.leftover-bytecode", Severity.WARNING, Need.FILES)
def leftover_bytecode(view: View) -> Iterator[Case]:
    """Bytecode without its source lies beside the revisions, where a sourceless environment runs it."""
    for location in view.project.version_locations:
        for path in sorted(location.glob("*.pyc")):
            source = path.with_name(path.name.split(".")[0] + ".py")
            if not source.exists():
                cure = Cure(f"rm {shlex.quote(str(path))}", "no environment runs it any more")
                yield Case(str(path), f"{path.name} has no source and runs where `sourceless` is set", cure)
