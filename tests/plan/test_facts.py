"""Facts of a real target: sizes, rows, sessions that are in the way; read without changing anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from rules_lab import Lab

from db_migrate.plan.facts import read_facts
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect, read_only


@pytest.fixture
def rows(lab: Lab) -> Iterator[ConnInfo]:
    """A target with some rows."""
    with lab.database() as database:
        with contextlib.closing(connect(database)) as connection:
            connection.execute("INSERT INTO audit (id) SELECT generate_series(1, 500)")
            connection.execute("INSERT INTO events SELECT g, '2025-05-05' FROM generate_series(1, 20) g")
        yield database


def test_small_tables_are_counted(rows: ConnInfo) -> None:
    """Exactly, partitions included, and an empty one is known to be empty."""
    with read_only(rows) as connection:
        facts = read_facts(connection, ["public.audit", "public.events", "public.users"], ())
    assert facts.known
    assert {name: (table.rows, table.exact, table.empty) for name, table in facts.tables.items()} == {
        "public.audit": (500, True, False),
        "public.events": (20, True, False),
        "public.users": (0, True, True),
    }
    assert facts.tables["public.audit"].bytes >= facts.tables["public.audit"].table_bytes > 0


def test_relations_that_are_not_there_are_left_out(rows: ConnInfo) -> None:
    """So a plan can ask for whatever it touched."""
    with read_only(rows) as connection:
        assert read_facts(connection, ["public.nothing", "nowhere.at_all"], ()).tables == {}


def test_a_session_in_the_way_is_named(rows: ConnInfo) -> None:
    """With its pid, lock and the age of its transaction."""
    with contextlib.closing(connect(rows, application_name="the other one", autocommit=False)) as other:
        other.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        with read_only(rows) as connection:
            (blocker,) = read_facts(connection, ["public.users", "public.audit"], ()).now_blocking
        assert (blocker.pid, blocker.mode) == (other.info.backend_pid, "ROW EXCLUSIVE")
        assert (blocker.relation, blocker.application) == ("public.users", "the other one")
        assert blocker.state == "idle in transaction"
        assert blocker.age_s >= 0
        other.rollback()


def test_row_security_does_not_hide_rows_from_the_count(rows: ConnInfo) -> None:
    """Rather than count what one role sees, nothing is said and a warning says why."""
    with contextlib.closing(connect(rows)) as connection:
        connection.execute("ALTER TABLE audit ENABLE ROW LEVEL SECURITY")
        connection.execute("ALTER TABLE audit FORCE ROW LEVEL SECURITY")
    with read_only(rows.replace(user="rules_lab")) as connection:
        facts = read_facts(connection, ["public.audit"], ())
    assert not facts.tables["public.audit"].exact
    assert any("row-level security" in warning for warning in facts.warnings)


def test_the_server_is_described(rows: ConnInfo) -> None:
    """Replicas, slots and the settings that matter."""
    with read_only(rows) as connection:
        server = read_facts(connection, (), ()).server
    assert (server.replicas, server.slots) == (0, 0)
    assert "maintenance_work_mem" in server.settings
