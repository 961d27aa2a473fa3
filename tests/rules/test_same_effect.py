"""The same effect gives the same finding, whether an operation, SQL text, a DO block or a function brings it about."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
from rules_lab import Lab
from splitting import trace_each

from db_migrate.rules import RuleSettings, all_rules, judge
from db_migrate.rules.registry import Rule, Section
from db_migrate.trace.effects import Trace

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"

NOT_HERE = {
    "drop-database": "cannot be sent from within a transaction",
    "uncommitted-transaction": "begins a transaction of its own",
    "transaction-nesting": "ends the transaction",
    "savepoint-use": "is a savepoint",
    "concurrently-in-transaction": "fails in whatever transaction",
    "concurrently-leaves-invalid-index": "cannot be sent from within a transaction",
    "missing-lock-timeout": "is about how the revision is run",
    "missing-statement-timeout": "is about how the revision is run",
    "missing-idle-or-transaction-timeout": "is about how the revision is run",
    "timeout-bad-value": "is about how the revision is run",
    "dml-orm-in-migration": "is about what the file imports",
    "set-tablespace-or-access-method": "needs something that a superuser has made",
}
"""Rules of A-G that one effect within a transaction cannot bring about."""


def _eligible(rule: Rule) -> bool:
    family = rule.section in list(Section)[: list(Section).index(Section.SECURITY)]
    return family and rule.id not in NOT_HERE and not rule.needs_facts and rule.until >= 18


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


def as_one_function_that_others_call(statements: list[str]) -> str:
    """Each statement as it is, in SQL or PL/pgSQL, behind a procedure that calls the function."""
    lines = []
    for number, sql in enumerate(statements):
        text = sql.strip().removesuffix(";")
        body = f"BEGIN EXECUTE format('%s', {_quoted(text)}); END" if number % 2 else f"BEGIN {text}; END"
        made = (
            f"CREATE FUNCTION inner{number}() RETURNS void LANGUAGE plpgsql AS $f$ {body} $f$",
            f"CREATE PROCEDURE outer{number}() LANGUAGE sql AS 'SELECT public.inner{number}()'",
            f"CALL outer{number}()",
        )
        lines += [f"op.get_bind().exec_driver_sql({each.replace('%', '%%')!r})" for each in made]
    return "\n".join(lines)


WAYS = (as_text, as_do_blocks, as_functions, as_one_function_that_others_call)


def found(rule: Rule, trace: Trace, lab: Lab) -> set[tuple[str, str]]:
    """What the rule says: severity and object; the revision's own name is a dash."""
    settings = RuleSettings(severities={each.id: "on" if each is rule else "off" for each in all_rules()})
    names = {trace.revisions[0].revision: "-"}
    return {(each.severity.value, names.get(each.object, each.object)) for each in judge(trace, lab.no_facts, settings)}


def _in_a_transaction(example: str) -> str:
    """The example without its autocommit blocks, in which nothing here can run."""
    outside = example.replace("with op.get_context().autocommit_block():", "if True:")
    return re.sub(r", postgresql_concurrently=True|CONCURRENTLY ", "", outside)


@pytest.fixture(scope="module")
def originals(lab: Lab) -> dict[str, Trace]:
    """Every bad example, as it is written."""
    return trace_each(lab, {rule.id: _in_a_transaction(rule.bad) for rule in RULES})


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_finding_follows_the_effect(lab: Lab, originals: dict[str, Trace], way: Callable[[list[str]], str]) -> None:
    """The bad examples' statements sent in another way give the same severity and object.

    Every other rule in each way, unless the long tests are asked for.
    """
    rules = RULES if LONG else RULES[WAYS.index(way) % 2 :: 2]
    expected = {rule.id: found(rule, originals[rule.id], lab) for rule in rules}
    assert [name for name, findings in expected.items() if not findings] == []
    bodies = {rule.id: way([s.sql for s in originals[rule.id].revisions[0].statements]) for rule in rules}
    traces = trace_each(lab, bodies)
    assert {rule.id: found(rule, traces[rule.id], lab) for rule in rules} == expected
