"""What apply and rollback did: the steps with their times, what was kept or put back, what verify says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from db_migrate.language import said
from db_migrate.report.style import Style, count, name, seconds, size
from db_migrate.report.text.outcomes import problems_text
from db_migrate.report.text.parts import columns, each_text, page, revisions_text, target_line, warnings_of
from db_migrate.report.text.plan import kept_text, restored_text
from db_migrate.results import Rehearsal, RunResult, StepResult

_STATES = {
    "done": "done",
    "unchanged": "nothing to do",
    "stopped": "stopped at a whole revision",
    "partial": "stopped inside a revision",
}


def run_text(run: RunResult, style: Style) -> str:
    """The run from its first statement to its end; its error, if there was one, is for standard error."""
    if run.rehearsals:
        return page(*(_rehearsal(each, style) for each in run.rehearsals), warnings_of(run, style), style=style)
    if run.targets:
        return f"{each_text(run.targets, run_text, style)}\n{_summary(run, style)}"
    return page(
        target_line(run.target, style),
        _steps(run.steps, style),
        kept_text(run.kept, style, title=said("kept")),
        restored_text(run.restored, style, title=said("put back")),
        _backup(run, style),
        _outcome(run, style),
        problems_text(run.verify.problems, style) if run.verify else "",
        warnings_of(run, style),
        style=style,
    )


def _rehearsal(rehearsal: Rehearsal, style: Style) -> str:
    """The run on a copy, with the time of each statement."""
    done = rehearsal.error is None and not rehearsal.problems
    how = said("a clone") if rehearsal.method == "template" else said("a restored dump")
    copied = said(
        f"{how} of {size(rehearsal.bytes)} on {name(rehearsal.server)}, copied in {seconds(rehearsal.copy_seconds)}"
    )
    mark = style.good("✓") if done else style.bad("✗")
    outcome = said(
        f"{mark} {style.bold(said('rehearsed'))}: {revisions_text(rehearsal.to)} in {seconds(rehearsal.seconds)}"
    )
    problems = problems_text(rehearsal.problems, style) if rehearsal.problems else ""
    parts = [target_line(rehearsal.target, style), style.dim(copied), _steps(rehearsal.steps, style), problems]
    closing = said(f"{outcome}; the copy is gone, and the target was not changed")
    return "\n\n".join(each for each in [*parts, closing] if each)


def _summary(run: RunResult, style: Style) -> str:
    """Of how many databases or schemas the run came to its end."""
    well = sum(each.error is None and each.state in ("done", "unchanged") for each in run.targets)
    mark = style.good("✓") if run.error is None else style.bad("✗")
    total = len(run.targets)
    return style.finish(said(f"{mark} {style.bold(said(f'{well} of {total}'))} at the destination\n"))


def _steps(done: Sequence[StepResult], style: Style) -> str:
    paragraphs = []
    for revision, steps in groupby(done, key=lambda each: each.revision):
        rows = [_step(each, style) for each in steps]
        paragraphs.append("\n".join([style.bold(name(revision)), *(f"  {line}" for line in columns(rows))]))
    return "\n".join(paragraphs)


def _step(step: StepResult, style: Style) -> tuple[str, str, str]:
    notes = []
    if step.lock_wait_seconds >= 0.0005:
        notes.append(said(f"waited {seconds(step.lock_wait_seconds)} for the lock"))
    if step.attempts > 1:
        notes.append(said(f"{step.attempts} attempts"))
    return seconds(step.seconds).rjust(8), style.cut(step.sql, style.width - 40), ", ".join(notes)


def _backup(run: RunResult, style: Style) -> str:
    """The dump that was made before, and the command that puts it back."""
    if run.backup is None:
        return ""
    kept = f"{name(run.backup.file)} ({size(run.backup.bytes)}: {', '.join(name(each) for each in run.backup.tables)})"
    return said(f"backup  {kept}\n  restore: {style.info(name(run.backup.restore))}")


def _outcome(run: RunResult, style: Style) -> str:
    well = run.error is None and run.state in ("done", "unchanged")
    mark = style.good("✓") if well else style.bad("✗")
    state = style.bold(said(_STATES.get(run.state, run.state)))
    if run.state == "stopped" and not run.run:
        return said(f"{mark} {style.bold(said('not begun'))}: it is at {revisions_text(run.to)}")
    if run.state == "unchanged" and run.verify and not run.verify.ok:
        found = said(f"the database is at {revisions_text(run.to)}, and verify found what follows")
        return said(f"{style.bad('✗')} {style.bold(said('nothing was done'))}: {found}")
    if run.state == "unchanged":
        return said(f"{mark} {state}: the database is at {revisions_text(run.to)}")
    if not run.run and not run.steps and run.from_ != run.to:
        way = f"{revisions_text(run.from_)} → {revisions_text(run.to)}"
        return said(f"{mark} {state}: {way}, in the version table alone")
    took = sum(each.seconds + each.lock_wait_seconds for each in run.steps)
    way = f"{revisions_text(run.from_)} → {revisions_text(run.to)}"
    return said(f"{mark} {state}: {way}, {count(len(run.steps), 'statement')} in {seconds(took)} (run {name(run.run)})")
