"""Every kind of change that the catalog tells apart, generated as a revision, and run both ways by plain Alembic."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.cases import Case, parse
from tests.acceptance.oracles import Bench

from db_migrate.catalog.diff import diff, drifted

from .running import between, tried

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
SHARE = 20
"""One case in so many is generated, unless the long tests are asked for."""


def _cases() -> Iterator[Case]:
    for file in sorted((Path(__file__).parents[1] / "acceptance/changes").glob("*.txt")):
        for case in parse(file.stem, file.read_text("utf-8")):
            possible = not case.flags & {"one way", "no way back", "privileges"}
            if possible and (LONG or zlib.crc32(case.title.encode()) % SHARE == 0):
                yield case


CASES = list(_cases())


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_change_is_generated_and_proved(case: Case, bench: Bench) -> None:
    """The revision leads from one side to the other and back, in the first form or one that is tried after it."""
    before, after = bench.catalog(case.old), bench.catalog(case.new)
    if not drifted(diff(before, after)):
        assert not between(before, after).decision.changes
        return
    done = tried(bench.server, case.old, before, after)
    assert done.proved is not None, done.failures
