"""Every advice of the families A to G once more where nothing is in the schema public and names need quotes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from advised import advised, dedented
from following import answer
from hostile import ground, hostile
from odd_cases import ODD
from odd_cases import SCHEMA as MORE
from rules_lab import GROUND, Lab, open_lab
from splitting import trace_each

from db_migrate.postgres.server import Server
from db_migrate.rules import Finding, Intent, RuleSettings, all_rules, judge
from db_migrate.rules.examples import SCHEMA, revision_source
from db_migrate.rules.registry import Rule, Section
from db_migrate.trace.effects import Trace

NOT_HERE = {
    "drop-database": "cannot be sent from within a transaction",
    "uncommitted-transaction": "begins a transaction of its own",
    "transaction-nesting": "ends the transaction",
    "savepoint-use": "is a savepoint",
    "concurrently-in-transaction": "fails in whatever transaction",
    "concurrently-leaves-invalid-index": "cannot be sent from within a transaction",
    "dml-orm-in-migration": "is about what the file imports",
    "set-tablespace-or-access-method": "needs something that a superuser has made",
    "enum-value-used-same-tx": "needs a commit in between, as what is advised does",
    "rename-enum-value": "needs a commit in between",
    "vacuum-full-cluster": "is advised to VACUUM, which no transaction takes",
    "toast-compression": "needs a server that is built with lz4",
}
"""Rules of A to G whose examples cannot stand beside others in one transaction."""


def _eligible(rule: Rule) -> bool:
    family = rule.section in list(Section)[: list(Section).index(Section.SECURITY)]
    return family and rule.id not in NOT_HERE and not rule.needs_facts and rule.until >= 18


BY_ID = {each.id: each for each in all_rules()}
RULES = {each.id: each for each in all_rules() if _eligible(each)}
CASES = {name: (rule, rule.bad) for name, rule in RULES.items()} | {
    name: (BY_ID[rule], body) for name, (rule, body) in ODD.items()
}
"""By the name of the rule, or by what is odd: the rule, and the body of ``upgrade()`` that it finds something in."""


@pytest.fixture(scope="module")
def odd(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab in which every name is a hostile one."""
    source = revision_source(f"op.execute({ground(SCHEMA + MORE)!r})", GROUND, None)
    with open_lab(server, tmp_path_factory.mktemp("odd"), source) as opened:
        yield opened


def _in_a_transaction(example: str) -> str:
    """The code without its autocommit blocks, in which nothing here can run."""
    outside = (
        example.replace("with op.get_context().autocommit_block():", "if True:")
        .replace('"VACUUM ', '"ANALYZE ')
        .replace("'VACUUM ", "'ANALYZE ")
    )
    return re.sub(r", postgresql_concurrently=True| ?CONCURRENTLY(?= |\b)", "", outside)


def _found(rule: Rule, trace: Trace, lab: Lab, allow: Mapping[str, str]) -> list[Finding]:
    severities = {each.id: "on" if each is rule else "off" for each in all_rules()}
    settings = RuleSettings(severities=severities, runner=rule.runner)
    intents = [Intent(name, reason, "flag") for name, reason in allow.items()]
    return [f for f in judge(trace, lab.no_facts, settings, allow=intents) if f.allowed is None and f.rule == rule.id]


def _followed(trace: Trace, findings: list[Finding], lab: Lab) -> tuple[str, Mapping[str, str]]:
    """The case's body with all that the advice has to be run, one after the other; and the intents."""
    file = Path(trace.revisions[0].file).read_text()
    number = trace.revisions[0].revision.rpartition("_")[2]
    case = next(n for n in ast.parse(file).body if isinstance(n, ast.FunctionDef) and n.name == f"case_{number}")
    lines = file.split("\n")[case.lineno : case.end_lineno]
    own = [_moved(each, case.lineno - 1) for each in findings]
    found = advised("\n".join(["def upgrade() -> None:", *lines, "", _DOWNGRADE]), own, partial(answer, lab))
    functions = {n.name: n for n in ast.parse(found.source).body if isinstance(n, ast.FunctionDef)}
    bodies = [_body(found.source, functions[name]) for name in ("upgrade", "downgrade")]
    allow = ast.literal_eval(found.source.partition("db_migrate_allow = ")[2] or "{}")
    return "\n".join(
        (*(f"op.execute({q!r})" for q in found.queries), *found.earlier, bodies[0], *found.later, bodies[1])
    ), allow


_DOWNGRADE = "def downgrade() -> None:\n    pass\n"


def _moved(finding: Finding, by: int) -> Finding:
    def line(match: re.Match[str]) -> str:
        return match[1] + re.sub(r"\d+", lambda number: str(int(number[0]) - by), match[2])

    fix = re.sub(r"^(# in place of (?:this and )?line )([\d, ]+)", line, finding.fix)
    return replace(finding, line=finding.line - by, fix=fix)


def _body(source: str, function: ast.FunctionDef) -> str:
    return dedented("\n".join(source.split("\n")[function.lineno : function.end_lineno]))


def test_what_is_advised_runs_whatever_the_names_are(odd: Lab) -> None:
    """The rule finds the example; PostgreSQL takes all that is advised; and the rule has nothing more to say."""
    originals = trace_each(odd, {name: _in_a_transaction(hostile(body)) for name, (_rule, body) in CASES.items()})
    findings = {name: _found(rule, originals[name], odd, {}) for name, (rule, _body) in CASES.items()}
    assert [name for name, found in findings.items() if not found] == []
    followed = {name: _followed(originals[name], found, odd) for name, found in findings.items()}
    traces = trace_each(odd, {name: _in_a_transaction(body) for name, (body, _intents) in followed.items()})
    failed = {name: each.revisions[0].error.message for name, each in traces.items() if each.revisions[0].error}
    assert failed == {}
    again = {name: _found(rule, traces[name], odd, followed[name][1]) for name, (rule, _body) in CASES.items()}
    assert {
        name: [each.message for each in found]
        for name, found in again.items()
        if found and not re.search("autocommit_block|CONCURRENTLY", followed[name][0])
    } == {}
