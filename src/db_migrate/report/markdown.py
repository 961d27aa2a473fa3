"""Plan and drift for a pull request: tables a reviewer reads in a minute, and a diagram of the changed tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from db_migrate.catalog.change import Change
from db_migrate.report.mermaid import changes_mermaid
from db_migrate.report.source import place
from db_migrate.report.style import Style, block, count, name, size
from db_migrate.report.text.changes import value_text
from db_migrate.report.text.parts import revisions_text
from db_migrate.report.text.plan import lock_timeouts, stopped_by
from db_migrate.report.timeline import gantt
from db_migrate.results import Comparison, Drift, Lint, Plan, PlannedRevision, PlannedStatement, WayBack
from db_migrate.rules.finding import Finding

_MOST_REVISIONS = 20


def plan_markdown(plan: Plan, _style: Style) -> str:
    """Verdict, findings, what every statement does, and the diagram of the tables that change."""
    way = f"{revisions_text(plan.current)} → {revisions_text(plan.destination)}"
    stops = stopped_by(plan)
    verdict = f"**Refused:** {', '.join(code(each) for each in stops)}" if stops else "**Can be applied.**"
    changes = [change for each in plan.revisions for s in each.statements for change in s.effects.changes]
    parts = [
        f"## Migration plan: {plan.direction} {cell(way)}",
        verdict if plan.revisions else "**Nothing to do.**",
        _findings(plan.findings),
        *(_revision(each) for each in plan.revisions),
        _kept(plan),
        _timeline(plan),
        diagram(changes),
        f"<sub>plan {code(plan.hash[:16])}, proved on {cell(plan.proved_on)}{_waiting(plan)}</sub>",
    ]
    return "\n\n".join(each for each in parts if each) + "\n"


def _waiting(plan: Plan) -> str:
    limits = lock_timeouts(plan)
    return f", lock_timeout {cell(limits)}" if limits else ""


def lint_markdown(lint: Lint, _style: Style) -> str:
    """Verdict, findings, what fails, how far back one can go, and what each revision with a finding did."""
    counted, failing = lint.counted, [each for each in lint.revisions if each.error]
    found = {each.revision for each in lint.findings}
    bad = f"**{count(len(counted), 'finding')} at or above {lint.fail_on}.**" if counted else ""
    changes = [
        c for each in lint.revisions if each.revision in found for s in each.statements for c in s.effects.changes
    ]
    shown = [each for each in lint.revisions if each.revision in found or each.error]
    parts = [
        f"## Migration lint: {count(len(lint.revisions), 'revision')}",
        bad or (f"**Nothing at or above {lint.fail_on}.**" if not failing else ""),
        *(f"**{code(each.revision)} fails on scratch:** {cell(each.error or '')}" for each in failing),
        _findings(lint.findings),
        _way_back(lint.way_back),
        *(f"> warning: {cell(each)}" for each in lint.warnings),
        *(_revision(each) for each in shown[:_MOST_REVISIONS]),
        f"{len(shown) - _MOST_REVISIONS} more revisions are left out." if len(shown) > _MOST_REVISIONS else "",
        _timeline(replace(lint, revisions=tuple(shown[:_MOST_REVISIONS]))),
        diagram(changes),
        f"<sub>proved on PostgreSQL {cell(lint.proved_on)}, without a target</sub>",
    ]
    return "\n\n".join(each for each in parts if each) + "\n"


def _way_back(way: WayBack | None) -> str:
    if way is None:
        return ""
    to = cell(revisions_text(way.to))
    if not way.stopped_by:
        return f"Every downgrade gives back what was there, down to {to}."
    return f"**One can go down to {to}:** the downgrade of {code(way.stopped_by)} is no way back: {cell(way.why)}"


def _timeline(plan: Plan) -> str:
    drawn = gantt(plan.revisions)
    return fence(drawn, "mermaid") if drawn else ""


def drift_markdown(drift: Drift, _style: Style) -> str:
    """One table of changes for each comparison, with a diagram of the tables that differ."""
    warnings = [f"> warning: {cell(each)}" for each in drift.warnings]
    parts = ["## Drift", *(_comparison(each) for each in drift.comparisons), *warnings]
    return "\n\n".join(parts) + "\n"


def _comparison(comparison: Comparison) -> str:
    title = f"### {cell(comparison.source)} → {cell(comparison.to)}"
    acknowledged = "\n".join(
        f"- acknowledged: {cell(each.change.kind.replace('_', ' '))} {code(each.change.object)}: {cell(each.reason)}"
        for each in comparison.acknowledged
    )
    if not comparison.changes:
        none = "No difference that is not acknowledged." if acknowledged else "No difference."
        return "\n\n".join(each for each in (title, none, acknowledged) if each)
    rows = [
        (
            cell(each.kind.replace("_", " ")),
            code(each.object),
            each.action.value,
            _attributes(each),
            cell(each.explanation),
        )
        for each in comparison.changes
    ]
    listed = table(("kind", "object", "action", "what", "why it matters"), rows)
    return "\n\n".join(each for each in (title, listed, acknowledged, diagram(comparison.changes)) if each)


def _attributes(change: Change) -> str:
    if change.from_object:
        return f"was {code(change.from_object)}"
    return "<br>".join(
        f"{cell(each.name)}: {code(value_text(each.from_))} → {code(value_text(each.to))}" for each in change.attributes
    )


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    rows = [
        (
            each.severity.value + (" (allowed)" if each.allowed else ""),
            code(each.rule),
            code(each.object),
            cell(each.message),
            code(place(each.file, each.line)),
        )
        for each in findings
    ]
    return table(("severity", "rule", "object", "what", "where"), rows)


def _revision(revision: PlannedRevision) -> str:
    title = f"### {cell(revision.revision)} {cell(revision.message)}"
    rows = [
        (str(number), code(_first_line(each)), _effects(each))
        for number, each in enumerate(revision.statements, 1)
        if not each.only_looks
    ]
    listed = table(("#", "statement", "effects"), rows) if rows else "No statements."
    sql = "\n".join(each.sql.strip().rstrip(";") + ";" for each in revision.statements if not each.only_looks)
    details = f"<details><summary>SQL</summary>\n\n{fence(sql, 'sql')}\n\n</details>" if rows else ""
    failed = f"**Fails on scratch:** {cell(revision.error)}" if revision.error else ""
    back = ""
    if revision.downgrade:
        back = "Downgrade: proved." if revision.downgrade.proved else "Downgrade: **not** proved."
    return "\n\n".join(each for each in (title, failed, listed, back, details) if each)


def _first_line(statement: PlannedStatement) -> str:
    first, *rest = statement.sql.strip().split("\n", 1)
    return first[:120] + (" …" if rest or len(first) > 120 else "")


def _effects(statement: PlannedStatement) -> str:
    effects = statement.effects
    lines = [f"locks {code(x.relation)} ({x.mode}): {' and '.join(x.blocks)} wait" for x in effects.locks if x.blocks]
    lines += [f"rewrites {code(each.relation)}" for each in effects.rewrites]
    lines += [f"builds {code(each.index)}" for each in effects.index_builds]
    lines += [f"scans {code(each)}" for each in effects.scans]
    lines += [f"writes to {code(each)}" for each in effects.writes]
    lines += [f"**drops** {code(each)}" for each in effects.dropped]
    return "<br>".join(lines)


def _kept(plan: Plan) -> str:
    rows = [
        (
            code(each.object),
            each.strategy,
            "" if each.rows is None else count(each.rows, "row"),
            "" if each.bytes is None else size(each.bytes),
        )
        for each in plan.kept
    ]
    return "### Would be kept\n\n" + table(("object", "how", "rows", "size"), rows) if rows else ""


def diagram(changes: Iterable[Change]) -> str:
    """The Mermaid diagram of changed tables in its fence, or an empty text."""
    drawn = changes_mermaid(changes)
    return fence(drawn, "mermaid") if drawn else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """A text that is nothing but text inside a table."""
    escaped = name(" ".join(text.split())).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for mark in "|`*_[]":
        escaped = escaped.replace(mark, "\\" + mark)
    return escaped


def code(text: str) -> str:
    """A text in a code span inside a table."""
    shown = name(text).replace("|", "\\|")
    ticks = "`"
    while ticks in shown:
        ticks += "`"
    room = " " if len(ticks) > 1 else ""
    return f"{ticks}{room}{shown}{room}{ticks}" if shown else ""


def fence(text: str, language: str) -> str:
    """A code block whose fence is longer than any in the text."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{language}\n{block(text)}\n{ticks}"
