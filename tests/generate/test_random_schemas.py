"""Schemas that nobody thought of: whatever leads from one to another is written, and proved in both directions."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.acceptance.oracles import Bench
from tests.acceptance.test_random_schemas import ddl
from tests.strategies import metadata

from db_migrate.catalog.diff import diff, drifted

from .running import Yes, tried

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
_SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
_LABELS = (
    ("", ""),
    ("'green', ", "'green', 'blue', "),
    ("'red', 'green'", "'green', 'red'"),
    ("'red'", "'scarlet'"),
    ("'x', 'y'", "'z', 'x', 'y'"),
)
"""How the labels of enums are written on one side, and on the other."""


@settings(
    max_examples=500 if LONG else 25,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=_SLOW,
)
@given(old=metadata().map(ddl), new=metadata().map(ddl), labels=st.sampled_from(_LABELS), questioner=st.builds(Yes))
def test_whatever_leads_from_one_to_another_is_proved(
    old: str, new: str, labels: tuple[str, str], questioner: Yes, bench: Bench
) -> None:
    """From any models to any others: the upgrade leads to them, the downgrade back, and up again to the same."""
    renamed = labels[0] == "'red'"  # and so wherever it is used
    new = "\n".join(
        line.replace(*labels) if renamed or line.startswith("CREATE TYPE") else line for line in new.splitlines()
    )
    before, after = bench.catalog(old), bench.catalog(new)
    if drifted(diff(before, after)):
        done = tried(bench.server, old, before, after, questioner)
        assert done.proved is not None, done.failures
