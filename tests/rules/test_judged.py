"""What the rules say of a long history is what a person who knows PostgreSQL said of each of its revisions before."""

from __future__ import annotations

from judged import JUDGED
from rules_lab import Lab

from db_migrate.rules import judge


def test_the_rules_say_what_was_judged_by_hand(lab: Lab) -> None:
    """Neither less nor more, for each revision."""
    trace = lab.trace(*(each.body for each in JUDGED))
    assert len(JUDGED) > 100
    assert {each.message: each.error for each in trace.revisions if each.error} == {}
    said: dict[str, set[str]] = {each.revision: set() for each in trace.revisions}
    for finding in judge(trace, lab.no_facts):
        said[finding.revision].add(finding.rule)
    judged = dict(zip(said, JUDGED, strict=True))
    differing = {
        judged[name].body.strip(): {"not said": set(judged[name].rules - rules), "said": rules - judged[name].rules}
        for name, rules in said.items()
        if rules != judged[name].rules
    }
    assert differing == {}
