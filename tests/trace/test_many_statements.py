"""What tracing costs grows with the statements of a revision, and not with their square."""

from __future__ import annotations

import pytest
from tests.calls import calls
from trace_lab import Lab

BODIES = {
    "tables that are made": """
        for number in range({count}):
            op.execute(f"CREATE TABLE made_{{number}} (id serial PRIMARY KEY, word text, at timestamptz DEFAULT now())")
            op.execute(f"CREATE INDEX made_{{number}}_word ON made_{{number}} (word)")
            op.execute(f"COMMENT ON TABLE made_{{number}} IS 'made'")
    """,
    "columns of the same tables": """
        for number in range({count}):
            op.execute(f"ALTER TABLE there_{{number % 12}} ADD COLUMN c{{number}} int")
            op.execute(f"ALTER TABLE there_{{number % 12}} ALTER COLUMN c{{number}} SET DEFAULT 1")
            op.execute(f"INSERT INTO there_{{number % 12}} (id) VALUES ({{number}})")
    """,
}
THERE = "".join(f"CREATE TABLE there_{number} (id int PRIMARY KEY);" for number in range(12))


@pytest.mark.parametrize("name", BODIES)
def test_twice_as_many_statements_cost_twice_as_much_to_trace(trace_lab: Lab, name: str) -> None:
    """Else an initial revision of some hundred tables would take minutes, as it did."""
    some, more = (BODIES[name].format(count=count) for count in (24, 48))
    trace_lab.trace(some, prepare=THERE)  # imports, parsing and templates are remembered
    first, second = (calls(lambda: trace_lab.trace(each, prepare=THERE)) for each in (some, more))  # noqa: B023
    assert second < 2.3 * first, (first, second)
