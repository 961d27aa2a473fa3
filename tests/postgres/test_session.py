"""Our own connections: timeouts, names, and errors that tell what is wrong without telling the password."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.conftest import OLDER

from db_migrate.errors import ConnectionLost, Failed
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


def test_a_look_is_limited_where_others_are(target_database: ConnInfo, database: ConnInfo) -> None:
    """A statement on the target is; one on a scratch server takes as long as a busy machine needs."""
    for address, limit in ((target_database, "1min"), (database, "0")):
        with read_only(address) as reader:
            assert setting(reader, "statement_timeout") == limit


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


def looked_ended(address: ConnInfo, how: str) -> None:
    """Look at a database while somebody else ends the session."""
    with contextlib.closing(connect(address)) as other, read_only(address) as reader:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [reader.info.backend_pid])
        if how == "a copy":
            with reader.cursor().copy("COPY (SELECT 1) TO STDOUT") as copy:
                copy.read()
        if how == "what does not wait":
            with contextlib.suppress(ConnectionLost):
                reader.execute("SELECT 1")
            with reader.transaction():
                pass
        reader.execute("SELECT 1")


def asked_ended(address: ConnInfo, *, told: bool) -> None:
    """Ask in a session that somebody else has ended."""
    with contextlib.closing(connect(address)) as other, contextlib.closing(connect(address, told=told)) as ended:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [ended.info.backend_pid])
        ended.execute("SELECT 1")


def test_a_session_that_the_server_ends_is_told(target_database: ConnInfo, database: ConnInfo) -> None:
    """Whatever notices it says so, and whether it was the target's or a scratch server's; a run's own is psycopg's."""
    for address, code in ((target_database, "connect.lost"), (database, "scratch.lost")):
        for how in ("a statement", "what does not wait", "a copy"):
            with pytest.raises(ConnectionLost) as caught:
                looked_ended(address, how)
            report = caught.value.report()
            assert (report.code, caught.value.exit_code) == (code, 4), how
            assert all((report.why, report.where, report.state, report.next)), report
            assert target_database.password is not None
            assert target_database.password not in repr(report)
        with pytest.raises(ConnectionLost):
            asked_ended(address, told=True)
        with pytest.raises(psycopg.OperationalError):
            asked_ended(address, told=False)


def canceled(address: ConnInfo) -> None:
    """Look at a database while somebody else cancels what is asked."""
    query = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    with (
        contextlib.closing(connect(address)) as other,
        ThreadPoolExecutor(1) as pool,
        read_only(address) as reader,
    ):
        slept = pool.submit(reader.execute, "SELECT pg_sleep(60)")
        while other.execute(query, [reader.info.backend_pid]).fetchone() is None:
            assert not slept.done()
        slept.result()


def test_a_look_that_somebody_cancels_is_told(target_database: ConnInfo) -> None:
    """What it asked has no answer: that is no mistake of ours, and none is made up."""
    with pytest.raises(Failed) as caught:
        canceled(target_database)
    assert (caught.value.code, caught.value.exit_code) == ("target.canceled", 4)
    assert "user request" in caught.value.why


def test_a_server_gets_as_long_as_the_environment_says(
    target_database: ConnInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no longer; an address that says it in no number is told as the reason."""
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Failed) as caught:
            connect(target_database.replace(port=silent.getsockname()[1]))
        assert 1 < time.monotonic() - began < 9
        assert (caught.value.code, "timeout" in caught.value.why) == ("connect.failed", True)
    with pytest.raises(Failed) as caught:
        connect(target_database.replace(options={"connect_timeout": "soon"}))
    assert (caught.value.code, "'soon'" in caught.value.why) == ("connect.failed", True)


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
