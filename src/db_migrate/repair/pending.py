"""Diagnoses of revisions that wait to be applied, and of those that were edited since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from db_migrate.catalog.objects import Value
from db_migrate.execute.journal import AppliedScript
from db_migrate.postgres.redact import redact
from db_migrate.repair.position import Place, Position, locate
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.rows import Failed, last_failure
from db_migrate.repair.search import applied_scripts
from db_migrate.repair.trial import Trial, trial
from db_migrate.repair.view import View
from db_migrate.repair.words import differences_in, plural, psql, revisions_named, summary_of
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity

_LINES = 40


@diagnosis("revisions.pending", Severity.WARNING, Need.HISTORY)
def pending(view: View) -> Iterator[Case]:
    """The target is not up to date, and what is pending would apply now."""
    tried = view.once(trial)
    if not tried.pending or not tried.well:
        return
    number = len(tried.pending)
    sent = (sql for revision, sql in tried.sent if revision == tried.pending[0])
    failed = last_failure(view, tried.pending[0], sent)
    if failed is not None:
        yield _failed_before(view, tried, failed)
        return
    yield Case(
        view.database,
        f"the target is at {revisions_named(view.current)}, and {plural(number, 'revision')} {_wait(number)}; "
        f"on a copy of it {_it(number)} through",
        Cure("db-migrate apply", f"proves {plural(number, 'revision')} on a copy and applies what was proved"),
        pending_evidence(view, tried),
    )


def _failed_before(view: View, tried: Trial, failed: Failed) -> Case:
    """It has been tried, and what it met there no copy has: only a full copy, with the rows, can tell more."""
    revision = tried.pending[0]
    message = (
        f"revision {revision} is pending and runs on a copy of the target; on the target itself the server refused it, "
        f"for what is in the rows: {failed.reason}"
    )
    cure = Cure(
        "db-migrate apply --rehearse",
        "runs it on a full copy, rows and all, and throws that away; once it goes through there, `db-migrate apply`",
    )
    if failed.query:
        cure = Cure(psql(view.target.conninfo, failed.query), "shows the row; correct it, then `db-migrate apply`")
    evidence = {**pending_evidence(view, tried), "statement": failed.sql, "raised": failed.error}
    return Case(revision, message, cure, evidence, Severity.ERROR)


def pending_evidence(view: View, tried: Trial) -> dict[str, Value]:
    """What is pending."""
    return {"current": view.current, "pending": tried.pending, "heads": view.graph.effective_heads}


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"


def _it(number: int) -> str:
    return "it runs" if number == 1 else "they run"


@diagnosis("revision.edited", Severity.ERROR, Need.HISTORY)
def edited(view: View) -> Iterator[Case]:
    """The file of a revision is not the one that was applied; a note where that makes no difference to the schema."""
    position = view.once(locate)
    same = position.place is Place.RIGHT
    for each, file in view.once(edited_scripts):
        message = f"{file.name} was edited after it was applied here"
        evidence: dict[str, Value] = {
            "file": str(file),
            "applied": each.checksum,
            "now": _digest(file),
            "lines": _changed_lines(each.script, file),
        }
        if same:
            cure = Cure("", "the schema is what the edited file makes; what it would do to rows has not been done anew")
            yield Case(each.revision, message, cure, evidence, Severity.NOTE)
            continue
        evidence |= differences_in(position.differences)
        yield Case(each.revision, f"{message}; {_difference(position)}", Cure("db-migrate repair", _RESTORES), evidence)
    if not view.once(edited_scripts):
        yield from _edited_without_journal(position)


_RESTORES = (
    "writes the file as it was applied, and the edited one beside it, to be made a revision of its own; "
    "`db-migrate repair --bridge` leaves the file as it is, and takes what is here into the history instead"
)


def _edited_without_journal(position: Position) -> Iterator[Case]:
    for each in position.older:
        message = (
            f"{each.file.name} was edited after it was applied here: with its text of {each.place.partition(':')[0]} "
            f"the history is exactly what is here; {_difference(position)}"
        )
        if position.begun:
            message = (
                f"{each.file.name} was edited after it was applied here: what is here is the history with its text of "
                f"{each.place.partition(':')[0]}, and half of {position.begun}; {_difference(position)}"
            )
        evidence: dict[str, Value] = {
            "file": str(each.file),
            "applied": each.place,
            "edited_by": each.edited_by,
            "half_done": position.begun,
            "now": _digest(each.file),
            "lines": _changed_lines(redact(each.content.decode(errors="replace")), each.file),
            **differences_in(position.differences),
        }
        yield Case(each.revision, message, Cure("db-migrate repair", _RESTORES), evidence)


def _changed_lines(applied: str, file: Path) -> tuple[str, ...]:
    """What was edited: lines that are gone begin with a minus sign, new ones with a plus sign."""
    now = redact(file.read_text(encoding="utf-8", errors="replace"))
    found = unified_diff(applied.splitlines(), now.splitlines(), lineterm="", n=0)
    changed = [each for each in found if not each.startswith(("---", "+++", "@@"))]
    return tuple(changed[:_LINES])


def _difference(position: Position) -> str:
    if not position.differences:
        return "what it makes now is not what is here"
    return f"here the schema is what it makes now, but for: {summary_of(position.differences)}"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def as_applied(view: View, revision: str) -> tuple[Path, bytes] | None:
    """The file of an edited revision and its text as it was applied; None where nobody has that to the byte."""
    for script, file in view.once(edited_scripts):
        data = script.script.encode()
        # A password that was taken out of it makes it another one.
        if script.revision == revision and hashlib.sha256(data).hexdigest() == script.checksum:
            return file, data
    return next(((e.file, e.content) for e in view.once(locate).older if e.revision == revision), None)


def edited_scripts(view: View) -> tuple[tuple[AppliedScript, Path], ...]:
    """The scripts of the journal that are applied, and whose file is another now."""
    return tuple(_edited(view))


def _edited(view: View) -> Iterator[tuple[AppliedScript, Path]]:
    for each in view.once(applied_scripts):
        file = view.graph.revisions.get(each.revision)
        if each.direction != "upgrade" or file is None or not view.known:
            continue
        if each.revision not in view.graph.ancestors(*view.current):
            continue
        if _digest(file.file) != each.checksum:
            yield each, file.file
