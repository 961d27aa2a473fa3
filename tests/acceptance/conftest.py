"""The servers on which every case is judged, and the choice of cases."""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.cases import Case, parse
from tests.acceptance.oracles import Bench
from tests.conftest import OLDER

from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
DUMPED_SHARE = 24
"""One case in so many is also judged by pg_dump, unless the long tests are asked for."""

OLD_SHARE = 10
"""One case in so many is also judged on PostgreSQL 15, unless the long tests are asked for."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give tests the cases of ``changes/``: ``case`` all, ``case15`` and ``dumped`` those for the slower judges."""
    chosen: dict[str, Callable[[Case], bool]] = {"case": bool, "case15": _is_old, "dumped": _is_dumped}
    for name, choose in chosen.items():
        if name in metafunc.fixturenames:
            cases = [case for case in _cases() if choose(case)]
            metafunc.parametrize(name, cases, ids=[case.title for case in cases])


@functools.cache
def _cases() -> tuple[Case, ...]:
    files = sorted((Path(__file__).parent / "changes").glob("*.txt"))
    return tuple(case for file in files for case in parse(f"{file.stem}", file.read_text("utf-8")))


def _is_old(case: Case) -> bool:
    # Only the distribution's 15 has the extensions that come with PostgreSQL.
    there = OLDER == 15 or "extension" not in f"{case.old} {case.new}".lower()
    return case.since <= 15 and there and (LONG or zlib.crc32(case.title.encode()) % OLD_SHARE == 0)


def _is_dumped(case: Case) -> bool:
    if case.flags & {"no dump", "one way", "privileges"}:
        return False
    return LONG or zlib.crc32(case.title.encode()) % DUMPED_SHARE == 0


@pytest.fixture(scope="session")
def bench(server: Server) -> Iterator[Bench]:
    """An empty database on the embedded server."""
    with scratch_database(server, purpose="acceptance") as conninfo, connect(conninfo) as connection:
        yield Bench(server, connection)


@pytest.fixture(scope="session")
def bench15(server15: Server) -> Iterator[Bench]:
    """An empty database on PostgreSQL 15."""
    with scratch_database(server15, purpose="acceptance") as conninfo, connect(conninfo) as connection:
        yield Bench(server15, connection)
