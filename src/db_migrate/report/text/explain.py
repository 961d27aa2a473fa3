"""Rules, lock modes and statements explained, for a terminal."""

from __future__ import annotations

from itertools import groupby

from db_migrate.report.rule_pages import SECTIONS
from db_migrate.report.style import Style, block, indent, name
from db_migrate.report.text.parts import columns, page, warnings_of
from db_migrate.report.text.plan import statement_text
from db_migrate.results import Explanation, LockPage, RulePage


def explanation_text(explanation: Explanation, style: Style) -> str:
    """What was asked for; of all rules, one line each by section."""
    if len(explanation.rules) > 1:
        return page(_index(explanation.rules, style), "next: db-migrate explain RULE", style=style)
    return page(
        [_rule(each, style) for each in explanation.rules],
        [_lock(each, style) for each in explanation.locks],
        [statement_text(each, style) for each in explanation.statements],
        f"{style.bad('✗')} fails: {block(explanation.fails)}" if explanation.fails else "",
        "\n".join(
            f"{style.bold(each.severity + '[' + each.rule + ']')}: {block(each.message)}"
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
                style.bold(f"{section}. {SECTIONS[section]}"),
                *(f"  {line}" for line in columns((each.rule, each.severity, each.catches) for each in members)),
            ]
        )
        for section, members in groupby(ordered, key=lambda each: each.section)
    ]


def _rule(rule: RulePage, style: Style) -> str:
    head = f"{style.bold(rule.rule)}  {style.dim(f'{rule.section}. {SECTIONS[rule.section]}')}"
    notes = [rule.severity]
    notes += [] if rule.on_by_default else ["off by default"]
    notes += ["silent without a target"] if rule.needs_facts else []
    notes += [f"PostgreSQL: {rule.versions}"] if rule.versions != "all" else []
    rows = (
        ("severity", ", ".join(notes)),
        ("catches", rule.catches),
        ("effect", rule.effect),
        ("why", rule.why),
        ("instead", rule.instead),
        ("found", rule.bad),
        ("not found", rule.good),
        ("allow", rule.allow),
    )
    return "\n".join(
        [
            head,
            *(
                indent(block(text), 13, first=f"  {style.dim((label + ':').ljust(10))} ")
                for label, text in rows
                if text
            ),
        ]
    )


def _lock(lock: LockPage, style: Style) -> str:
    waits = " and ".join(lock.blocks)
    shown = style.warn(f"{waits} wait") if waits else style.good("neither reads nor writes wait")
    return "\n".join(
        [
            f"{style.bold(lock.mode)}: {shown} while it is held",
            f"  {style.dim('excludes:')} {', '.join(lock.conflicts)}",
            *(f"  {style.dim('taken by:')} {name(each)}" for each in lock.taken_by),
        ]
    )
