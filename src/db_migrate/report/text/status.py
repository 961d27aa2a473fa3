"""Where the target stands: its revisions, what is pending, drift at a glance, the last run."""

from __future__ import annotations

from db_migrate.language import said
from db_migrate.report.source import place
from db_migrate.report.style import Style, count, name, seconds
from db_migrate.report.text.parts import columns, each_text, page, revisions_text, target_line, warnings_of
from db_migrate.results import DriftCounts, RunSummary, Status

_LISTED = 10
"""How many pending revisions are listed; the JSON has all."""


def status_text(status: Status, style: Style) -> str:
    """The status; its first line alone says whether anything has to be done."""
    if status.targets:
        verdict = f"{_verdict(status, style)}\n{target_line(status.target, style)}".rstrip()
        return f"{verdict}\n\n{each_text(status.targets, status_text, style)}"
    rows = [
        (said("current"), revisions_text(status.current)),
        (said("heads"), revisions_text(status.heads) if status.heads else said("none: the project has no revisions")),
        (said("pending"), count(len(status.pending), "revision") if status.pending else said("none")),
        (said("drift"), _drift(status.drift)),
        (said("last run"), run_line(status.last_run) if status.last_run else said("none")),
    ]
    lines = [f"  {line}" for line in columns(rows)]
    return page(
        f"{_verdict(status, style)}\n{target_line(status.target, style)}".rstrip(),
        "\n".join(lines),
        _pending(status, style),
        _unknown(status, style),
        warnings_of(status, style),
        style=style,
    )


_CUT_SHORT = {"partial": "the last run stopped inside a revision", "crashed": "the last run crashed"}
"""What may be half-done after it, and is looked at before anything else."""


def _cut_short(status: Status) -> str:
    return said(_CUT_SHORT.get(status.last_run.state, "")) if status.last_run is not None else ""


def _verdict(status: Status, style: Style) -> str:
    problems = [each for each in (_cut_short(status),) if each]
    if status.unknown:
        problems.append(said(f"{count(len(status.unknown), 'revision')} in the database without a file"))
    if status.pending:
        problems.append(said(f"{count(len(status.pending), 'revision')} pending"))
    drifted = (status.drift.history_live or 0) + (status.drift.history_models or 0)
    if drifted:
        problems.append(said(f"{count(drifted, 'change')} of drift"))
    if problems:
        return f"{style.warn('●')} {style.bold(', '.join(problems))}"
    return f"{style.good('✓')} {style.bold(said('up to date'))}"


def _drift(counts: DriftCounts) -> str:
    def shown(number: int | None) -> str:
        return said("not compared") if number is None else said("none") if number == 0 else count(number, "change")

    return said(f"history → models: {shown(counts.history_models)}; history → live: {shown(counts.history_live)}")


def _pending(status: Status, style: Style) -> str:
    command = "db-migrate doctor" if _cut_short(status) else "db-migrate plan"
    if not status.pending:
        return said(f"next: {style.info(command)}") if _cut_short(status) else ""
    rows = [(f"  {name(each.revision)}", name(each.message), place(each.file)) for each in status.pending]
    lines = columns(rows)
    if len(lines) > _LISTED:
        lines[_LISTED // 2 : -_LISTED // 2] = [said(f"  … {len(lines) - _LISTED} more")]
    return "\n".join([said("pending"), *lines, "", said(f"next: {style.info(command)}")])


def _unknown(status: Status, style: Style) -> str:
    if not status.unknown:
        return ""
    shown = revisions_text(status.unknown)
    return said(f"{style.bad(said('unknown'))}: {shown}: in the database, and no file has this revision")


def run_line(run: RunSummary) -> str:
    """One run of the journal on one line."""
    took = said(f" within {seconds(run.seconds)}") if run.seconds is not None else ""
    way = f"{revisions_text(run.from_)} → {revisions_text(run.to)}"
    who = said(f"by {name(run.who)}")
    return f"{name(run.verb)} {way}, {said(run.state)}{took}, {run.started_at} {who} ({name(run.run)})"
