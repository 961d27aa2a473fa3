"""The same schema by different ways: made by hand, dumped and loaded once and twice, and carried over from a 15."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.oracles import read

from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.dump import dump_schema, load
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

ODD = (Path(__file__).parent / "odd.sql").read_text("utf-8")


@contextlib.contextmanager
def made(server: Server) -> Iterator[ConnInfo]:
    """A database with the schema, made by its statements."""
    with scratch_database(server) as conninfo:
        with connect(conninfo) as connection:
            connection.execute(ODD.encode())
        yield conninfo


@contextlib.contextmanager
def loaded(source: ConnInfo, server: Server) -> Iterator[ConnInfo]:
    """A database on ``server`` with what a dump of ``source`` has."""
    with scratch_database(server) as conninfo:
        load(conninfo, dump_schema(source, server.binaries))
        yield conninfo


def catalog(conninfo: ConnInfo) -> Catalog:
    """What is in a database."""
    with connect(conninfo) as connection, connection.transaction():
        return read(connection)


@pytest.fixture(scope="module")
def by_hand(server: Server) -> Iterator[tuple[ConnInfo, Catalog]]:
    """The schema as its statements make it on 18."""
    with made(server) as conninfo:
        yield conninfo, catalog(conninfo)


def test_nothing_is_left_out(by_hand: tuple[ConnInfo, Catalog]) -> None:
    """The schema has something of nearly every kind, and all of it is covered."""
    everything = by_hand[1]
    missing = set(Kind) - {o.kind for o in everything}
    assert missing == {Kind.NOT_NULL, Kind.SUBSCRIPTION, Kind.OWNER, Kind.GRANT, Kind.DEFAULT_PRIVILEGE}
    assert everything.not_covered == ()


def test_loads_make_no_difference(by_hand: tuple[ConnInfo, Catalog], server: Server) -> None:
    """After one load and after two there is no change, and the fingerprint is the same."""
    source, everything = by_hand
    with loaded(source, server) as once, loaded(once, server) as twice:
        found = [catalog(once), catalog(twice)]
    assert [diff(everything, each) for each in found] == [(), ()]
    assert {each.fingerprint for each in found} == {everything.fingerprint}


def test_a_15_held_by_an_18_makes_no_difference(
    by_hand: tuple[ConnInfo, Catalog], server: Server, server15: Server
) -> None:
    """Made on a 15 and carried over, it is what the same statements make on an 18."""
    with made(server15) as source, loaded(source, server) as carried:
        found = catalog(carried)
    assert diff(by_hand[1], found) == ()
    assert found.fingerprint == by_hand[1].fingerprint
