"""The revision graph, newest first, and the runs of the journal."""

from __future__ import annotations

from db_migrate.language import said
from db_migrate.report.source import place
from db_migrate.report.style import Style, indent, name
from db_migrate.report.text.changes import changes_text
from db_migrate.report.text.parts import page, target_line, warnings_of
from db_migrate.report.text.status import run_line
from db_migrate.results import History, HistoryRevision


def history_text(history: History, style: Style) -> str:
    """Every revision with its parents, labels, file and, where known, what it changed."""
    revisions = "\n".join(_revision(each, style) for each in reversed(history.revisions))
    runs = "\n".join(f"  {run_line(each)}" for each in history.runs)
    return page(
        target_line(history.target, style),
        revisions or said("the project has no revisions"),
        said(f"runs\n{runs}") if runs else "",
        warnings_of(history, style),
        style=style,
    )


def _revision(revision: HistoryRevision, style: Style) -> str:
    notes = [said("head")] if revision.is_head else []
    notes += [said(f"branch {name(each)}") for each in revision.branch_labels]
    if len(revision.down_revision) > 1:
        notes.append(said("merge"))
    notes += [said(f"depends on {name(each)}") for each in revision.depends_on]
    shown = f" ({', '.join(notes)})" if notes else ""
    parents = ", ".join(name(each) for each in revision.down_revision) or "base"
    first = f"● {style.bold(name(revision.revision))}{style.good(shown)}  {name(revision.message)}"
    lines = [first, style.dim(said(f"  after {parents}  {place(revision.file)}"))]
    if revision.changes:
        lines.append(indent(changes_text(revision.changes, style), 2))
    return "\n".join(lines)
