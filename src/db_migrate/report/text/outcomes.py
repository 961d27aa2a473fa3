"""What verify, stamp and test found."""

from __future__ import annotations

from collections.abc import Sequence

from db_migrate.language import said
from db_migrate.report.style import Style, count, name
from db_migrate.report.text.changes import changes_text
from db_migrate.report.text.parts import page, revisions_text, target_line, warnings_of
from db_migrate.results import Problem, ReportData, Stamp, TestRun, Verify


def verify_text(verify: Verify, style: Style) -> str:
    """Every problem with the command that ends it, or that all is well."""
    return page(
        target_line(verify.target, style),
        problems_text(verify.problems, style),
        warnings_of(verify, style),
        style=style,
    )


def problems_text(problems: Sequence[Problem], style: Style) -> str:
    """The problems as a list, closed by their number."""
    if not problems:
        return said(f"{style.good('✓')} {style.bold(said('verified'))}: the database is what it should be")
    lines = []
    for each in problems:
        code = style.dim(f"[{each.code}]")
        lines.append(f"{style.bad('✗')} {style.bold(name(each.object))}: {said(name(each.message))} {code}")
        if each.command:
            lines.append(said(f"    next: {style.info(name(each.command))}"))
    return "\n".join([*lines, "", style.bad(count(len(problems), "problem"))])


def report_text(report: ReportData, style: Style) -> str:
    """Where the page is, and what is not in it."""
    left_out = [f"{style.warn('!')} {said(name(each))}" for each in report.problems]
    written = f"{style.good('✓')} {style.bold(name(report.file))}"
    return page(target_line(report.target, style), "\n".join([*left_out, written]), style=style)


def stamp_text(stamp: Stamp, style: Style) -> str:
    """What the version table said and says now, and how the schema differs from that revision's."""
    way = f"{revisions_text(stamp.from_)} → {revisions_text(stamp.to)}"
    differences = ""
    if stamp.differences:
        differences = said(f"the schema differs from that revision's:\n{changes_text(stamp.differences, style)}")
    return page(
        target_line(stamp.target, style),
        f"{style.good('✓')} {style.bold(said('stamped'))} {way}",
        differences,
        warnings_of(stamp, style),
        style=style,
    )


def selection_text(run: TestRun, style: Style) -> str:
    """Which tests ran for which tables, and how they ended."""
    lines = [said(f"tables that change: {', '.join(name(each) for each in run.tables) or 'none'}")]
    for path in run.selected:
        because = ", ".join(name(each) for each in run.reason.get(path, ()))
        lines.append(f"  {name(path)}{style.dim(said(f'  because of {because}')) if because else ''}")
    if not run.selected:
        lines.append(said(f"{style.good('✓')} {style.bold(said('no test touches them'))}: nothing was run"))
        return page(target_line(run.target, style), "\n".join(lines), warnings_of(run, style), style=style)
    failed = bool(run.failed or run.exit_code)
    sums = said(f"{run.passed} passed, {run.failed} failed")
    verdict = f"{style.bad('✗')} {style.bold(sums)}" if failed else f"{style.good('✓')} {style.bold(sums)}"
    return page(
        target_line(run.target, style),
        "\n".join(lines),
        style.dim(said(f"ran: {name(run.command)}")),
        verdict,
        warnings_of(run, style),
        style=style,
    )
