"""Diagnoses of revisions that the target or a file names and that have no file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from db_migrate.catalog.objects import Value
from db_migrate.errors import ConnectionLost, DbMigrateError
from db_migrate.repair.finding import Found, find_file, parents_of
from db_migrate.repair.graph_trouble import by_id, is_ignored
from db_migrate.repair.others import lost_files, may_be_others, of_others
from db_migrate.repair.position import Place, is_foreign, locate, unlike
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.search import applied_scripts
from db_migrate.repair.squash import Squash, squashed
from db_migrate.repair.view import View
from db_migrate.repair.words import differences_in, drift_command, revisions_named, stamp_command, summary_of
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity


@diagnosis("revision.lost", Severity.ERROR, Need.HISTORY)
def lost(view: View) -> Iterator[Case]:
    """The database is at a revision that has no file."""
    if view.known:
        begun = view.once(locate).lost
        yield from [_begun(view, view.once(locate).begun, begun)] if begun else ()
    if view.known or view.once(is_foreign):
        return
    theirs = view.once(of_others)
    for revision, found in view.once(lost_files).items():
        squash = None if revision in theirs else view.once(squashed)
        if squash is not None:
            yield _squashed(squash)
        elif revision not in theirs:
            instead = in_its_place(view, found) if found else ()
            if found and instead:
                yield _replaced(revision, found, instead)
            else:
                yield _restorable(view, revision, found) if found else _gone(view, revision)


def _begun(view: View, revision: str, found: Found) -> Case:
    after = revisions_named(view.heads)
    message = f"the database is within revision {revision}, which comes after {after}, is half-done, and has no file"
    effect = f"writes {place_for(view, found)} as it is in {found.place}, and finishes it; `--back` undoes it instead"
    evidence = {**evidence_of(found), "half_done": revision, **differences_in(view.once(locate).differences)}
    return Case(revision, message, Cure("db-migrate repair", effect), evidence)


def in_its_place(view: View, found: Found) -> tuple[str, ...]:
    """The revisions whose schema this exactly is, though the one that was found does not come after them.

    It was renamed or squashed into them: written back, what it does would be in the history twice.
    """
    position = view.once(locate)
    if position.place is not Place.ELSEWHERE:
        return ()
    parents = parents_of(found)
    below = view.graph.ancestors(*parents) if set(parents) <= set(view.graph.revisions) else frozenset()
    return () if any(set(each.heads) <= below for each in position.matches) else position.matches[0].heads


def _replaced(revision: str, found: Found, instead: tuple[str, ...]) -> Case:
    named = revisions_named(instead)
    message = f"the database is at revision {revision}, which has no file, and the schema is exactly that of {named}"
    effect = f"the version table says {named}, which does what {revision} did: it was renamed, or squashed"
    return Case(revision, message, Cure(stamp_command(instead), effect), {"schema_of": instead, **evidence_of(found)})


def _squashed(squash: Squash) -> Case:
    named, rest = revisions_named(squash.into), ", ".join(squash.rest)
    message = f"the database is at revision {squash.revision}, which has no file: it was squashed into {named}"
    effect = f"the version table says {named}, whose schema is that of {squash.end}"
    if squash.rest:
        message += f", and {rest} of what was squashed {'has' if len(squash.rest) == 1 else 'have'} not run here"
        effect = f"runs {rest} as {'it was' if len(squash.rest) == 1 else 'they were'}, proved on a copy; then {effect}"
    if squash.half_done:
        message += f"; {squash.half_done} is half-done"
        effect = f"finishes {squash.half_done} (`--back` undoes it); {effect}"
    evidence = {**evidence_of(squash.found), "schema_of": squash.into, "rest": squash.rest}
    evidence |= {"half_done": squash.half_done, **differences_in(squash.drift)}
    return Case(squash.revision, message, Cure("db-migrate repair", effect), evidence)


def _restorable(view: View, revision: str, found: Found) -> Case:
    file = place_for(view, found)
    effect = f"writes {file} as it is in {found.place}"
    if found.branches:
        effect += f"; it is on {', '.join(found.branches[:3])}, so switching there ends it too"
    effect += ". To be rid of the revision instead, roll it back once the file is there, then delete it"
    message = f"the database is at revision {revision}, which has no file"
    evidence = {**evidence_of(found), "did": _did(view, found)}
    return Case(revision, message, Cure("db-migrate repair", effect), evidence)


def _did(view: View, found: Found) -> tuple[str, ...]:
    """What is here beside the schema that the revision began with; nothing where nobody knows that."""
    parents = parents_of(found)
    if not set(parents) <= set(view.graph.revisions):
        return ()
    try:
        changes = unlike(view, view.history(tuple(sorted(parents))))
    except ConnectionLost:
        raise
    except DbMigrateError:
        return ()
    return tuple(f"{each.action} {each.kind} {each.object}" for each in changes)


def evidence_of(found: Found) -> dict[str, Value]:
    """Where a file was found, and who took it away."""
    return {
        "found_in": found.place,
        "deleted_by": found.deleted_by,
        "branches": found.branches,
        "as_applied": found.exact,
    }


def place_for(view: View, found: Found) -> Path:
    """Where a file that was found is to be written: beside the others, under its own name while that is free."""
    folder = view.project.version_locations[0]
    wanted = folder / found.name
    number = 1
    while wanted.exists():
        number += 1
        wanted = folder / f"{Path(found.name).stem}_{number}.py"
    return wanted


def _gone(view: View, revision: str) -> Case:
    """Nobody has the file: the way across leads to a revision whose schema this is, or nearly is."""
    position = view.once(locate)
    message = f"the database is at revision {revision or 'without a name'}, whose file nobody has any more"
    if position.place is Place.ELSEWHERE:
        best = position.matches[-1].heads
        cure = Cure(stamp_command(best), f"the schema is exactly that of {revisions_named(best)}; nothing else changes")
        return Case(revision, message, cure, {"schema_of": best, "searched": _SEARCHED})
    nearest = position.nearest.heads if position.nearest else ()
    effect = (
        f"the nearest is {revisions_named(nearest)}, but for: {summary_of(position.differences)}. "
        "`db-migrate repair --bridge` writes a revision that leads from there to what is here, and stamps it"
    )
    if view.once(may_be_others):
        effect += (
            f". If another project migrates this database too, {revision} is its row: set a version_table of its own "
            "for this one in env.py instead"
        )
    evidence = {"nearest": nearest, "searched": _SEARCHED, **differences_in(position.differences)}
    return Case(revision, message, Cure(drift_command(nearest), effect), evidence)


_SEARCHED = ("git: all branches and stashes", "the journal", "other folders of the project", "installed packages")


@diagnosis("graph.missing-parent", Severity.ERROR, Need.FILES)
def missing_parent(view: View) -> Iterator[Case]:
    """A revision comes after one that has no file."""
    if view.reading.unreadable or view.reading.folders:
        return  # it may be the one that cannot be read
    known = view.once(by_id)
    labels = {label for each in view.reading.files for label in each.branch_labels}
    for each in view.reading.files:
        for parent in (*each.down_revision, *(d for d in each.depends_on if d not in labels)):
            if parent not in known and not is_ignored(view, parent):
                yield _missing(view, each.revision, each.file, parent)


def _missing(view: View, revision: str, file: Path, parent: str) -> Case:
    message = f"revision {revision} comes after {parent}, which has no file"
    found = find_missing(view, parent)
    if found is None:
        command = f"git log --all --oneline -S {shlex.quote(parent)}"
        effect = f"shows where {parent} was named; if it was squashed away, set down_revision in {file.name}"
        return Case(parent, message, Cure(command, effect), {"file": str(file), "searched": _SEARCHED})
    effect = f"writes {place_for(view, found)} as it is in {found.place}"
    return Case(parent, message, Cure("db-migrate repair", effect), {"file": str(file), **evidence_of(found)})


def find_missing(view: View, revision: str) -> Found | None:
    """The file of a revision that another one names; the journal is asked where the target can be."""
    try:
        scripts = view.once(applied_scripts)
    except ConnectionLost:
        raise
    except DbMigrateError:
        scripts = ()
    return find_file(view.project, revision, scripts)
