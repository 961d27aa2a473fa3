"""Lint as text: the findings, what fails, how far back one can go, and a closing line."""

from __future__ import annotations

from db_migrate.language import said
from db_migrate.report.style import Style, block, count, indent, name
from db_migrate.report.text.findings import SourceLine, findings_text
from db_migrate.report.text.parts import page, revisions_text, warnings_of
from db_migrate.report.text.plan import revision_text, where_it_failed
from db_migrate.results import Lint, PlannedRevision


def lint_text(lint: Lint, style: Style, source_line: SourceLine, *, verbose: bool = False) -> str:
    """The findings, the worst first; with ``verbose`` before them what every statement did."""
    failing = [] if verbose else [each for each in lint.revisions if each.error]
    return page(
        [revision_text(each, style) for each in lint.revisions] if verbose else "",
        [_failure(each, style) for each in failing],
        findings_text(lint.findings, lint.revisions, source_line, style),
        _way_back(lint, style),
        warnings_of(lint, style),
        _verdict(lint, style),
        style=style,
    )


def _failure(revision: PlannedRevision, style: Style) -> str:
    first = said(f"{style.bad('✗')} {style.bold(name(revision.revision))} fails on scratch: ")
    text = indent(block(revision.error or ""), 4, first=first)
    return "\n".join([text, *(indent(each, 2) for each in where_it_failed(revision, style))])


def lint_exit_code(lint: Lint) -> int:
    """1 for a finding that counts, or a revision that fails."""
    return 1 if lint.counted or any(each.error for each in lint.revisions) else 0


def _way_back(lint: Lint, style: Style) -> str:
    way = lint.way_back
    if way is None or not lint.revisions:
        return ""
    to = revisions_text(way.to)
    if not way.stopped_by:
        return said(f"{style.good('✓')} every downgrade gives back what was there, down to {to}")
    first = said(f"{style.warn('⚠')} one can go down to {to}: the downgrade of {name(way.stopped_by)} ")
    return indent(said(block(way.why)), 4, first=first + said("fails or is not the inverse: "))


def _verdict(lint: Lint, style: Style) -> str:
    looked = said(
        f"{count(len(lint.revisions), 'revision or file', 'revisions or files')}, on PostgreSQL {lint.proved_on}"
    )
    if lint_exit_code(lint):
        failing = sum(1 for each in lint.revisions if each.error)
        parts = [said(f"{count(len(lint.counted), 'finding')} at or above {lint.fail_on}")]
        parts += [said(f"{failing} failing")] if failing else []
        return f"{style.bad('✗')} {style.bold(', '.join(parts))} ({looked})"
    return f"{style.good('✓')} {style.bold(said(f'nothing at or above {lint.fail_on}'))} ({looked})"
