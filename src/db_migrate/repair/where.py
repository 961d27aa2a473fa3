"""Diagnoses of the target's place in the history: its version table against its schema."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import Value
from db_migrate.repair.pending import edited_scripts
from db_migrate.repair.position import Place, Position, locate
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View
from db_migrate.repair.words import differences_in, revisions_named, stamp_command, summary_of
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity
from db_migrate.schemas.states import State


@diagnosis("version.missing", Severity.ERROR, Need.HISTORY)
def version_missing(view: View) -> Iterator[Case]:
    """The version table is empty or not there, and the schema is exactly that of a revision."""
    position = view.once(locate)
    if view.current or position.place is not Place.ELSEWHERE:
        return
    yield _elsewhere(
        view, position, f"no revision is recorded, and the schema is that of {_shown(position.matches[-1])}"
    )


@diagnosis("version.wrong", Severity.ERROR, Need.HISTORY)
def version_wrong(view: View) -> Iterator[Case]:
    """The version table names a revision, and the schema is exactly that of another."""
    position = view.once(locate)
    if not view.current or not view.known or position.place is not Place.ELSEWHERE:
        return
    said = revisions_named(view.current)
    yield _elsewhere(
        view, position, f"the version table says {said}, and the schema is that of {_shown(position.matches[-1])}"
    )


def _elsewhere(view: View, position: Position, message: str) -> Case:
    best = position.matches[-1]
    effect = f"the version table says {_shown(best)}; nothing else changes"
    if len(position.matches) > 1:
        others = ", ".join(_shown(each) for each in position.matches[:-1])
        effect += (
            f". {others} has the same schema: what lies between changes only rows, so if that has not run, stamp that"
        )
    evidence: dict[str, Value] = {
        "recorded": view.current,
        "schema_of": best.heads,
        "also_schema_of": tuple(_shown(each) for each in position.matches[:-1]),
        "fingerprint": view.live.fingerprint,
    }
    return Case(view.database, message, Cure(stamp_command(best.heads), effect), evidence)


@diagnosis("schema.differs", Severity.ERROR, Need.HISTORY)
def schema_differs(view: View) -> Iterator[Case]:
    """The schema is that of no revision: it is the recorded one's, or the nearest one's, but for some objects."""
    position = view.once(locate)
    if position.place is not Place.NEAR or position.nearest is None or (view.current and not view.known):
        return
    if view.once(edited_scripts):
        return  # that is why
    nearest = position.nearest
    message = (
        f"the schema is that of {_shown(nearest)}, the recorded revision, but for: "
        if view.current
        else f"no revision is recorded, and the schema is that of none; the nearest is {_shown(nearest)}, but for: "
    )
    command = f"db-migrate drift --from history@{','.join(nearest.heads) or 'base'} --to live"
    evidence = {"recorded": view.current, "nearest": nearest.heads, **differences_in(position.differences)}
    effect = "shows each difference with the SQL that takes it back; a new revision can take it in"
    yield Case(view.database, message + summary_of(position.differences), Cure(command, effect), evidence)


def _shown(state: State) -> str:
    return revisions_named(state.heads)
