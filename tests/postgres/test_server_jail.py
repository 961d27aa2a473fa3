"""What the embedded server's kernel refuses it: to call anybody, to write anywhere else, to signal others."""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

from .servers import wait_until


@pytest.fixture
def listeners() -> Iterator[tuple[int, str, list[str]]]:
    """Real listeners on TCP and on a Unix socket named as PostgreSQL's, and the list of connections they saw."""
    seen: list[str] = []
    folder = tempfile.mkdtemp(prefix="dbm-", dir="/tmp")
    tcp, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    unix.bind(f"{folder}/.s.PGSQL.5432")
    unix.listen()
    threads = [
        threading.Thread(target=record, args=(name, listener, seen))
        for name, listener in (("tcp", tcp), ("unix", unix))
    ]
    for thread in threads:
        thread.start()
    yield int(tcp.getsockname()[1]), folder, seen
    for listener in (tcp, unix):
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()
    shutil.rmtree(folder)


def record(name: str, listener: socket.socket, seen: list[str]) -> None:
    """Note each connection until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            seen.append(name)
            connection.close()


def test_the_listeners_of_these_tests_do_see_connections(listeners: tuple[int, str, list[str]]) -> None:
    """The next test would otherwise prove nothing."""
    port, folder, seen = listeners
    with socket.create_connection(("127.0.0.1", port)), socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{folder}/.s.PGSQL.5432")
    wait_until(lambda: sorted(seen) == ["tcp", "unix"])


@pytest.mark.parametrize("which", ["database", "database15"])
def test_nothing_in_the_scratch_server_can_call_anybody(
    which: str, request: pytest.FixtureRequest, listeners: tuple[int, str, list[str]]
) -> None:
    """dblink, subscriptions, foreign tables and programs started by COPY reach no listener, by TCP or Unix socket."""
    conninfo: ConnInfo = request.getfixturevalue(which)
    port, folder, seen = listeners
    addresses = [f"host=127.0.0.1 port={port}", f"host={folder}", "host=127.0.0.1"]
    script = folder + "/call.py"
    Path(script).write_text(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))\n")
    with contextlib.closing(connect(conninfo)) as connection:
        connection.execute("CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw")
        for number, address in enumerate(addresses):
            with pytest.raises(psycopg.Error):
                connection.execute("SELECT dblink_connect(%s)", [f"{address} connect_timeout=2"])
            with pytest.raises(psycopg.Error):
                connection.execute(f"CREATE SUBSCRIPTION s{number} CONNECTION '{address}' PUBLICATION p".encode())
        connection.execute(f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{folder}')".encode())
        connection.execute("CREATE USER MAPPING FOR public SERVER far OPTIONS (user 'x', password_required 'false')")
        connection.execute("CREATE FOREIGN TABLE f (a int) SERVER far")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT * FROM f")
        with pytest.raises(psycopg.errors.ExternalRoutineException):
            connection.execute(f"COPY (SELECT 1) TO PROGRAM '{sys.executable} {script}'".encode())
    assert seen == []


def test_the_jail_is_named(server: Server) -> None:
    """On a machine that allows a jail there is one, and no warning; else there is a warning that says what follows."""
    assert server.jail in ("seccomp", "namespace", "none")
    assert bool(server.warnings) == (server.jail == "none")


def test_a_program_started_by_copy_fails_for_the_jail_and_not_for_itself(database: ConnInfo, tmp_path: Path) -> None:
    """COPY does run programs here; it is the connection that the kernel denies."""
    script = "import socket,sys; s = socket.socket(socket.AF_UNIX); print(s.connect_ex(sys.argv[1]))"
    (tmp_path / "call.py").write_text(script)
    with contextlib.closing(connect(database)) as connection:
        connection.execute("CREATE TABLE said (what text)")
        command = f"{sys.executable} {tmp_path}/call.py {database.host}/.s.PGSQL.{database.port}"
        connection.execute(f"COPY said FROM PROGRAM '{command}'".encode())
        assert connection.execute("SELECT what FROM said").fetchone() == (str(errno.EACCES),)


@pytest.mark.landlock
@pytest.mark.parametrize("which", ["database", "database15"])
def test_the_scratch_server_writes_nowhere_else(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Neither COPY TO a file nor a program that COPY starts changes a file, or a process, of the machine."""
    conninfo: ConnInfo = request.getfixturevalue(which)
    tmp_path.chmod(0o777)
    precious = tmp_path / "precious"
    precious.write_text("content")
    precious.chmod(0o666)
    with contextlib.closing(connect(conninfo)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"COPY (SELECT 1) TO '{tmp_path}/new'".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"COPY (SELECT 1) TO '{precious}'".encode())
        for command in (f"rm {precious}", f"touch {tmp_path}/new", f"sh -c ''echo > {precious}''"):
            with pytest.raises(psycopg.errors.ExternalRoutineException):
                connection.execute(f"COPY (SELECT 1) TO PROGRAM '{command}'".encode())
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert precious.read_text() == "content"


@pytest.mark.landlock
def test_programs_in_the_scratch_server_cannot_signal_others(database: ConnInfo) -> None:
    """Where the kernel can keep signals inside (Landlock ABI 6), a program that COPY starts cannot kill anybody."""
    with subprocess.Popen(["sleep", "60"]) as victim, contextlib.closing(connect(database)) as connection:
        try:
            with pytest.raises(psycopg.errors.ExternalRoutineException):
                connection.execute(f"COPY (SELECT 1) TO PROGRAM 'kill {victim.pid}'".encode())
            assert victim.poll() is None
        finally:
            victim.kill()
