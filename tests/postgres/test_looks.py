"""The looks at one target share a session while a project is open, and nothing of it outlives that."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.idle import Idle
from db_migrate.postgres.looks import forget, looks_kept
from db_migrate.postgres.session import connect, read_only


def look(database: ConnInfo) -> int:
    """Look once; the number of the server's process that served it."""
    with read_only(database, again=True) as connection:
        assert connection.execute("SELECT current_setting('search_path')").fetchone() == ("pg_catalog",)
        return connection.info.backend_pid


def test_looks_share_a_session(database: ConnInfo) -> None:
    """One after the other has it; one that looks meanwhile has its own, and what is done between them is seen."""
    with looks_kept(), contextlib.closing(connect(database)) as other:
        first = look(database)
        other.execute("CREATE TABLE made_between (id int)")
        with read_only(database, again=True) as connection:
            assert connection.execute("SELECT to_regclass('public.made_between') IS NOT NULL").fetchone() == (True,)
            assert connection.info.backend_pid == first
            assert look(database) != first
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("DROP TABLE public.made_between")


def test_nothing_is_kept_without_a_project(database: ConnInfo) -> None:
    """Nor after the last one was closed, nor by those who do not look again."""
    assert look(database) != look(database)
    with looks_kept(), read_only(database) as once:
        pass
    assert once.closed
    with looks_kept(), read_only(database, again=True) as connection:
        pass
    assert connection.closed


def test_a_session_that_cannot_be_used_makes_way(database: ConnInfo) -> None:
    """One that the server has ended, one whose look failed, and one that was to be forgotten."""
    with looks_kept(), contextlib.closing(connect(database)) as other:
        first = look(database)
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
        second = look(database)
        assert second != first
        with pytest.raises(ZeroDivisionError), read_only(database, again=True):
            raise ZeroDivisionError
        third = look(database)
        assert third != second
        assert (forget(database), forget(database)) == (third, 0)
        assert look(database) != third


def test_what_was_kept_for_too_long_is_ended(database: ConnInfo) -> None:
    """It may have other settings than a new one would have."""
    idle: Idle[str] = Idle(seconds=0.0)
    connection = connect(database)
    idle.given_back("it", connection)
    assert (idle.taken("it"), connection.closed) == (None, True)


def test_what_nobody_asks_for_again_does_not_pile_up(database: ConnInfo) -> None:
    """Whoever goes from one database to the next has a session for the last one, and none for all before."""
    idle: Idle[int] = Idle(seconds=0.0)
    connections = [connect(database) for _ in range(3)]
    for number, each in enumerate(connections):
        idle.given_back(number, each)
    assert [each.closed for each in connections] == [True, True, False]
    idle.end_all()
