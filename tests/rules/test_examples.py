"""Every rule's bad and good example, run for real: the rule fires on the one and is silent on the other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
from following import follow, found
from rules_lab import Lab, known
from tests.language.left import left_in_english, prose

from db_migrate.language import said, said_beside_code, speaking
from db_migrate.postgres.session import connect
from db_migrate.rules import Finding, RuleSettings, all_rules, judge
from db_migrate.rules.finding import Severity
from db_migrate.rules.quiet import QUIET, Quiet
from db_migrate.rules.registry import Rule, Section

RULES = [each for each in all_rules() if not each.needs_facts]
NEEDING_FACTS = [each for each in all_rules() if each.needs_facts]
EVERYTHING = bool(os.environ.get("DB_MIGRATE_TEST_LONG"))
"""Else only the rules whose effects differ between versions are run on 15 as well."""

PASTED = RULES if EVERYTHING else [*RULES[::3], *(each for each in RULES if each.section is Section.ADD_COLUMN)]
"""The rules whose advice is pasted into their bad example and run."""


NO_CODE = {
    "syntax-error": "what was meant, only its author knows",
    "missing-object": "what was meant, only its author knows",
    "index-corruption-version": "the server has to be updated",
    "model-removed-before-drop": "what is to be left out is named; the models are the application's",
    "not-deterministic": "what it should have been, only its author knows",
    "multiple-heads": "it is a command, which makes a file",
}
"""Rules whose advice is no code for a revision, and why."""

STILL_SAID = {
    "blocked-right-now": "of a session, which a revision cannot end",
    "would-fail-on-data": "of rows: which ones are to be corrected is asked, and to what only people know",
}
"""Rules that say what they said although the advice was followed, and why."""

OTHER_ENDS = {
    "add-column-constrained-domain": "a CHECK instead of the domain",
    "add-column-generated-stored": "computed when read",
    "add-column-json": "another type",
    "add-column-not-null-no-default": "with a default",
    "autovacuum-off": "not off",
    "ban-char": "another type",
    "cascade-blast-radius": "another action on delete",
    "change-collation": "an index instead",
    "change-type-narrowing": "a CHECK instead",
    "change-type-recheck-constraint": "another column for now",
    "change-type-rewrite": "another column for now",
    "check-volatile-expression": "a trigger instead",
    "column-alignment": "another order of columns",
    "composite-type-or-extension-change": "another type beside it",
    "concurrently-in-transaction": "the bad example fails",
    "constraint-never-validated": "validated",
    "constraint-not-enforced": "enforced",
    "detach-partition": "CONCURRENTLY leaves a CHECK that says what the bounds said",
    "domain-constraint": "not valid for now",
    "drop-column-breaks-dependents": "the bad example fails",
    "drop-constraint-backing-index": "the bad example fails",
    "duplicate-column-assignment": "the bad example fails",
    "enum-value-used-same-tx": "the bad example fails",
    "forbidden-types-columns-comments": "another type, and a comment",
    "foreign-key-deferrable": "deferrable",
    "foreign-key-nullable": "not NULL",
    "foreign-key-on-delete-review": "an action on delete",
    "foreign-key-without-index": "with an index",
    "headroom": "another column for now",
    "identifier-too-long": "the name as it was cut",
    "index-duplicate-column": "fewer columns",
    "index-redundant": "no index",
    "index-too-many-columns": "fewer columns",
    "index-type-fit": "another kind of index",
    "left-invalid": "valid",
    "left-not-valid": "validated",
    "naming-convention": "another name",
    "partition-key-not-in-pk": "the bad example fails",
    "prefer-bigint": "another type",
    "prefer-identity": "an identity",
    "prefer-text": "another type",
    "prefer-timestamptz": "another type",
    "rename-column": "both columns for now",
    "rename-enum-value": "both labels",
    "rename-or-move-schema": "a view under the old name",
    "rename-table": "a view under the old name",
    "replace-view": "both views",
    "require-primary-key": "with a key",
    "rewrite-disk-headroom-and-replica-lag": "another column for now",
    "rewrite-under-lock": "another column for now",
    "security-definer-search-path": "with a search_path",
    "toast-compression": "another compression",
    "vacuum-full-cluster": "CLUSTER remembers its index",
}
"""Rules whose advice ends in another schema than the bad example, and in which. All others only go another way."""

BRINGS = {
    "check-volatile-expression": {"create-trigger"},
    "drop-constraint-backing-index": {"drop-constraint", "drop-primary-key"},
}
"""Warnings of other rules about what is advised: the same thing by its right name."""

BY_NATURE = {
    "add-primary-key": {"unique-on-existing-data"},
    "add-unique-constraint": {"unique-on-existing-data"},
    "combine-alter-table": {"set-not-null-scan"},
    "data-change-needs-analyze": {"update-delete-without-where"},
    "drop-cascade": {"drop-default", "drop-view-function-sequence"},
    "drop-table": {"rename-table"},
    "locks-beyond-the-named-table": {"drop-constraint"},
    "primary-key-nullable-column": {"unique-on-existing-data"},
}
"""Warnings of other rules about a good example: what somebody has to decide, in whatever form it is written."""

ON_15 = {
    "add-column-generated-stored": "has no VIRTUAL before 18",
    "deterministic-collation-fk": "is refused from 18 on",
    "toast-compression": "the embedded server is built without lz4",
}
"""Rules whose advice is followed on PostgreSQL 15, and why."""


def _differs(rule: Rule) -> bool:
    return rule.versions != "all" or rule.section in (Section.ADD_COLUMN, Section.TYPE)


def _fires(lab: Lab, rule: Rule, example: str) -> list[Finding]:
    return [each for each in _said(lab, rule, example) if each.rule == rule.id]


def _said(lab: Lab, rule: Rule, example: str) -> list[Finding]:
    """What all rules say of one's example."""
    trace = lab.trace(example, prepared=rule.prepared)
    settings = RuleSettings(severities={rule.id: "on"}, runner=rule.runner)
    return [each for each in judge(trace, lab.no_facts, settings) if each.allowed is None]


def _runs_on(rule: Rule, lab: Lab) -> bool:
    return rule.since <= lab.scratch.server.version // 10000 <= rule.until


@pytest.mark.parametrize("rule", [r for r in RULES if r.until >= 18], ids=lambda rule: rule.id)
def test_the_bad_example_is_found_and_the_good_one_is_not(lab: Lab, rule: Rule) -> None:
    """On the embedded PostgreSQL."""
    fired = _fires(lab, rule, rule.bad)
    assert fired
    _is_said_in_russian(fired, rule)
    assert all(each.message and each.why and each.object for each in fired)
    _is_good_example(rule, _said(lab, rule, rule.good))
    if rule in PASTED and rule.id != "toast-compression":
        _is_good_advice(lab, rule)


def _is_good_example(rule: Rule, findings: Sequence[Finding]) -> None:
    """Whoever copies it is not warned of another thing instead."""
    warned = {each.rule for each in findings if each.severity in (Severity.ERROR, Severity.WARNING)}
    assert rule.id not in {each.rule for each in findings}
    assert warned == BY_NATURE.get(rule.id, set())


def _is_said_in_russian(findings: Sequence[Finding], rule: Rule) -> None:
    """Nothing of a finding stays English where it is printed, but names, SQL, code, and what PostgreSQL says."""
    with speaking("ru"):
        for each in findings:
            told = [said(each.why), prose(said_beside_code(each.fix))]
            told += [said(each.message)] if rule.id != "missing-object" else []
            assert left_in_english("\n".join(told), f"{rule.prepared} {rule.bad}") == [], each


def _is_good_advice(lab: Lab, rule: Rule) -> None:
    """What the bad example's findings say, pasted into it: it runs, both ways, and nobody finds anything worse."""
    trace = lab.trace(rule.bad, prepared=rule.prepared)
    findings = found(lab, rule, trace)
    assert findings
    _is_said_in_russian(findings, rule)
    assert all((each.fix == rule.instead) <= (rule.id in NO_CODE) for each in findings)
    if rule.id in NO_CODE:
        return
    followed = follow(lab, rule, trace, findings)
    assert followed.errors == ()
    assert bool(followed.said) == (rule.id in STILL_SAID), followed.source
    assert followed.worse <= BRINGS.get(rule.id, set())
    assert followed.kept == ()
    assert (followed.changed == ()) or rule.id in OTHER_ENDS, followed.source


@pytest.mark.parametrize("rule", NEEDING_FACTS, ids=lambda rule: rule.id)
def test_what_rules_about_a_target_advise_is_good(lab: Lab, rule: Rule) -> None:
    """As for every other rule."""
    _is_good_advice(lab, rule)


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.since <= 15 and (EVERYTHING or _differs(r))], ids=lambda rule: rule.id
)
def test_the_examples_hold_on_postgresql_15(lab15: Lab, rule: Rule) -> None:
    """The same judgement where the server is older."""
    assert _runs_on(rule, lab15)
    assert _fires(lab15, rule, rule.bad)
    if rule.id == "toast-compression" and not _has_lz4(lab15):
        trace = lab15.trace(rule.bad, prepared=rule.prepared)
        (error,) = follow(lab15, rule, trace, found(lab15, rule, trace)).errors
        assert "lz4 not supported" in error
    elif rule.id in ON_15:
        _is_good_advice(lab15, rule)
    assert _fires(lab15, rule, rule.good) == []


def _has_lz4(lab: Lab) -> bool:
    """Whether the server was built with it: Debian's is, not everybody's."""
    query = "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    with contextlib.closing(connect(lab.scratch.server.conninfo())) as connection:
        return connection.execute(query).fetchone() == (True,)


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


def test_a_key_of_a_partitioned_table_is_advised_as_its_server_takes_it(lab: Lab, lab15: Lab) -> None:
    """NOT VALID at once from 18 on; before, for each partition, whose keys the partitioned table then takes over."""
    body = 'op.create_foreign_key("k", "events", "documents", ["id"], ["id"], ondelete="CASCADE")'
    rule = replace(next(r for r in RULES if r.id == "add-foreign-key-validating"), bad=body)
    for each, table in ((lab, "events"), (lab15, "events_2025")):
        _is_good_advice(each, rule)
        trace = each.trace(body)
        assert f"public.{table} VALIDATE CONSTRAINT k" in found(each, rule, trace)[0].fix
