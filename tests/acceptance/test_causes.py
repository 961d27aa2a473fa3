"""Explanations name the cause where it can be known."""

from __future__ import annotations

import pytest
from tests.acceptance.oracles import Bench

from db_migrate.catalog.diff import diff

LONG = "a_name_of_exactly_as_many_bytes_as_postgresql_has_room_for_63_x"
CASES = {
    "a constraint that was never validated": (
        "CREATE TABLE t (a int, CONSTRAINT c CHECK (a > 0))",
        "CREATE TABLE t (a int); ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "left NOT VALID",
    ),
    "a name that was cut": (
        "CREATE TABLE t (a int); CREATE INDEX i ON t (a)",
        f"CREATE TABLE t (a int); CREATE INDEX {LONG} ON t (a)",
        "cuts names to 63 bytes",
    ),
}


@pytest.mark.parametrize(("old", "new", "cause"), CASES.values(), ids=CASES)
def test_the_cause_is_named(bench: Bench, old: str, new: str, cause: str) -> None:
    """Seen from either side."""
    assert len(LONG) == 63
    sides = (bench.catalog(old), bench.catalog(new))
    for before, after in (sides, sides[::-1]):
        (change,) = diff(before, after)
        assert cause in change.explanation
