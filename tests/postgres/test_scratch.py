"""Scratch databases: made, copied, dropped, never leaked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from tests.conftest import OLDER

from db_migrate.errors import Failed
from db_migrate.postgres import scratch
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.server import Server, scratch_server
from db_migrate.postgres.session import connect
from db_migrate.postgres.upkeep import upkeep


def databases(server: Server) -> set[str]:
    """The names of all databases of ``server``."""
    with contextlib.closing(connect(server.conninfo())) as connection:
        return {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()}


def test_a_scratch_database_is_empty_and_gone_afterwards(server: Server) -> None:
    """Within the context there is a new empty database, after it there is none."""
    with scratch.scratch_database(server, purpose="a test") as conninfo:
        with contextlib.closing(connect(conninfo)) as connection:
            tables = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            assert tables.fetchone() == (0,)
        assert conninfo.dbname in databases(server)
    assert conninfo.dbname not in databases(server)


def test_a_scratch_database_is_dropped_under_open_connections(server: Server) -> None:
    """Leaving the context drops the database even while someone is connected to it, and at once.

    By itself PostgreSQL waits for a tenth of a second where it finds somebody.
    """
    seconds = []
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            with scratch.scratch_database(server) as conninfo:
                connection = stack.enter_context(contextlib.closing(connect(conninfo)))
                connection.execute("BEGIN; CREATE TABLE t ()")
                began = time.monotonic()
            seconds.append(time.monotonic() - began)
            assert conninfo.dbname not in databases(server)
    assert min(seconds) < 0.1


def test_prepared_transactions_and_slots_do_not_keep_a_database(server: Server) -> None:
    """A revision that prepares a transaction, makes a slot and marks a template leaves a database that drops."""
    with scratch.scratch_database(server) as conninfo, contextlib.closing(connect(conninfo)) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", [conninfo.dbname])
        connection.execute("CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)")
        connection.execute(f"ALTER DATABASE {conninfo.dbname} IS_TEMPLATE true".encode())
        connection.execute(f"BEGIN; CREATE TABLE t (); PREPARE TRANSACTION '{conninfo.dbname}'".encode())
    assert conninfo.dbname not in databases(server)


def test_what_a_killed_process_left_is_swept_up(server: Server) -> None:
    """The database of a process that was killed -9 is dropped by the next one that makes a scratch database."""
    program = (
        "from db_migrate.postgres.server import scratch_server\n"
        "from db_migrate.postgres.scratch import scratch_database\n"
        "import time\n"
        "with scratch_server() as server, scratch_database(server) as database:\n"
        "    print(database.dbname, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert name in databases(server)
        assert name not in scratch.sweep(server)
        process.send_signal(signal.SIGKILL)
    with scratch.scratch_database(server):
        assert name not in databases(server)


def test_a_reused_process_number_is_not_taken_for_the_owner(server: Server) -> None:
    """A left-over whose process number now belongs to a younger process is dropped as well."""
    name = f"dbm_{os.getpid()}_1_7"
    with contextlib.closing(connect(server.conninfo())) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    assert name in scratch.sweep(server)


def test_databases_of_others_are_left_alone(server: Server) -> None:
    """The sweep drops nothing that is not named by us."""
    with contextlib.closing(connect(server.conninfo())) as connection:
        connection.execute("CREATE DATABASE dbm_of_somebody_else")
        try:
            scratch.sweep(server)
            assert "dbm_of_somebody_else" in databases(server)
        finally:
            connection.execute("DROP DATABASE dbm_of_somebody_else")


def test_a_kept_template_is_found_again_and_copied(server: Server, database: ConnInfo) -> None:
    """What was kept under a key is a template for others, with its content; other keys find nothing."""
    key = f"key of {database.dbname}"
    assert scratch.first_template(server, [key]) is None
    with contextlib.closing(connect(database)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    name = scratch.keep_as_template(server, database, key)
    assert scratch.first_template(server, [key]) == name
    assert scratch.first_template(server, [key + "!"]) is None
    with (
        scratch.scratch_database(server, template=name) as copy,
        contextlib.closing(connect(copy)) as connection,
    ):
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_connection_left_in_a_pool_is_in_nobodys_way(server: Server, database: ConnInfo) -> None:
    """What the project's engine still has open does not keep the database from becoming a template."""
    with contextlib.closing(connect(database)) as left:
        left.execute("CREATE TABLE made ()")
        name = scratch.keep_as_template(server, database, f"left open {database.dbname}")
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
    with scratch.scratch_database(server, template=name) as copy, contextlib.closing(connect(copy)) as connection:
        assert connection.execute("SELECT to_regclass('made')::text").fetchone() == ("made",)


def test_keeping_twice_keeps_the_first(server: Server, database: ConnInfo) -> None:
    """A second template for the same key is no error and changes nothing."""
    key = f"twice {database.dbname}"
    first = scratch.keep_as_template(server, database, key)
    with contextlib.closing(connect(database)) as connection:
        connection.execute("CREATE TABLE later ()")
    assert scratch.keep_as_template(server, database, key) == first
    with scratch.scratch_database(server, template=first) as copy, contextlib.closing(connect(copy)) as connection:
        assert connection.execute("SELECT to_regclass('later')").fetchone() == (None,)


def test_the_least_recently_used_templates_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the template that was not asked for longest goes first."""
    monkeypatch.setattr(scratch, "_TEMPLATES_KEPT", 2)
    with scratch_server(runtime_dir=tmp_path) as server, scratch.scratch_database(server) as database:
        scratch.keep_as_template(server, database, "first")
        scratch.keep_as_template(server, database, "second")
        assert scratch.first_template(server, ["first"]) is not None
        scratch.keep_as_template(server, database, "third")
        found = {key: scratch.first_template(server, [key]) is not None for key in ("first", "second", "third")}
        assert found == {"first": True, "second": False, "third": True}


def test_a_template_whose_drop_was_interrupted_is_forgotten(server: Server, database: ConnInfo) -> None:
    """Another process has died while it dropped it: the server hangs up on who alters it, and it goes all the same."""
    name = scratch.keep_as_template(server, database, f"half dropped {database.dbname}")
    with contextlib.closing(connect(server.conninfo())) as connection:
        half_dropped = "UPDATE pg_database SET datconnlimit = -2, datistemplate = false WHERE datname = %s"
        connection.execute(half_dropped, [name])
        scratch._forget_template(server, connection, name)
        assert scratch._size(connection, name) == 0  # for who has read its name just before
    assert name not in databases(server)


def test_a_missing_template_is_an_error_that_names_it(server: Server) -> None:
    """Copying what is not there fails with our error, not with the driver's."""
    with (
        pytest.raises(Failed, match="dbt_missing") as caught,
        scratch.scratch_database(server, template="dbt_missing"),
    ):
        pass
    assert caught.value.code == "scratch.template"


def test_a_scratch_database_can_belong_to_a_role(server: Server) -> None:
    """The owner that is named owns the database."""
    with (
        scratch.scratch_database(server, owner="pg_monitor") as conninfo,
        contextlib.closing(connect(conninfo)) as connection,
    ):
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        assert connection.execute(owner).fetchone() == ("pg_monitor",)
        assert connection.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database").fetchone()


def upkeep_process(server: Server) -> int:
    """The number of the server's process in which scratch databases are made now."""
    with upkeep(server) as connection:
        return connection.info.backend_pid


def test_scratch_databases_share_a_session_that_the_server_may_end(server: Server) -> None:
    """All are made and dropped in one session; one that was ended, or saw an error, makes way for another."""
    first = upkeep_process(server)
    with scratch.scratch_database(server):
        assert upkeep_process(server) == first
    assert upkeep_process(server) == first
    with contextlib.closing(connect(server.conninfo())) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    with scratch.scratch_database(server) as conninfo:
        assert conninfo.dbname in databases(server)
    second = upkeep_process(server)
    assert second != first
    with pytest.raises(Failed), scratch.scratch_database(server, template="dbt_missing"):
        pass
    assert upkeep_process(server) != second


def test_two_at_once_have_a_session_each(server: Server) -> None:
    """Who finds the session in use gets one more, and one of them is kept."""
    with upkeep(server) as one, upkeep(server) as other:
        assert one.info.backend_pid != other.info.backend_pid
    assert one.closed != other.closed


def test_a_forked_process_leaves_the_session_alone(server: Server) -> None:
    """It says no goodbye in its parent's name when it ends, and gets a session of its own."""
    first = upkeep_process(server)
    child = os.fork()
    if child == 0:
        own = 0
        with contextlib.suppress(BaseException):
            own = upkeep_process(server)
        os._exit(0 if own not in (0, first) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert upkeep_process(server) == first


def test_the_session_ends_with_the_last_use_of_the_server(tmp_path: Path) -> None:
    """Nothing is open after the context, and a server that is started anew gets a new session."""
    with scratch_server(runtime_dir=tmp_path) as own:
        with upkeep(own) as connection:
            pass
        with scratch_server(runtime_dir=tmp_path):
            pass
        assert not connection.closed
    assert connection.closed
    with scratch_server(runtime_dir=tmp_path) as again, scratch.scratch_database(again) as conninfo:
        assert conninfo.dbname in databases(again)


@pytest.mark.usefixtures("server15")
def test_scratch_databases_work_on_15(database15: ConnInfo) -> None:
    """The same on PostgreSQL 15."""
    with contextlib.closing(connect(database15)) as connection:
        assert connection.info.server_version // 10000 == OLDER
