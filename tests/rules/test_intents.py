"""Written intents: what they allow, what they do not, and when they should go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rules_lab import Lab, known

from db_migrate.errors import ConfigurationError, UsageError
from db_migrate.rules import Allowed, Finding, Intent, RuleSettings, Severity, judge
from db_migrate.rules.facts import Answer, TableFacts
from db_migrate.rules.intents import apply_intents
from db_migrate.rules.questions import questions

DROP = 'op.drop_column("users", "legacy_email")'


def _rule(findings: tuple[Finding, ...], rule: str) -> list[Finding]:
    return [each for each in findings if each.rule == rule]


@pytest.mark.parametrize(
    "name",
    ["drop-column:public.users.legacy_email", "drop-column:users.legacy_email", 'drop-column:"users".legacy_email'],
)
def test_an_intent_names_the_object_qualified_or_on_the_search_path(lab: Lab, name: str) -> None:
    """Either way the finding stays, with who allowed it and why."""
    trace = lab.trace(DROP)
    (found,) = _rule(judge(trace, lab.no_facts, allow=[Intent(name, "copied in 0012", "flag")]), "drop-column")
    assert found.allowed == Allowed("copied in 0012", "flag")
    assert not found.stops


def test_an_intent_for_another_object_allows_nothing(lab: Lab) -> None:
    """And the finding stops the run."""
    trace = lab.trace(DROP)
    intent = Intent("drop-column:public.users.nickname", "unread", "flag")
    findings = judge(trace, lab.no_facts, allow=[intent])
    (found,) = _rule(findings, "drop-column")
    assert found.stops
    assert [each.object for each in _rule(findings, "intent-stale")] == ["drop-column:public.users.nickname"]


def test_an_intent_in_the_file_is_only_for_its_revision(lab: Lab) -> None:
    """The same drop in another revision needs its own."""
    allowed = (
        f'db_migrate_allow = {{"drop-column:users.legacy_email": "unread"}}\n\ndef upgrade() -> None:\n    {DROP}\n'
    )
    back = 'op.add_column("users", sa.Column("legacy_email", sa.Text()))'
    trace = lab.trace(allowed, back, DROP.replace("legacy_email", "nickname"))
    allowances = {each.object: each.allowed for each in _rule(judge(trace, lab.no_facts), "drop-column")}
    assert allowances == {
        "public.users.legacy_email": Allowed("unread", "revision"),
        "public.users.nickname": None,
    }


@pytest.mark.parametrize(
    ("intent", "code"),
    [
        (Intent("drop-column:users.age", "  ", "flag"), "intent.reason"),
        (Intent("drop-column", "because", "flag"), "intent.name"),
    ],
)
def test_an_intent_without_reason_or_object_is_refused(lab: Lab, intent: Intent, code: str) -> None:
    """It says nothing that a reader could judge."""
    with pytest.raises(UsageError) as caught:
        judge(lab.trace(DROP), lab.no_facts, allow=[intent])
    assert caught.value.code == code


def test_a_name_in_two_schemas_of_the_search_path_is_ambiguous() -> None:
    """The error offers both qualified names."""
    findings = [
        (Finding("drop-column", Severity.ERROR, "r", 0, f"{schema}.users.age", "", "", "", "", 0), ())
        for schema in ("public", "app")
    ]
    intent = Intent("drop-column:users.age", "unread", "flag")
    with pytest.raises(UsageError) as caught:
        apply_intents(findings, [intent], ("app", "public"))
    assert caught.value.next == (
        "write it as drop-column:app.users.age",
        "write it as drop-column:public.users.age",
    )
    judged, _used = apply_intents(findings, [intent], ("public",))
    assert [each.allowed is not None for each in judged] == [True, False]


def test_an_intent_for_the_general_rule_allows_the_case(lab: Lab) -> None:
    """A rewrite may be allowed by its table, or by the column that causes it."""
    trace = lab.trace('op.alter_column("users", "balance", type_=sa.BigInteger())')
    column = Intent("change-type-rewrite:users.balance", "at night", "flag")
    findings = judge(trace, lab.no_facts, allow=[column])
    assert [each.allowed is not None for each in _rule(findings, "change-type-rewrite")] == [True]


def test_the_intent_for_the_drop_allows_the_loss(lab: Lab) -> None:
    """One sentence for one decision."""
    trace = lab.trace(DROP)
    (question,) = questions(trace)
    facts = known(lab, trace, answers={question.id: Answer(question.id, 12)})
    intent = Intent("drop-column:users.legacy_email", "unread since 4.2", "flag")
    findings = judge(trace, facts, allow=[intent])
    assert [each.stops for each in _rule(findings, "loses-data")] == [False]
    assert "12 values" in _rule(findings, "loses-data")[0].message


def test_a_misspelt_rule_is_reported(lab: Lab) -> None:
    """It would allow nothing, and nobody would notice."""
    intent = Intent("drop-colum:users.legacy_email", "unread", "flag")
    findings = judge(lab.trace(DROP), lab.no_facts, allow=[intent])
    (found,) = _rule(findings, "unused-or-unknown-suppression")
    assert found.message == "there is no rule called drop-colum"


def test_an_intent_for_the_downgrade_is_not_stale_on_the_way_up(lab: Lab) -> None:
    """A revision that makes a table may say that going back drops it."""
    trace = lab.trace(
        'db_migrate_allow = {"drop-table:public.tags": "made here"}\n\n'
        'def upgrade() -> None:\n    op.create_table("tags", sa.Column("name", sa.Text()))\n'
    )
    assert _rule(judge(trace, lab.no_facts), "intent-stale") == []


def test_an_intent_of_the_settings_may_be_idle(lab: Lab) -> None:
    """It is for many runs."""
    intent = Intent("drop-column:public.users.nickname", "unread", "settings")
    assert _rule(judge(lab.trace(DROP), lab.no_facts, allow=[intent]), "intent-stale") == []


def test_a_reason_that_is_no_longer_true_is_stale(lab: Lab) -> None:
    """``the table is empty`` is checked against the target."""
    trace = lab.trace('op.drop_table("audit")')
    intent = Intent("drop-table:audit", "the table is empty", "flag")
    full, empty = (TableFacts("public.audit", rows, True, 8192, 8192) for rows in (5, 0))
    facts = known(lab, trace)
    stale = judge(trace, replace(facts, tables={"public.audit": full}), allow=[intent])
    assert [each.rule for each in stale if each.rule == "intent-stale"] == ["intent-stale"]
    assert _rule(judge(trace, replace(facts, tables={"public.audit": empty}), allow=[intent]), "intent-stale") == []


def test_severities_come_from_the_settings(lab: Lab) -> None:
    """Off is silent, a severity is used as it is, and nonsense is refused."""
    trace = lab.trace(DROP)
    off = RuleSettings(severities={"drop-column": "off"})
    note = RuleSettings(severities={"drop-column": "note"})
    assert _rule(judge(trace, lab.no_facts, off), "drop-column") == []
    assert [each.severity for each in _rule(judge(trace, lab.no_facts, note), "drop-column")] == [Severity.NOTE]
    with pytest.raises(ConfigurationError):
        judge(trace, lab.no_facts, RuleSettings(severities={"drop-column": "loud"}))


def test_findings_come_in_the_order_of_the_statements(lab: Lab) -> None:
    """The same every time, the worst first within a statement."""
    trace = lab.trace(f'op.alter_column("users", "balance", type_=sa.BigInteger())\n{DROP}')
    findings = [each for each in judge(trace, lab.no_facts) if each.statement is not None]
    ranks = [(each.statement, list(Severity).index(each.severity), each.rule) for each in findings]
    assert ranks == sorted(ranks, key=lambda rank: (rank[0] or 0, rank[1], rank[2]))
