"""Facts about rows from a read replica, and how fast the server is by its own clock."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import replace

import pytest
from tests.conftest import TargetServer, standby_of

from db_migrate.config import Settings, TargetSettings, load
from db_migrate.plan.facts import read_facts
from db_migrate.plan.replica import replica_of
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect, read_only
from db_migrate.rules import Facts
from db_migrate.rules.facts import MIB

ASKED = ("public.small", "public.large")
GIVEN = {"scan": 7 * MIB, "rewrite": 5 * MIB, "index_build": 3 * MIB}


def settings(replica: str | None) -> Settings:
    """Settings whose target has that replica."""
    return replace(load({}), targets={"default": TargetSettings("default", replica=replica)})


def facts_with(target: ConnInfo, chosen: Settings) -> tuple[Facts, str]:
    """The facts, and what is said of the replica."""
    with read_only(target) as connection, replica_of(chosen, connection) as (replica, problem):
        return read_facts(connection, ASKED, (), replica=replica, long_s=0.0), problem


def run(database: ConnInfo, *statements: str) -> None:
    """As the superuser."""
    with contextlib.closing(connect(database)) as connection:
        for each in statements:
            connection.execute(each.encode())


@pytest.fixture(scope="module")
def shop(target_server: TargetServer) -> ConnInfo:
    """A database with a table that is large enough to be measured by."""
    database = target_server.new_database()
    run(
        database,
        "CREATE TABLE small (id int, note text)",
        "INSERT INTO small SELECT i, CASE WHEN i % 4 = 0 THEN 'x' END FROM generate_series(1, 100) i",
        "CREATE TABLE large (filler text)",
        "INSERT INTO large SELECT repeat('x', 400) FROM generate_series(1, 20000)",
        "ANALYZE small, large",
    )
    return database


def test_rows_are_read_on_the_replica_and_locks_on_the_target(target_server: TargetServer, shop: ConnInfo) -> None:
    """What is committed while the standby stands still is not counted; who is in the way at the target is told.

    How far it is behind is told too, and what a replication slot holds back.
    """
    run(shop, "SELECT pg_create_physical_replication_slot('forgotten', true)", "INSERT INTO small VALUES (0)")
    with standby_of(target_server) as address:
        standby = address.replace(dbname=shop.dbname)
        run(shop, "DELETE FROM small WHERE id = 0")
        _caught_up(shop, standby)
        run(standby, "SELECT pg_wal_replay_pause()")
        while not _paused(standby):
            time.sleep(0.01)
        with contextlib.closing(connect(shop, application_name="the other", autocommit=False)) as other:
            other.execute("INSERT INTO small SELECT generate_series(101, 150)")
            other.commit()
            other.execute("LOCK TABLE small IN SHARE MODE")
            other.execute("SELECT pg_current_xact_id()")
            _wait_for_lag(shop)
            facts, problem = facts_with(shop, settings(standby.dsn()))
            own, nothing = facts_with(shop, settings(None))
            other.rollback()
        assert (facts.server.replicas, facts.server.slots) == (own.server.replicas, own.server.slots) == (1, 1)
        assert (facts.server.replica_lag_s or 0) > 0.05
        written = size_of("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots", shop)
        assert 0 < (facts.server.slot_lag_bytes or 0) <= written
    assert (facts.tables["public.small"].rows, own.tables["public.small"].rows) == (100, 150)
    assert (problem, nothing) == ("", "")
    assert "of the replica" in facts.throughput.source
    assert [each.application for each in facts.now_blocking] == ["the other"]
    assert "the other" in {each.application for each in facts.long_transactions}
    run(shop, "DELETE FROM small WHERE id > 100", "SELECT pg_drop_replication_slot('forgotten')")


def _wait_for_lag(primary: ConnInfo) -> None:
    """Go on writing until the server knows that its standby is late: it learns it from what that one answers.

    What it knows from before the standby stood still says nothing: only a lag that grows is of now.
    """
    before = now = 0
    while not now > before > 50_000:
        run(primary, "SELECT pg_logical_emit_message(false, 'late', 'x')")
        time.sleep(0.05)
        lag = "coalesce(extract(epoch FROM replay_lag) * 1000000, 0)::bigint"
        before, now = now, size_of(f"SELECT {lag} FROM pg_stat_replication", primary)


def size_of(query: str, database: ConnInfo) -> int:
    """The one number that a query gives."""
    with contextlib.closing(connect(database)) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


def _caught_up(primary: ConnInfo, standby: ConnInfo) -> None:
    """Wait until the standby has replayed all that there is."""
    with contextlib.closing(connect(primary)) as connection:
        row = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    assert row is not None
    while not size_of(f"SELECT (pg_last_wal_replay_lsn() >= '{row[0]}')::int", standby):
        time.sleep(0.01)


def _paused(standby: ConnInfo) -> bool:
    with contextlib.closing(connect(standby)) as connection:
        row = connection.execute("SELECT pg_get_wal_replay_pause_state()").fetchone()
    return row == ("paused",)


def test_what_is_no_replica_is_told_and_not_asked(target_server: TargetServer, shop: ConnInfo) -> None:
    """An address that nobody listens at, another database, and a server that is no standby."""
    for address, words in (
        (shop.replace(port=1), "the server cannot be reached"),
        (target_server.conninfo(), "is no standby of"),
        (shop, "is no standby of"),
    ):
        facts, problem = facts_with(shop, settings(address.dsn()))
        assert facts.tables["public.small"].rows == 100
        assert problem.startswith("the replica was not asked: ")
        assert words in problem
        assert shop.password not in problem


def test_the_server_says_how_fast_it_reads(shop: ConnInfo) -> None:
    """By its largest touched table; the settings win; where nothing is large enough, that is said."""
    with read_only(shop) as connection:
        measured = read_facts(connection, ASKED, ()).throughput
        partly = read_facts(connection, ASKED, (), given={"rewrite": 5 * MIB}).throughput
        given = read_facts(connection, ASKED, (), given=GIVEN).throughput
        small = read_facts(connection, ASKED[:1], ()).throughput
    assert measured.source.startswith("reading was measured on public.large;")
    assert measured.scan > measured.rewrite > measured.index_build > 0
    assert partly.rewrite == 5 * MIB
    assert measured.scan / 8 <= partly.scan <= measured.scan * 8  # each is a measurement of its own
    assert partly.source.endswith("rewrite by the settings")
    assert (given.scan, given.rewrite, given.index_build, given.source) == (*GIVEN.values(), "given in the settings")
    assert small.source.startswith("not measured")


def test_what_analyze_found_is_known(target_server: TargetServer, shop: ConnInfo) -> None:
    """How many are NULL, by column; the disk only of a server on this machine that one reaches by its socket."""
    with read_only(shop) as connection:
        facts = read_facts(connection, ASKED, ())
    assert facts.tables["public.small"].null_fractions == {"id": 0.0, "note": 0.75}
    assert facts.server.free_bytes is None
    with read_only(shop.replace(host=str(target_server.socket_dir))) as connection:
        free = read_facts(connection, ASKED, ()).server.free_bytes
    now = shutil.disk_usage(target_server.socket_dir / "data").free
    assert free is not None
    assert abs(free - now) < 256 * MIB
