"""Our own connections: timeouts, names, and errors that tell what is wrong without telling the password."""

from __future__ import annotations

import contextlib
import os
import socket
import traceback

import psycopg
import pytest
from tests.conftest import OLDER

from db_migrate.errors import Failed
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect, read_only, server_version


def setting(connection: psycopg.Connection[tuple[object, ...]], name: str) -> object:
    """The value of a configuration parameter in this session."""
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return row[0]


def test_a_session_has_the_timeouts_and_the_name_asked_for(database: ConnInfo) -> None:
    """Timeouts in milliseconds, the application's name, and further settings arrive at the server."""
    with contextlib.closing(
        connect(
            database,
            application_name="db-migrate test",
            lock_timeout_ms=50,
            statement_timeout_ms=1500,
            settings={"search_path": 'a, "b c"'},
        )
    ) as connection:
        expected = {
            "application_name": "db-migrate test",
            "lock_timeout": "50ms",
            "statement_timeout": "1500ms",
            "search_path": 'a, "b c"',
            "client_connection_check_interval": "10s",
            "idle_in_transaction_session_timeout": "10min",
        }
        assert {name: setting(connection, name) for name in expected} == expected
        assert connection.autocommit


def test_a_session_can_leave_committing_to_the_caller(database: ConnInfo) -> None:
    """Without autocommit a transaction is begun by the first statement, not by our settings."""
    with contextlib.closing(connect(database, autocommit=False)) as connection:
        before = connection.info.transaction_status.name
        connection.execute("SELECT 1")
        assert (before, connection.info.transaction_status.name) == ("IDLE", "INTRANS")


def test_reading_sees_one_state_and_cannot_write(database: ConnInfo) -> None:
    """A read-only session does not see later commits, qualifies names and refuses writes."""
    with contextlib.closing(connect(database)) as writer, read_only(database) as reader:
        assert reader.execute("SELECT to_regclass('public.t')").fetchone() == (None,)
        writer.execute("CREATE TABLE t (a int)")
        assert reader.execute("SELECT count(*) FROM pg_class WHERE relname = 't'").fetchone() == (0,)
        assert setting(reader, "search_path") == "pg_catalog"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("CREATE TABLE u (a int)")


def test_the_version_is_a_number(database: ConnInfo, database15: ConnInfo) -> None:
    """Majors can be told by dividing by 10000."""
    for conninfo, major in ((database, 18), (database15, OLDER)):
        with contextlib.closing(connect(conninfo)) as connection:
            assert server_version(connection) // 10000 == major


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_each_reason_for_no_connection_has_its_code(target_database: ConnInfo) -> None:
    """Wrong password, unknown role, unknown database and nobody there are told apart, without the password."""
    address = target_database
    cases = {
        "connect.authentication": [address.replace(password="wrong geheim"), address.replace(user="nobody_here")],
        "connect.database": [address.replace(dbname="not_there")],
        "connect.failed": [address.replace(port=closed_port()), address.replace(host="/nowhere")],
    }
    for code, addresses in cases.items():
        for wrong in addresses:
            with pytest.raises(Failed) as caught:
                connect(wrong, connect_timeout=3)
            assert caught.value.code == code
            shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.report())
            assert "geheim" not in shown
            assert str(address.password) not in shown
            assert wrong.host in shown


def test_a_role_that_does_not_exist_is_named(database: ConnInfo) -> None:
    """On a server that trusts everybody the missing role is what is said."""
    with pytest.raises(Failed, match="'nobody_here' does not exist") as caught:
        connect(database.replace(user="nobody_here"))
    assert caught.value.code == "connect.authentication"


def test_the_environment_does_not_redirect_a_session(database: ConnInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    """What PG variables say at the time of connecting does not change an address that is complete."""
    for name, value in {"PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "x", "PGOPTIONS": "-cnonsense"}.items():
        monkeypatch.setitem(os.environ, name, value)
    with contextlib.closing(connect(database)) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (database.dbname,)
