"""Diagnoses of revisions that wait to be applied, and of those that were edited since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from db_migrate.execute.journal import AppliedScript, Journal
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View
from db_migrate.repair.words import plural, revisions_named
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity


@diagnosis("revisions.pending", Severity.WARNING, Need.TARGET)
def pending(view: View) -> Iterator[Case]:
    """The target is not up to date."""
    if not view.known:
        return
    waiting = view.graph.between(view.current, view.graph.effective_heads)
    if not waiting:
        return
    at = revisions_named(view.current)
    yield Case(
        view.database,
        f"the target is at {at}, and {plural(len(waiting), 'revision')} {_wait(len(waiting))}",
        Cure("db-migrate apply", f"proves {plural(len(waiting), 'revision')} on a copy and applies what was proved"),
        {"current": view.current, "pending": waiting, "heads": view.graph.effective_heads},
    )


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"


def applied_scripts(view: View) -> tuple[AppliedScript, ...]:
    """The scripts of the journal."""
    with view.session() as connection:
        return Journal(connection).applied()


@diagnosis("revision.edited", Severity.WARNING, Need.TARGET)
def edited(view: View) -> Iterator[Case]:
    """The file of a revision is not the one that was applied."""
    for each in view.once(applied_scripts):
        file = view.graph.revisions.get(each.revision)
        if each.direction != "upgrade" or file is None or not view.known:
            continue
        if each.revision not in view.graph.ancestors(*view.current):
            continue
        now = hashlib.sha256(file.file.read_bytes()).hexdigest()
        if now != each.checksum:
            yield Case(
                each.revision,
                f"{file.file.name} was edited after it was applied here",
                Cure("db-migrate repair", "writes the file as it was applied; the edited one is kept beside it"),
                {"file": str(file.file), "applied": each.checksum, "now": now},
            )
