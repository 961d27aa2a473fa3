"""The labs that this room's tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_migrate.postgres.server import Server

sys.path.insert(0, str(Path(__file__).parent))

from trace_lab import Lab, open_lab


@pytest.fixture(scope="session")
def trace_lab(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab on the embedded server."""
    with open_lab(server, tmp_path_factory.mktemp("trace")) as opened:
        yield opened


@pytest.fixture(scope="session")
def trace_lab15(server15: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab on PostgreSQL 15."""
    with open_lab(server15, tmp_path_factory.mktemp("trace15")) as opened:
        yield opened
