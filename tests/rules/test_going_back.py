"""The way back is judged by what it did: whether it gives back what was there, and whom it makes wait."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rules_lab import Lab

from db_migrate.plan.proofs import downgrades, proofs_of
from db_migrate.rules import Facts, Finding, Intent, all_rules, judge
from db_migrate.trace.effects import Direction

RULES = {each.id: each for each in all_rules()}
NEW_TABLE = """
def upgrade() -> None:
    op.create_table("tags", sa.Column("name", sa.Text()))
    op.create_index("ix_tags_name", "tags", ["name"])


def downgrade() -> None:
    op.drop_index("ix_tags_name", "tags")
    op.drop_table("tags")
"""


def judged(lab: Lab, example: str, *allow: Intent) -> dict[str, Finding]:
    """The findings about the way back, by rule."""
    up, down = lab.trace(example), lab.trace(example, direction=Direction.DOWNGRADE).revisions[0]
    name = up.revisions[0].revision
    back = {name: replace(down, revision=name)}
    facts = replace(Facts.unknown(), downgrades=downgrades(proofs_of(up, back), back))
    named = [replace(each, name=each.name.replace("REVISION", name)) for each in allow]
    return {each.rule: each for each in judge(up, facts, allow=named) if each.rule.startswith("downgrade-")}


@pytest.mark.parametrize("rule", ["downgrade-not-inverse", "downgrade-linted-too"])
def test_the_bad_example_is_found_and_the_good_one_is_not(lab: Lab, rule: str) -> None:
    """As for every other rule."""
    assert set(judged(lab, RULES[rule].bad)) == {rule}
    assert judged(lab, RULES[rule].good) == {}


def test_what_differs_is_named_and_can_be_allowed(lab: Lab) -> None:
    """By an intent for the revision."""
    bad = RULES["downgrade-not-inverse"].bad
    intent = Intent("downgrade-not-inverse:REVISION", "nobody goes back there", "settings")
    found = judged(lab, bad, intent)["downgrade-not-inverse"]
    assert "public.users." in found.message
    assert found.allowed is not None


def test_what_a_downgrade_makes_wait_is_told_with_the_rule(lab: Lab) -> None:
    """Not for tables that came with the upgrade."""
    found = judged(lab, RULES["downgrade-linted-too"].bad)["downgrade-linted-too"]
    assert found.object == "public.ix_users_code"
    assert found.message.startswith("going back, drop-index-blocking: ")
    assert judged(lab, NEW_TABLE) == {}


def test_a_sequence_that_goes_is_said_to_lose_its_position(lab: Lab) -> None:
    """Whoever goes back gets one that begins anew, and numbers that were given out before."""
    findings = judge(lab.trace('op.execute("DROP SEQUENCE ticket_number")'), Facts.unknown())
    (found,) = (each for each in findings if each.rule == "drop-view-function-sequence")
    assert found.object == "public.ticket_number"
    assert "its position is not kept" in found.message
