"""``explain``: a rule, a lock mode, or what a statement does, which is tried on scratch."""

from __future__ import annotations

from difflib import get_close_matches

from db_migrate.config import Settings
from db_migrate.errors import UsageError
from db_migrate.plan.lint import LintRequest, lint_files
from db_migrate.postgres.server import scratch_server
from db_migrate.results import Explanation, LockPage, RulePage
from db_migrate.rules.judge import all_rules
from db_migrate.rules.locks import CONFLICTS, TAKEN_BY, find_mode
from db_migrate.rules.registry import Rule
from db_migrate.trace.effects import LockMode
from db_migrate.trace.grammar import UNREADABLE, sort_of
from db_migrate.trace.script import ScriptFile

_STATEMENT = "statement"
_MISSING = "missing-object"


def explain(topic: str, settings: Settings) -> Explanation:
    """The page about a topic; all rules for an empty one.

    Raises UsageError (``explain.unknown``) for what is neither a rule nor a lock mode nor SQL.
    """
    if not topic.strip():
        return Explanation(rules=rule_pages())
    rule = next((each for each in rule_pages() if each.rule == topic.strip()), None)
    if rule is not None:
        return Explanation(rules=(rule,))
    mode = find_mode(topic)
    if mode is not None:
        return Explanation(locks=(lock_page(mode),))
    if UNREADABLE in sort_of(topic).nodes or not sort_of(topic).nodes:
        raise _unknown(topic)
    return _statement(topic, settings)


def rule_pages() -> tuple[RulePage, ...]:
    """A page for every rule, in the order of the manual."""
    return tuple(_page(each) for each in all_rules())


def lock_pages() -> tuple[LockPage, ...]:
    """A page for every lock mode, the weakest first."""
    return tuple(lock_page(mode) for mode in LockMode)


def lock_page(mode: LockMode) -> LockPage:
    """The page of one lock mode."""
    return LockPage(mode.value, mode.blocks, tuple(each.value for each in CONFLICTS[mode]), TAKEN_BY[mode])


def _page(rule: Rule) -> RulePage:
    return RulePage(
        rule=rule.id,
        section=rule.section.value,
        severity=rule.severity.value,
        on_by_default=rule.on_by_default,
        needs_facts=rule.needs_facts,
        versions=rule.versions,
        catches=rule.catches,
        effect=rule.effect,
        why=rule.why,
        instead=rule.instead,
        bad=rule.bad,
        good=rule.good,
        allow=f'db_migrate_allow = {{"{rule.id}:OBJECT": "the reason"}}',
    )


def _statement(text: str, settings: Settings) -> Explanation:
    with scratch_server(settings.scratch_major) as server:
        lint = lint_files(server, [ScriptFile(_STATEMENT, "", text)], (), None, LintRequest(settings))
    (revision,) = lint.revisions
    made_up = tuple(each.message for each in lint.findings if each.rule == _MISSING)
    return Explanation(
        statements=revision.statements,
        findings=tuple(each for each in lint.findings if each.rule != _MISSING),
        fails=revision.error or "",
        warnings=(*lint.warnings, *made_up),
    )


def _unknown(topic: str) -> UsageError:
    names = [*(each.rule for each in rule_pages()), *(mode.value.lower() for mode in LockMode)]
    near = get_close_matches(topic.lower(), names, n=2)
    return UsageError(
        "explain.unknown",
        f"{topic!r} is no rule, no lock mode and no statement that PostgreSQL can read",
        why=f"did you mean {', '.join(near)}?" if near else "",
        next=[*(f"db-migrate explain {each}" for each in near), "db-migrate explain"],
    )
