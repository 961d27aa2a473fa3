"""Rules, lock modes and statements explained, for a terminal."""

from __future__ import annotations

from itertools import groupby

from db_migrate.language import said
from db_migrate.report.rule_pages import SECTIONS
from db_migrate.report.style import Style, block, indent, name
from db_migrate.report.text.parts import columns, page, warnings_of
from db_migrate.report.text.plan import statement_text
from db_migrate.results import Explanation, LockPage, RulePage


def explanation_text(explanation: Explanation, style: Style) -> str:
    """What was asked for; of all rules, one line each by section."""
    if len(explanation.rules) > 1:
        return page(_index(explanation.rules, style), said("next: db-migrate explain RULE"), style=style)
    return page(
        [_rule(each, style) for each in explanation.rules],
        [_lock(each, style) for each in explanation.locks],
        [statement_text(each, style) for each in explanation.statements],
        said(f"{style.bad('✗')} fails: {block(explanation.fails)}") if explanation.fails else "",
        "\n".join(
            f"{style.bold(each.severity + '[' + each.rule + ']')}: {said(block(each.message))}"
            for each in explanation.findings
        ),
        warnings_of(explanation, style),
        style=style,
    )


def _index(rules: tuple[RulePage, ...], style: Style) -> list[str]:
    ordered = sorted(rules, key=lambda each: each.section)
    return [
        "\n".join(
            [
                style.bold(f"{section}. {said(SECTIONS[section])}"),
                *(f"  {line}" for line in columns((each.rule, each.severity, said(each.catches)) for each in members)),
            ]
        )
        for section, members in groupby(ordered, key=lambda each: each.section)
    ]


def _rule(rule: RulePage, style: Style) -> str:
    head = f"{style.bold(rule.rule)}  {style.dim(f'{rule.section}. {said(SECTIONS[rule.section])}')}"
    notes = [rule.severity]
    notes += [] if rule.on_by_default else [said("off by default")]
    notes += [said("silent without a target")] if rule.needs_facts else []
    notes += [f"PostgreSQL: {said(rule.versions)}"] if rule.versions != "all" else []
    rows = (
        (said("severity"), ", ".join(notes)),
        (said("catches"), said(rule.catches)),
        (said("effect"), said(rule.effect)),
        (said("why"), said(rule.why)),
        (said("instead"), said(rule.instead)),
        (said("found"), rule.bad),
        (said("not found"), rule.good),
        (said("allow"), said(rule.allow)),
    )
    width = max(len(label) for label, _ in rows) + 1
    return "\n".join(
        [
            head,
            *(
                indent(block(text), width + 3, first=f"  {style.dim((label + ':').ljust(width))} ")
                for label, text in rows
                if text
            ),
        ]
    )


def _lock(lock: LockPage, style: Style) -> str:
    waits = said(" and ").join(said(each) for each in lock.blocks)
    shown = style.warn(said(f"{waits} wait")) if waits else style.good(said("neither reads nor writes wait"))
    return "\n".join(
        [
            said(f"{style.bold(lock.mode)}: {shown} while it is held"),
            f"  {style.dim(said('excludes:'))} {', '.join(lock.conflicts)}",
            *(f"  {style.dim(said('taken by:'))} {said(name(each))}" for each in lock.taken_by),
        ]
    )
