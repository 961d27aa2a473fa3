"""What apply and rollback did: the steps with their times, what was kept or put back, what verify says."""

from __future__ import annotations

from itertools import groupby

from db_migrate.report.style import Style, count, name, seconds, size
from db_migrate.report.text.outcomes import problems_text
from db_migrate.report.text.parts import columns, page, revisions_text, target_line, warnings_of
from db_migrate.report.text.plan import kept_text, restored_text
from db_migrate.results import RunResult, StepResult

_STATES = {
    "done": "done",
    "unchanged": "nothing to do",
    "stopped": "stopped at a whole revision",
    "partial": "stopped inside a revision",
}


def run_text(run: RunResult, style: Style) -> str:
    """The run from its first statement to its end; its error, if there was one, is for standard error."""
    return page(
        target_line(run.target, style),
        _steps(run, style),
        kept_text(run.kept, style, title="kept"),
        restored_text(run.restored, style, title="put back"),
        _backup(run, style),
        _outcome(run, style),
        problems_text(run.verify.problems, style) if run.verify else "",
        warnings_of(run, style),
        style=style,
    )


def _steps(run: RunResult, style: Style) -> str:
    paragraphs = []
    for revision, steps in groupby(run.steps, key=lambda each: each.revision):
        rows = [_step(each, style) for each in steps]
        paragraphs.append("\n".join([style.bold(name(revision)), *(f"  {line}" for line in columns(rows))]))
    return "\n".join(paragraphs)


def _step(step: StepResult, style: Style) -> tuple[str, str, str]:
    notes = []
    if step.lock_wait_seconds >= 0.0005:
        notes.append(f"waited {seconds(step.lock_wait_seconds)} for the lock")
    if step.attempts > 1:
        notes.append(f"{step.attempts} attempts")
    return seconds(step.seconds).rjust(8), style.cut(step.sql, style.width - 40), ", ".join(notes)


def _backup(run: RunResult, style: Style) -> str:
    """The dump that was made before, and the command that puts it back."""
    if run.backup is None:
        return ""
    kept = f"{name(run.backup.file)} ({size(run.backup.bytes)}: {', '.join(name(each) for each in run.backup.tables)})"
    return f"backup  {kept}\n  restore: {style.info(name(run.backup.restore))}"


def _outcome(run: RunResult, style: Style) -> str:
    well = run.error is None and run.state in ("done", "unchanged")
    mark = style.good("✓") if well else style.bad("✗")
    state = style.bold(_STATES.get(run.state, run.state))
    if run.state == "unchanged":
        return f"{mark} {state}: the database is at {revisions_text(run.to)}"
    took = sum(each.seconds + each.lock_wait_seconds for each in run.steps)
    way = f"{revisions_text(run.from_)} → {revisions_text(run.to)}"
    return f"{mark} {state}: {way}, {count(len(run.steps), 'statement')} in {seconds(took)} (run {name(run.run)})"
