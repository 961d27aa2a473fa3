"""Servers that insist on TLS are read too, though the embedded pg_dump was built without it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from tests.conftest import older

from db_migrate.errors import ConfigurationError, Failed
from db_migrate.postgres import binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.dump import dump_schema
from db_migrate.postgres.session import connect
from db_migrate.postgres.tls import tunnel

CERTIFICATES = Path(__file__).parent / "tls"


class Target(Protocol):
    """What these tests need of the fixture for an ordinary server."""

    socket_dir: Path

    def conninfo(self, dbname: str = "postgres", user: str = "postgres") -> ConnInfo:
        """An address by TCP."""

    def new_database(self) -> ConnInfo:
        """A new database."""


@pytest.fixture
def encrypted(target15_server: Target) -> Iterator[ConnInfo]:
    """A database with a table, on a server that accepts nothing but TLS on TCP."""
    database = target15_server.new_database()
    with contextlib.closing(connect(database)) as connection:
        connection.execute("CREATE TABLE secret_table (a int)")
    data = target15_server.socket_dir / "data"
    for name in ("server.crt", "server.key"):
        shutil.copy(CERTIFICATES / name, data / name)
        os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
        (data / name).chmod(0o600)
    hba = data / "pg_hba.conf"
    before = hba.read_text()
    # By the Unix socket, on which there is never TLS.
    with contextlib.closing(connect(database.replace(host=str(target15_server.socket_dir)))) as connection:
        hba.write_text("local all all trust\nhostssl all all all scram-sha-256\n")
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")
        wait_for_tls(database)
        yield database.replace(host="localhost")
        hba.write_text(before)
        connection.execute("ALTER SYSTEM RESET ssl")
        connection.execute("SELECT pg_reload_conf()")


def wait_for_tls(database: ConnInfo) -> None:
    """Until the server has read its configuration again: connections without TLS are refused."""
    for _ in range(200):
        try:
            connect(database.replace(options={"sslmode": "disable"})).close()
        except Failed:
            return
    raise AssertionError("the server still accepts connections without TLS")


VERIFIED = {"sslmode": "verify-full", "sslrootcert": str(CERTIFICATES / "server.crt")}


@pytest.mark.parametrize("options", [{}, {"sslmode": "require"}, VERIFIED], ids=["prefer", "require", "verify-full"])
def test_an_encrypted_server_is_dumped(encrypted: ConnInfo, options: dict[str, str]) -> None:
    """The embedded pg_dump reads a server that refuses everything but TLS, with passwords of any characters."""
    text = dump_schema(encrypted.replace(options=options), binaries.embedded())
    assert "CREATE TABLE public.secret_table" in text


def test_programs_with_tls_need_no_tunnel(encrypted: ConnInfo) -> None:
    """The distribution's pg_dump connects by itself."""
    found = older()
    assert found is not None
    assert "CREATE TABLE public.secret_table" in dump_schema(encrypted, found)


def test_the_tunnel_is_encrypted_and_passes_queries(encrypted: ConnInfo) -> None:
    """What goes through is TLS for the server, and a large answer arrives whole."""
    with tunnel(encrypted) as inside, contextlib.closing(connect(inside)) as connection:
        assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
        assert not connection.pgconn.ssl_in_use
        row = connection.execute("SELECT repeat('x', 3000000)").fetchone()
        assert row == ("x" * 3_000_000,)
        sent = connection.execute("SELECT length(%s::text)", ["y" * 3_000_000]).fetchone()
        assert sent == (3_000_000,)


@pytest.mark.parametrize(
    "options",
    [
        {"sslmode": "verify-ca", "sslrootcert": str(CERTIFICATES / "other.crt")},
        {"sslmode": "verify-full"},
        {"sslmode": "require", "sslrootcert": str(CERTIFICATES / "other.crt")},
    ],
)
def test_a_server_that_cannot_prove_itself_gets_nothing(
    encrypted: ConnInfo, options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a certificate that nobody we trust has signed, the tunnel ends before a password is sent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with tunnel(encrypted.replace(options=options)) as inside, pytest.raises(Failed):
        connect(inside)


def test_a_wrong_name_is_refused_only_when_names_are_verified(encrypted: ConnInfo) -> None:
    """verify-ca takes the certificate for another name, verify-full does not."""
    by_number = encrypted.replace(host="127.0.0.1")
    with tunnel(by_number.replace(options={**VERIFIED, "sslmode": "verify-ca"})) as inside:
        connect(inside).close()
    with tunnel(by_number.replace(options=VERIFIED)) as inside, pytest.raises(Failed):
        connect(inside)


def test_channel_binding_is_not_given_up_in_silence(encrypted: ConnInfo) -> None:
    """Who requires authentication bound to TLS is told that the embedded programs cannot do it."""
    address = encrypted.replace(options={"channel_binding": "require"})
    with pytest.raises(ConfigurationError) as caught:
        dump_schema(address, binaries.embedded())
    assert caught.value.code == "connect.channel-binding"


def test_a_server_without_tls_is_not_reached_through_the_tunnel(target_database: ConnInfo) -> None:
    """A server that declines TLS is never spoken to in the clear."""
    with tunnel(target_database) as inside, pytest.raises(Failed):
        connect(inside)


def test_the_tunnel_ends_with_its_context(encrypted: ConnInfo) -> None:
    """Afterwards nobody listens, and an open connection through it is cut."""
    with tunnel(encrypted) as inside:
        connection = connect(inside)
    with contextlib.closing(connection), pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    assert not Path(inside.host).exists()
