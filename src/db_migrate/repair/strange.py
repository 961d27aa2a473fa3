"""Diagnoses of a schema that is no revision's, each with its reason; where there is none it says how it differs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import TABLE_KINDS, Kind, Value
from db_migrate.project.files import RevisionFile
from db_migrate.repair.around import look_around
from db_migrate.repair.graph_trouble import set_variable
from db_migrate.repair.pending import edited_scripts
from db_migrate.repair.position import Place, all_states, is_foreign, locate
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View
from db_migrate.repair.words import differences_in, drift_command, plural, revisions_named, summary_of
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity
from db_migrate.schemas.states import State


@diagnosis("schema.differs", Severity.ERROR, Need.HISTORY)
def schema_differs(view: View) -> Iterator[Case]:
    """The schema is that of no revision: it is the recorded one's, or the nearest one's, but for some objects."""
    position = view.once(locate)
    if position.place is not Place.NEAR or position.nearest is None or (view.current and not view.known):
        return
    if view.once(is_foreign) or view.once(skipped) or view.once(ahead):
        return
    if view.once(edited_scripts) or position.older or position.begun:
        return  # that is why
    told = view.once(told_otherwise)
    differences = tuple(each for each in position.differences if not _is_of(each.object, told))
    if not differences:
        return
    nearest = position.nearest
    named = revisions_named(nearest.heads)
    message = (
        f"the schema is that of {named}, the recorded revision, but for: "
        if view.current
        else f"no revision is recorded, and the schema is that of none; the nearest is {named}, but for: "
    )
    evidence = {"recorded": view.current, "nearest": nearest.heads, **differences_in(differences)}
    effect = (
        "shows each difference with the SQL that takes it back; `db-migrate repair --bridge` takes all of them into "
        "the history, as a revision that is stamped"
    )
    makers = _makers(view, nearest.heads, differences)
    if makers:
        evidence["made_by"] = makers
    if len(makers) == 1:
        effect += f". All of it is about what {makers[0]} makes: if a file was edited after it was applied, it is that"
    yield Case(view.database, message + summary_of(differences), Cure(drift_command(nearest.heads), effect), evidence)


def _makers(view: View, heads: tuple[str, ...], differences: Sequence[Change]) -> tuple[str, ...]:
    """The applied revisions that last changed what differs, or else its table; in their order."""
    done = view.graph.ancestors(*(each for each in heads if each in view.graph.revisions))
    last: dict[str, str] = {}
    for before, after in pairwise(view.once(all_states).states):
        if after.revision in done:
            was, now = before.catalog.objects, after.catalog.objects
            last |= {key[1]: after.revision for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
    tables = {each.name: each.parent or "" for each in view.live}
    names = [each.from_object or each.object for each in differences]
    found = {last.get(name) or last.get(tables.get(name, "")) for name in names}
    return tuple(each for each in view.graph.ordered() if each in found)


@diagnosis("database.other", Severity.ERROR, Need.HISTORY)
def other_database(view: View) -> Iterator[Case]:
    """The database has tables, and none of them is one that this history has ever made."""
    if view.once(is_foreign):
        tables = tuple(each.name for each in view.live if each.kind in TABLE_KINDS)
        message = f"{view.database} has {plural(len(tables), 'table')}, and none that this history has ever made"
        cure = Cure(
            "db-migrate config --sources",
            "shows where the URL comes from: it is probably that of another database; if this project is to share it, "
            "give it a version_table of its own in env.py",
        )
        yield Case(view.database, message, cure, {"tables": tables, "recorded": view.current})


@dataclass(frozen=True, slots=True)
class Skipped:
    """A revision that the one which is recorded stands on, and that never ran here."""

    revision: str
    changes: tuple[Change, ...]


def skipped(view: View) -> Skipped | None:
    """The revision whose changes are all that is missing here."""
    position = view.once(locate)
    if position.place is not Place.NEAR or not view.known or not view.current or position.older or position.begun:
        return None
    lacking = {_undoing(each) for each in position.differences}
    done = view.graph.ancestors(*view.heads)
    for before, after in pairwise(view.once(all_states).states):
        if after.revision in done:
            changes = drifted(diff(before.catalog, after.catalog))
            if changes and {_doing(each) for each in changes} == lacking and _is_still_here(view, before, after):
                return Skipped(after.revision, changes)
    return None


def _is_still_here(view: View, before: State, after: State) -> bool:
    """Whether all that a revision drops is here just as it was, and not something else that was given its name."""
    was, now = before.catalog.objects, after.catalog.objects
    return all(view.live.objects.get(key) == item for key, item in was.items() if key not in now)


_OPPOSITE = {Action.CREATED: Action.DROPPED, Action.DROPPED: Action.CREATED}

_Done = tuple[str, str, str, str, frozenset[tuple[str, Value, Value]]]
"""What a change does: kind, name before, name after, action, and from what to what each attribute goes."""


def _doing(change: Change) -> _Done:
    attributes = frozenset((each.name, each.from_, each.to) for each in change.attributes)
    return change.kind, change.from_object or change.object, change.object, change.action, attributes


def _undoing(change: Change) -> _Done:
    attributes = frozenset((each.name, each.to, each.from_) for each in change.attributes)
    action = _OPPOSITE.get(change.action, change.action)
    return change.kind, change.object, change.from_object or change.object, action, attributes


@diagnosis("revision.skipped", Severity.ERROR, Need.HISTORY)
def never_ran(view: View) -> Iterator[Case]:
    """A revision below the recorded one never ran here: a rebase or a merge put it there afterwards."""
    found = view.once(skipped)
    if found is None:
        return
    graph, file = view.graph, view.graph.revisions[found.revision]
    children, head = graph.children(found.revision), ", ".join(view.heads)
    message = (
        f"{found.revision} comes before {head}, which is recorded, and never ran here: {summary_of(found.changes)}"
    )
    message += " is missing" if len(found.changes) == 1 else " are missing"
    evidence: dict[str, Value] = {
        "file": str(file.file),
        "down_revision": file.down_revision,
        "before": children,
        **differences_in(view.once(locate).differences),
    }
    cure = Cure(drift_command(view.heads), "shows the SQL that would add what is missing")
    if len(children) == 1 and len(file.down_revision) <= 1 and view.heads == graph.effective_heads:
        child = graph.revisions[children[0]]
        commands = (
            set_variable("down_revision", _parents_without(view, child, file), child.file),
            set_variable("down_revision", head, file.file),
        )
        cure = Cure(
            " && ".join(commands),
            f"puts {found.revision} behind {head}, so that `db-migrate apply` runs it here; where it has run already "
            "the schema stays the same",
        )
    yield Case(found.revision, message, cure, evidence)


def ahead(view: View) -> Skipped | None:
    """A pending revision, not the next one, whose changes are all that is here beside the recorded state."""
    position = view.once(locate)
    if position.place is not Place.NEAR or not view.known or not view.current or position.older or position.begun:
        return None
    extra = {_doing(each) for each in position.differences}
    done = view.graph.ancestors(*view.heads)
    for before, after in pairwise(view.once(all_states).states):
        waits = after.revision not in done and not set(view.graph.parents(after.revision)) <= done
        if waits and _is_here(view, before, after):
            changes = drifted(diff(before.catalog, after.catalog))
            if changes and {_doing(each) for each in changes} == extra:
                return Skipped(after.revision, changes)
    return None


def _is_here(view: View, before: State, after: State) -> bool:
    """Whether all that one state has more, or otherwise, than the one before is here just so."""
    was, now = before.catalog.objects, after.catalog.objects
    return all(view.live.objects.get(key) == item for key, item in now.items() if was.get(key) != item)


@diagnosis("revision.ahead", Severity.ERROR, Need.HISTORY)
def ran_ahead(view: View) -> Iterator[Case]:
    """A pending revision has run here, and one before it has not: a backup was restored over what was newer."""
    found = view.once(ahead)
    if found is None:
        return
    before = view.graph.parents(found.revision)
    between = view.graph.between(view.heads, before)
    message = (
        f"{', '.join(view.heads)} is recorded, and what {found.revision} makes is here too, without "
        f"{', '.join(between)}: {summary_of(found.changes)}"
    )
    evidence: dict[str, Value] = {
        "recorded": view.current,
        "missing_between": between,
        **differences_in(view.once(locate).differences),
    }
    effect = (
        f"runs what is missing before {found.revision}; what is here is then its schema, and doctor says to stamp it"
    )
    yield Case(found.revision, message, Cure(f"db-migrate apply {shlex.join(before)}", effect), evidence)


def _parents_without(view: View, child: RevisionFile, taken: RevisionFile) -> str | tuple[str, ...] | None:
    """What a revision comes after once one of its parents is taken out from below it; a merge keeps the others."""
    others = tuple(each for each in child.down_revision if each != taken.revision)
    covered = view.graph.ancestors(*others)
    found = (*others, *(each for each in taken.down_revision if each not in covered))
    return found if len(found) > 1 else next(iter(found), None)


def told_otherwise(view: View) -> frozenset[str]:
    """The objects whose difference is what another diagnosis is about."""
    pending = {str(name) for name, _ in view.once(look_around).detaching}
    return frozenset(pending | {name for name, _ in view.once(detached_partitions)})


def _is_of(name: str, tables: frozenset[str]) -> bool:
    """Whether the name is one of the tables, or of something that belongs to one."""
    return name in tables or any(name.startswith(f"{each}.") for each in tables)


def detached_partitions(view: View) -> tuple[tuple[str, str], ...]:
    """Partitions of the history that are tables of their own here, each with the statement that attaches it."""
    position = view.once(locate)
    if position.nearest is None:
        return ()
    gone = {each.object for each in position.differences if each.kind is Kind.PARTITION}
    found = []
    for name in sorted(gone):
        wanted, here = position.nearest.catalog.get(Kind.PARTITION, name), view.live.get(Kind.TABLE, name)
        if wanted is not None and here is not None:
            parent, bound = wanted.attributes.get("partition_of"), wanted.attributes.get("partition_bound")
            checks = [
                f" ALTER TABLE {name} DROP CONSTRAINT {each.object.removeprefix(f'{name}.')};"
                for each in position.differences
                if each.kind is Kind.CHECK and each.action is Action.CREATED and each.object.startswith(f"{name}.")
            ]  # DETACH … CONCURRENTLY leaves one that says what the bounds say
            found.append((name, f"ALTER TABLE {parent} ATTACH PARTITION {name} {bound};{''.join(checks)}"))
    return tuple(found)


@diagnosis("partition.detached", Severity.ERROR, Need.HISTORY)
def detached(view: View) -> Iterator[Case]:
    """What the history has as a partition is a table of its own."""
    for name, statement in view.once(detached_partitions):
        message = f"{name} is a partition in the history, and a table of its own here: who reads the parent misses it"
        cure = Cure("db-migrate repair", f"{statement} its rows are held against the bounds first")
        yield Case(name, message, cure, {"statement": statement})
