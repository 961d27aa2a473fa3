"""The server on which generated revisions are run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.oracles import Bench

from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect


@pytest.fixture(scope="session")
def bench(server: Server) -> Iterator[Bench]:
    """An empty database in which both sides are read."""
    with scratch_database(server, purpose="generate") as conninfo, connect(conninfo) as connection:
        yield Bench(server, connection)
