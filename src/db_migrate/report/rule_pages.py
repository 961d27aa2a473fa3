"""Rules and locks as pages: Markdown for the manual, text for the terminal; the names of the sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from db_migrate.report.markdown import cell, code, fence
from db_migrate.report.style import Style
from db_migrate.results import Explanation, LockPage, RulePage

SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "A": "Adding columns",
        "B": "Dropping and renaming",
        "C": "Types and nullability",
        "D": "Constraints",
        "E": "Indexes",
        "F": "Transactions, locks, timeouts",
        "G": "Enums, views, partitions, triggers, storage",
        "H": "Security and privileges",
        "I": "Policy: off until the settings name them",
        "J": "Process and reversibility",
        "K": "Data and the running release",
    }
)


_INTRODUCTION = """\
Made by `make docs` from the rules themselves; the tests run every example. `db-migrate explain RULE` prints one.

A finding is allowed by an intent with a reason: in the revision that it is about, by `--allow RULE:OBJECT`, or for the
whole project by the setting `allow."RULE:OBJECT"`. The setting `rules.RULE` is `off`, `note`, `warning` or `error`, and
`on` for a rule that is off by default."""


def explanation_markdown(explanation: Explanation, _style: Style) -> str:
    """The pages that were asked for."""
    from db_migrate.report.text.explain import explanation_text

    if explanation.statements or explanation.fails:
        return fence(explanation_text(explanation, Style()).rstrip(), "text") + "\n"
    parts = [rule_markdown(each) for each in explanation.rules] + [lock_markdown(each) for each in explanation.locks]
    return "\n\n".join(parts) + "\n"


def manual(rules: Sequence[RulePage], locks: Sequence[LockPage]) -> str:
    """The whole page of the manual: a table of contents by section, each rule, each lock mode."""
    parts = ["# Rules", _INTRODUCTION]
    for section, title in SECTIONS.items():
        own = [each for each in rules if each.section == section]
        names = ", ".join(f"[{each.rule}](#{each.rule})" for each in own)
        parts += [f"## {section}. {title}", names, *(rule_markdown(each) for each in own)]
    parts += ["## Locks", *(lock_markdown(each) for each in locks)]
    return "\n\n".join(parts) + "\n"


def rule_markdown(rule: RulePage) -> str:
    """One rule."""
    facts = [f"severity: {rule.severity}"]
    facts += [] if rule.on_by_default else ["off by default"]
    facts += ["silent without a target"] if rule.needs_facts else []
    facts += [f"PostgreSQL: {cell(rule.versions)}"] if rule.versions != "all" else []
    rows = (
        ("catches", rule.catches),
        ("effect", rule.effect),
        ("why it matters", rule.why),
        ("instead", rule.instead),
    )
    parts = [f"### {rule.rule}", " · ".join(facts)]
    parts += ["\n".join(f"- **{label}:** {cell(text)}" for label, text in rows if text)]
    parts += ["Found:", fence(rule.bad, "python"), "Not found:", fence(rule.good, "python")] if rule.bad else []
    return "\n\n".join([*parts, f"Allow it with {code(rule.allow)}."])


def lock_markdown(lock: LockPage) -> str:
    """One lock mode."""
    waits = " and ".join(lock.blocks) or "neither reads nor writes"
    taken = "\n".join(f"- {cell(each)}" for each in lock.taken_by)
    return (
        f"### {lock.mode}\n\nWhile it is held: **{waits} wait**. It excludes {', '.join(lock.conflicts)}.\n\n"
        f"Taken by:\n\n{taken}"
    )
