"""What judging costs grows with the statements of a revision, and not with their square."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rules_lab import Lab
from tests.calls import calls

from db_migrate.rules import RuleSettings, judge
from db_migrate.rules.facts import Facts
from db_migrate.trace.effects import Trace

BODIES = {
    "columns, comments and rows": """
        op.add_column("users", sa.Column("extra", sa.Text()))
        op.execute("COMMENT ON COLUMN users.extra IS 'x'")
        op.alter_column("orders", "note", server_default="y")
        op.execute("UPDATE audit SET detail = NULL WHERE id = 1")
    """,
    "tables, keys and indexes": """
        op.create_table("made", sa.Column("id", sa.Integer, primary_key=True), sa.Column("u", sa.Integer))
        op.create_foreign_key("made_u", "made", "users", ["u"], ["id"])
        op.create_index("made_by_u", "made", ["u"])
        op.create_index("audit_by_id", "audit", ["id"])
    """,
}


def times(trace: Trace, number: int) -> Trace:
    """The trace as if its revision had sent its statements so many times, in one transaction."""
    (revision,) = trace.revisions
    return replace(trace, revisions=(replace(revision, statements=revision.statements * number),))


@pytest.mark.parametrize("name", BODIES)
def test_twice_as_many_statements_cost_twice_as_much(lab: Lab, name: str) -> None:
    """A quadratic rule would cost four times as much; a revision of 10,000 statements would never be judged."""
    trace = lab.trace(BODIES[name])
    some, more = times(trace, 25), times(trace, 50)
    judge(more, Facts.unknown(), RuleSettings())  # parsing is remembered
    first, second = (calls(lambda: judge(each, Facts.unknown(), RuleSettings())) for each in (some, more))  # noqa: B023
    assert second < 2.4 * first, (first, second)
