"""What several results have in common: the line about the target, warnings, aligned columns, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from db_migrate.errors import ErrorReport
from db_migrate.language import said
from db_migrate.report.style import Style, block, indent, name
from db_migrate.results import Result, TargetSummary

R = TypeVar("R", bound=Result)


def target_line(target: TargetSummary | None, style: Style) -> str:
    """``target default · database mesh · PostgreSQL 18.6``; empty without a target."""
    if target is None:
        return ""
    parts = [said(f"target {name(target.name)}"), said(f"database {name(target.database)}")]
    parts += [said(f"schema {name(target.schema)}")] if target.schema else []
    return style.dim(" · ".join([*parts, said(f"PostgreSQL {target.server_version}")]))


def each_text(results: Sequence[R], render: Callable[[R, Style], str], style: Style) -> str:
    """What is said of several databases or schemas, each under its name."""
    titles = (style.bold(f"── {_title(each.target)}") for each in results)
    return "\n".join(f"{title}\n\n{render(each, style)}" for title, each in zip(titles, results, strict=True))


def _title(target: TargetSummary | None) -> str:
    if target is None:
        return ""
    return said(f"{name(target.database)}, schema {name(target.schema)}") if target.schema else name(target.database)


def warnings_of(result: Result, style: Style) -> list[str]:
    """One paragraph per warning."""
    return [indent(said(block(each)), 9, first=style.warn(said("warning")) + ": ") for each in result.warnings]


def page(*paragraphs: str | Sequence[str], style: Style) -> str:
    """Paragraphs with an empty line between them; empty ones are left out. Ends in a newline."""
    flat = [one for each in paragraphs for one in ([each] if isinstance(each, str) else each)]
    return style.finish("\n\n".join(each for each in flat if each) + "\n")


def columns(rows: Iterable[Sequence[str]], gap: int = 2) -> list[str]:
    """The rows as lines with aligned columns, without blanks at the end of a line."""
    table = [tuple(row) for row in rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))] if table else []
    return [
        (" " * gap).join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]


def error_text(error: ErrorReport, style: Style) -> str:
    """An error as people read it: what happened, why, where, the state of the database, what to do next."""
    width = max(len(said(label)) for label in ("why", "where", "state", "next")) + 1
    lines = [f"{style.bad(said('error'))}[{error.code}]: {style.bold(said(block(error.message)))}"]
    for label, value in (("why", error.why), ("where", _nearer(error.where)), ("state", error.state)):
        if value:
            lines.append(
                indent(said(block(value)), width + 3, first=f"  {style.dim((said(label) + ':').ljust(width))} ")
            )
    for number, command in enumerate(error.next, 1):
        label = f"{said('next')}:" if number == 1 else ""
        lines.append(f"  {style.dim(label.ljust(width))} {number}. {style.info(said(block(command)))}")
    return style.finish("\n".join(lines) + "\n")


def _nearer(where: str) -> str:
    """A place in the current folder without that folder's name."""
    return where.removeprefix(f"{Path.cwd()}/")


def revisions_text(revisions: Sequence[str]) -> str:
    """Revision ids for a sentence; the empty tuple is Alembic's ``base``."""
    return ", ".join(name(each) for each in revisions) or "base"
