"""What becomes of a revision when somebody does what a finding says: run for real, and judged again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from advised import Advised, advised
from rules_lab import GROUND, Lab, known
from test_release import release_of

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Kind
from db_migrate.plan.proofs import downgrades, proofs_of
from db_migrate.postgres.session import connect
from db_migrate.rules import Facts, Finding, RuleSettings, judge
from db_migrate.rules.facts import Answer, Blocker, Mapped
from db_migrate.rules.finding import Severity
from db_migrate.rules.questions import questions
from db_migrate.rules.registry import Rule
from db_migrate.trace.effects import Direction, Trace

OLD = {"add-column-constant-default-old-pg": 100000, "index-corruption-version": 140002}
"""The versions that rules about old servers are about."""


@dataclass(frozen=True)
class Followed:
    """The run of what the advice made of a revision.

    ``said`` are the rule's findings about it that no intent allows, ``worse`` other rules' errors and warnings that the
    original did not have, ``changed`` what is different in the schema, and ``kept`` what going back does not undo.
    """

    source: str
    errors: tuple[str, ...]
    said: tuple[str, ...]
    worse: frozenset[str]
    changed: tuple[Change, ...]
    kept: tuple[Change, ...]


def unknown(lab: Lab, _rule: Rule, _trace: Trace) -> Facts:
    """What lint knows of a target."""
    return lab.no_facts


def target(lab: Lab, rule: Rule, trace: Trace) -> Facts:
    """A large and busy target of which everything that a rule can ask about is as bad as it can be."""
    revision = trace.revisions[0].revision
    columns = [item for item in trace.before if item.kind is Kind.COLUMN]
    mapped = Mapped(attributes={tuple(c.name.split(".")): f"Model.{c.name.rpartition('.')[2]}" for c in columns})
    version = OLD.get(rule.id, lab.scratch.server.version)
    facts = known(lab, trace, server_version=version, mapped=mapped, changed_with={revision: ("shop.py",)})
    answers = {question.id: Answer(question.id, 3) for question in questions(trace, version)}
    blocker = Blocker(1234, "app", "psql", "public.users", "ACCESS EXCLUSIVE", 60.0, "idle in transaction")
    return replace(facts, answers=answers, now_blocking=(blocker,), release=release_of(trace.before))


def back_again(lab: Lab, rule: Rule, trace: Trace) -> Facts:
    """What is known once the way back from the example was tried."""
    down = lab.trace(rule.bad, direction=Direction.DOWNGRADE).revisions[0]
    name = trace.revisions[0].revision
    back = {name: replace(down, revision=name)} if Path(trace.revisions[0].file).read_text().count(rule.bad) else {}
    return replace(lab.no_facts, downgrades=downgrades(proofs_of(trace, back), back))


FactsOf = Callable[[Lab, Rule, Trace], Facts]


def facts_of(rule: Rule) -> FactsOf:
    """What has to be known for the rule to speak."""
    if rule.id.startswith("downgrade-"):
        return back_again
    return target if rule.needs_facts else unknown


def found(lab: Lab, rule: Rule, trace: Trace) -> list[Finding]:
    """What the rule says of a trace and no intent allows."""
    settings = RuleSettings(severities={rule.id: "on"}, runner=rule.runner)
    findings = judge(trace, facts_of(rule)(lab, rule, trace), settings)
    return [each for each in findings if each.rule == rule.id and each.allowed is None]


def follow(lab: Lab, rule: Rule, trace: Trace, findings: Sequence[Finding]) -> Followed:
    """Do what the findings, all of the one rule, say about the trace's only revision."""
    original = trace.revisions[0]
    done = advised(Path(original.file).read_text(), findings, partial(answer, lab))
    main, tip = _written(lab, done, original.revision)
    run = lab.run([tip], prepared=rule.prepared)
    errors = [f"{each.revision}: {each.error.message}" for each in run.revisions if each.error]
    settings = RuleSettings(severities={rule.id: "on"}, runner=rule.runner)
    facts = [facts_of(rule)(lab, rule, each) for each in (trace, run)]
    own = [each for each in judge(run, facts[1], settings) if each.revision == main and each.allowed is None]
    before = {each.rule for each in judge(trace, facts[0], settings)}
    worse = {each.rule for each in own if each.severity is not Severity.NOTE and each.rule != rule.id} - before
    revision = next((each for each in run.revisions if each.revision == main), run.revisions[-1])
    kept: tuple[Change, ...] = ()
    if not errors and _goes_back(done.source):
        down = lab.run([main], Direction.DOWNGRADE, rule.prepared)
        errors += [f"going back: {each.error.message}" for each in down.revisions if each.error]
        kept = diff(trace.before, down.after)
    return Followed(
        done.source,
        tuple(errors),
        tuple(each.message for each in own if each.rule == rule.id),
        frozenset(worse),
        diff(trace.after, revision.after),
        kept,
    )


def answer(lab: Lab, query: str) -> str:
    """What a query says on a copy of the schema."""
    with lab.database() as superuser, contextlib.closing(connect(superuser)) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])


def _goes_back(source: str) -> bool:
    return 'def downgrade() -> None:\n    op.execute("SELECT 1")' not in source


def _written(lab: Lab, done: Advised, original: str) -> tuple[str, str]:
    """The revisions in their order: what comes before, the revision itself, what is for later; its id, and the last."""
    at = GROUND
    for query in done.queries:
        at = lab.add(f"op.execute({query!r})", at)
    for code in done.earlier:
        at = lab.add(code, at)
    main = at = lab.add_source(done.source, original, at)
    for code in done.later:
        at = lab.add(code, at)
    return main, at
