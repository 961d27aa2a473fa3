"""The same effect gives the same finding, whether an operation, SQL text, a DO block or a function brings it about."""

from __future__ import annotations

import os

import pytest
from rules_lab import Lab

from db_migrate.rules import RuleSettings, all_rules, judge
from db_migrate.rules.registry import Rule, Section
from db_migrate.trace.effects import Trace

EVERYTHING = bool(os.environ.get("DB_MIGRATE_TEST_LONG"))
ONE_OF = 3
"""Without the long tests each rule is tried in one of the three ways."""

TEXTUAL = frozenset(
    {
        "drop-database",  # cannot be sent from within a transaction
        "transaction-nesting",
        "uncommitted-transaction",
        "timeout-bad-value",
        "missing-lock-timeout",
        "missing-statement-timeout",
        "missing-idle-or-transaction-timeout",
        "composite-type-or-extension-change",
        "extension-timescale-citus-vector",
        "enum-value-order",
        "explicit-lock-table",
        "dml-orm-in-migration",
        "destructive-force-create",
        "deterministic-collation-fk",
        "concurrently-in-transaction",
    }
)
"""Rules of A-G that read text by their nature, or whose example PostgreSQL refuses within a function."""


def _eligible(rule: Rule) -> bool:
    family = rule.section in list(Section)[: list(Section).index(Section.SECURITY)]
    textual = rule.source or rule.needs_facts or rule.id in TEXTUAL or "autocommit_block" in rule.bad
    return family and not textual and rule.until >= 18


RULES = [each for each in all_rules() if _eligible(each)]


def _quoted(sql: str) -> str:
    return "$statement$" + sql + "$statement$"


def as_text(statements: list[str]) -> str:
    """Each statement as SQL text."""
    return "\n".join(f"op.execute(sa.text({sql.replace(':', chr(92) + ':')!r}))" for sql in statements)


def as_do_blocks(statements: list[str]) -> str:
    """Each statement put together at run time in a DO block."""
    blocks = (f"DO $do$ BEGIN EXECUTE concat({_quoted(sql)}, ''); END $do$" for sql in statements)
    return "\n".join(f"op.get_bind().exec_driver_sql({block.replace('%', '%%')!r})" for block in blocks)


def as_functions(statements: list[str]) -> str:
    """Each statement behind a function that the revision calls."""
    lines = []
    for number, sql in enumerate(statements):
        body = f"BEGIN EXECUTE {_quoted(sql)}; END"
        made = f"CREATE FUNCTION pg_temp.step{number}() RETURNS void LANGUAGE plpgsql AS $f$ {body} $f$"
        lines.append(f"op.get_bind().exec_driver_sql({made.replace('%', '%%')!r})")
        lines.append(f'op.get_bind().exec_driver_sql("SELECT pg_temp.step{number}()")')
    return "\n".join(lines)


WAYS = (as_text, as_do_blocks, as_functions)


def found(rule: Rule, lab: Lab, trace: Trace) -> set[tuple[str, str]]:
    """What the rule says: severity and object."""
    settings = RuleSettings(severities={rule.id: "on"})
    judged = judge(trace, lab.no_facts, settings)
    return {(each.severity.value, each.object) for each in judged if each.rule == rule.id}


def _cases() -> list[tuple[Rule, int]]:
    every = [(rule, way) for rule in RULES for way in range(len(WAYS))]
    return [case for index, case in enumerate(every) if EVERYTHING or index % (ONE_OF + 1) == 0]


@pytest.mark.parametrize(("rule", "way"), _cases(), ids=lambda each: getattr(each, "id", None) or str(each))
def test_the_finding_follows_the_effect(lab: Lab, rule: Rule, way: int) -> None:
    """The bad example's statements sent in another way give the same severity and object."""
    original = lab.trace(rule.bad, prepared=rule.prepared)
    statements = [s.sql for s in original.revisions[0].statements if "alembic_version" not in s.sql]
    other = lab.trace(WAYS[way](statements), prepared=rule.prepared)
    expected = found(rule, lab, original)
    assert expected
    got = found(rule, lab, other)
    revisions = {original.revisions[0].revision: "-", other.revisions[0].revision: "-"}
    assert {(s, revisions.get(o, o)) for s, o in got} == {(s, revisions.get(o, o)) for s, o in expected}
