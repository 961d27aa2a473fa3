"""Every kind of change that the catalog tells apart, generated as a revision, and run both ways by plain Alembic."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.cases import Case, parse
from tests.acceptance.oracles import Bench, read

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.generate.make import ATTEMPTS, Attempt
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

from .running import between, run

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


@pytest.fixture(scope="module")
def bench(server: Server) -> Iterator[Bench]:
    """An empty database in which the sides of a case are read."""
    with scratch_database(server, purpose="generate") as conninfo, connect(conninfo) as connection:
        yield Bench(server, connection)


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_change_is_generated_and_proved(case: Case, bench: Bench) -> None:
    """The revision leads from one side to the other and back, in the first form or one that is tried after it."""
    before, after = bench.catalog(case.old), bench.catalog(case.new)
    if not drifted(diff(before, after)):
        assert not between(before, after).decision.changes
        return
    failures = []
    for attempt in ATTEMPTS[1:]:
        with scratch_database(bench.server, purpose=case.title) as database:
            try:
                left = _there_and_back(case, database, before, after, attempt)
            except Exception as error:  # whatever Alembic or the server raises: the next form is tried
                failures.append(repr(error))
                continue
        if not left:
            return
        failures.append(repr(left))
    raise AssertionError("\n".join(failures))


def _there_and_back(
    case: Case, database: ConnInfo, before: Catalog, after: Catalog, attempt: Attempt
) -> tuple[Change, ...]:
    """What is left to be done after the upgrade, or after the downgrade."""
    made = between(before, after, attempt)
    with connect(database) as connection:
        connection.execute(b"SET search_path = public")
        connection.execute(case.old.encode())
    run(made.upgrade, database)
    left = drifted(diff(_catalog(database), after))
    if left:
        return left
    run(made.downgrade, database)
    return drifted(diff(_catalog(database), before))


def _catalog(database: ConnInfo) -> Catalog:
    with connect(database) as connection, connection.transaction():
        return read(connection)
