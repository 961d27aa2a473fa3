"""Findings as rustc and ruff show them: what, where, the line of Python and the SQL it ran, why, what to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from db_migrate.language import said, said_beside_code
from db_migrate.report.source import place
from db_migrate.report.style import Style, block, count, indent, name
from db_migrate.results import PlannedRevision
from db_migrate.rules.finding import Finding, Severity

SourceLine = Callable[[str, int], str]
"""The text of one line of a file, or an empty text where there is none."""


def finding_text(finding: Finding, sql: str, source_line: SourceLine, style: Style, like: str = "") -> str:
    """One finding. ``sql`` is the statement it is about, empty when it is about the revision itself.

    ``like`` is the rule of a finding before it, about the same statement, that advises the same.
    """
    paint = {Severity.ERROR: style.bad, Severity.WARNING: style.warn, Severity.NOTE: style.info}[finding.severity]
    head = f"{paint(finding.severity)}[{finding.rule}]: {style.bold(said(block(finding.message)))}"
    if finding.allowed:
        head += f" {style.good(said('(allowed)'))}"
    number = str(finding.line) if finding.line else ""
    gutter = " " * max(len(number), 2)
    lines = [head]
    if finding.file:
        lines.append(f"{gutter}{style.info('-->')} {place(finding.file, finding.line)}")
        shown = source_line(finding.file, finding.line) if finding.line else ""
        if shown:
            bar = style.info("│")
            lines += [
                f"{gutter} {bar}",
                f"{style.info(number.rjust(len(gutter)))} {bar} {name(shown)}",
                f"{gutter} {bar}",
            ]
    width = max(len(said(label)) for label in _LABELS) + 1
    for label, text in _notes(finding, sql, like):
        first = f"{gutter} = {style.bold((said(label) + ':').ljust(width))} "
        lines.append(indent(block(text), len(gutter) + width + 4, first=first))
    return "\n".join(lines)


_LABELS = ("sql", "why", "write", "allow")


def _notes(finding: Finding, sql: str, like: str) -> list[tuple[str, str]]:
    if finding.allowed:
        return [("allow", said(f"{finding.allowed.reason} (in the {finding.allowed.by})"))]
    notes = [
        ("sql", sql.strip()),
        ("why", said(finding.why)),
        ("write", said(f"as for {like} above") if like else said_beside_code(finding.fix)),
    ]
    if finding.severity is Severity.ERROR:
        flag = f"--allow '{finding.name}'"
        written = said(f'db_migrate_allow = {{"{finding.name}": "the reason"}}  in the revision')
        notes.append(("allow", flag if finding.name in finding.fix else said(f"{written}\nor {flag}")))
    return [(label, text) for label, text in notes if text]


def findings_text(
    findings: Sequence[Finding], revisions: Sequence[PlannedRevision], source_line: SourceLine, style: Style
) -> str:
    """All findings, the worst first, closed by a line with totals; empty without any."""
    if not findings:
        return ""
    rank = list(Severity)
    statements = {(each.revision, index): s.sql for each in revisions for index, s in enumerate(each.statements)}
    ordered = sorted(findings, key=lambda each: (each.allowed is not None, rank.index(each.severity)))
    texts, told = [], dict[tuple[str, int | None, str], str]()
    for each in ordered:
        sql = statements.get((each.revision, each.statement or 0), "") if each.statement is not None else ""
        like = told.setdefault((each.revision, each.statement, each.fix), each.rule) if "\n" in each.fix else each.rule
        texts.append(finding_text(each, sql, source_line, style, like if like != each.rule else ""))
    return "\n\n".join([*texts, totals(findings, style)])


def totals(findings: Sequence[Finding], style: Style) -> str:
    """``1 error, 2 warnings; 1 allowed``."""
    open_ones = [each.severity for each in findings if each.allowed is None]
    sums = [count(open_ones.count(severity), severity.value) for severity in Severity if severity in open_ones]
    allowed = len(findings) - len(open_ones)
    parts = [", ".join(sums)] if sums else []
    parts += [said(f"{allowed} allowed")] if allowed else []
    shown = "; ".join(parts)
    return style.bad(shown) if Severity.ERROR in open_ones else style.bold(shown)
