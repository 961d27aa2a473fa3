"""Random walks through everything that can be done with a project and its target, and by whom.

``DB_MIGRATE_TEST_LONG=1`` walks for 20 minutes, ``DB_MIGRATE_TEST_WALK_SECONDS`` for any other time, from the seed
``DB_MIGRATE_TEST_WALK_SEED``; the seed and the number of steps are printed.
"""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.reporting import with_reporter
from hypothesis.stateful import run_state_machine_as_test
from tests.conftest import TargetServer

from db_migrate.postgres.server import Server

from .machine import Walk

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
SECONDS = float(os.environ.get("DB_MIGRATE_TEST_WALK_SECONDS", "1200" if LONG else "0"))
SEED = int(os.environ.get("DB_MIGRATE_TEST_WALK_SEED", str(time.time_ns() % 1_000_000) if LONG else "1"))


def walk(number: int, steps: int) -> None:
    """One walk from a seed."""
    how = settings(
        max_examples=1,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        verbosity=Verbosity.debug,
    )
    way: list[str] = []
    with with_reporter(way.append):
        try:
            run_state_machine_as_test(seed(number)(Walk), settings=how)
        except Exception as error:
            failure = Walk.failure or error
            failure.add_note("\n".join((f"the walk from seed {number}:", *way)))
            raise failure from None


def test_whatever_happens_in_whatever_order(
    target_server: TargetServer, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No row is lost, the journal agrees with the database, doctor and drift say what is so, a refusal does nothing."""
    del server  # it stays up for as long as the test lasts
    Walk.server, Walk.cache, Walk.steps, Walk.failure = target_server, tmp_path, 0, None
    end = time.monotonic() + SECONDS
    for number in itertools.count(SEED):
        try:
            walk(number, 30 if SECONDS else 16)
        finally:
            with capsys.disabled():
                print(f"\nwalks from seed {SEED} to {number}: {Walk.steps} steps", end="", flush=True)
        if time.monotonic() >= end:
            break
