"""Every rule's bad and good example, run for real: the rule fires on the one and is silent on the other."""

from __future__ import annotations

import os

import pytest
from rules_lab import Lab, known

from db_migrate.rules import Finding, RuleSettings, all_rules, judge
from db_migrate.rules.quiet import QUIET, Quiet
from db_migrate.rules.registry import Rule, Section

RULES = [each for each in all_rules() if not each.needs_facts]
NEEDING_FACTS = [each for each in all_rules() if each.needs_facts]
EVERYTHING = bool(os.environ.get("DB_MIGRATE_TEST_LONG"))
"""Else only the rules whose effects differ between versions are run on 15 as well."""


def _differs(rule: Rule) -> bool:
    return rule.versions != "all" or rule.section in (Section.ADD_COLUMN, Section.TYPE)


def _fires(lab: Lab, rule: Rule, example: str) -> list[Finding]:
    trace = lab.trace(example, prepared=rule.prepared)
    settings = RuleSettings(severities={rule.id: "on"}, runner=rule.runner)
    return [each for each in judge(trace, lab.no_facts, settings) if each.rule == rule.id and each.allowed is None]


def _runs_on(rule: Rule, lab: Lab) -> bool:
    return rule.since <= lab.scratch.server.version // 10000 <= rule.until


@pytest.mark.parametrize("rule", [r for r in RULES if r.until >= 18], ids=lambda rule: rule.id)
def test_the_bad_example_is_found_and_the_good_one_is_not(lab: Lab, rule: Rule) -> None:
    """On the embedded PostgreSQL."""
    found = _fires(lab, rule, rule.bad)
    assert found
    assert all(each.message and each.why and each.object for each in found)
    assert _fires(lab, rule, rule.good) == []


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.since <= 15 and (EVERYTHING or _differs(r))], ids=lambda rule: rule.id
)
def test_the_examples_hold_on_postgresql_15(lab15: Lab, rule: Rule) -> None:
    """The same judgement where the server is older."""
    assert _runs_on(rule, lab15)
    assert _fires(lab15, rule, rule.bad)
    assert _fires(lab15, rule, rule.good) == []


@pytest.mark.parametrize("quiet", QUIET, ids=lambda quiet: quiet.id)
def test_what_must_be_quiet_is_quiet(lab: Lab, quiet: Quiet) -> None:
    """A form that only looks dangerous raises none of the rules that it looks like."""
    trace = lab.trace(quiet.example)
    assert [each.error for each in trace.revisions] == [None]
    fired = {each.rule for each in judge(trace, lab.no_facts)}
    assert fired & set(quiet.not_by) == set()


@pytest.mark.parametrize("quiet", [each for each in QUIET if each.since <= 15], ids=lambda quiet: quiet.id)
def test_what_must_be_quiet_is_quiet_on_postgresql_15(lab15: Lab, quiet: Quiet) -> None:
    """The same where the server is older."""
    fired = {each.rule for each in judge(lab15.trace(quiet.example), lab15.no_facts)}
    assert fired & set(quiet.not_by) == set()


@pytest.mark.parametrize("rule", NEEDING_FACTS, ids=lambda rule: rule.id)
def test_rules_about_a_target_are_silent_without_one(lab: Lab, rule: Rule) -> None:
    """Nothing is claimed about rows, sizes or sessions that nobody has asked for."""
    assert _fires(lab, rule, rule.bad) == []


@pytest.mark.parametrize("rule", NEEDING_FACTS, ids=lambda rule: rule.id)
def test_rules_about_a_target_are_silent_on_their_good_example(lab: Lab, rule: Rule) -> None:
    """Also when the target is large, busy, followed by replicas and locked by others."""
    trace = lab.trace(rule.good)
    facts = known(lab, trace)
    assert [each for each in judge(trace, facts) if each.rule == rule.id] == []
