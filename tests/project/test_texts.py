"""Statements as psql could run them, values as PostgreSQL prints them, and no passwords anywhere."""

from __future__ import annotations

import datetime
import decimal
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Json

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.server import Server
from db_migrate.project import secrets
from db_migrate.project.addresses import policy_for
from db_migrate.project.channel import Channel
from db_migrate.project.child.rendering import literal, plain_parameters, rendered
from db_migrate.project.child.sessions import as_text

VALUES: list[tuple[Any, str]] = [
    (None, "text"),
    (True, "boolean"),
    (-5, "integer"),
    (2**63 - 1, "bigint"),
    (decimal.Decimal("-1.50"), "numeric"),
    (1.25, "double precision"),
    (float("inf"), "double precision"),
    ("it's 100% \\ “quoted”\n$1 %s", "text"),
    (b"\x00\xff'\\", "bytea"),
    ([1, 2, None], "integer[]"),
    ([], "text[]"),
    (["a'b", "c\\d"], "text[]"),
    (datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.UTC), "timestamptz"),
    (datetime.date(2024, 5, 6), "date"),
    (datetime.time(7, 8), "time"),
    (datetime.timedelta(days=1, seconds=2.5), "interval"),
    (uuid.UUID(int=5), "uuid"),
    ({"a": [1, "b'"]}, "jsonb"),
    (Json({"a": 1}), "jsonb"),
]


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """A session on the scratch server."""
    with psycopg.connect(server.conninfo().dsn(), autocommit=True) as found:
        yield found


@pytest.mark.parametrize(("value", "kind"), VALUES, ids=str)
def test_a_literal_is_the_value_that_a_driver_would_send(
    value: Any, kind: str, connection: psycopg.Connection[Any]
) -> None:
    """The server takes the literal and the parameter for the same."""
    sent = connection.execute(f"SELECT %s::{kind}", [Json(value) if isinstance(value, dict) else value]).fetchone()
    assert connection.execute(f"SELECT ({literal(value)})::{kind}".encode()).fetchone() == sent


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_survives_as_a_literal(connection: psycopg.Connection[Any], text: str) -> None:
    """Quotes, backslashes, percent signs and line ends come back as they were."""
    assert connection.execute(f"SELECT {literal(text)}".encode()).fetchone() == (text,)


@pytest.mark.parametrize(
    ("sql", "parameters", "percent", "expected"),
    [
        ("SELECT %(a)s, '100%%'", {"a": "x"}, True, "SELECT 'x', '100%'"),
        ("SELECT %s, %s, '%%s'", ("x", 1), True, "SELECT 'x', 1, '%s'"),
        ("SELECT %%", (), True, "SELECT %"),
        ("SELECT '100%%'", (), False, "SELECT '100%%'"),
        ("SELECT $2, $1, $10", tuple(range(10)), False, "SELECT 1, 0, 9"),
        ("SELECT %(a)s", {"a": "%(a)s %s"}, True, "SELECT '%(a)s %s'"),
        ("SELECT 1", {}, True, "SELECT 1"),
        ("SELECT $1", None, False, "SELECT $1"),
    ],
)
def test_a_statement_is_rendered_by_its_drivers_rules(sql: str, parameters: Any, percent: bool, expected: str) -> None:
    """Placeholders of both kinds, doubled percent signs, and values that look like placeholders."""
    assert rendered(sql, parameters, percent=percent) == expected


def test_values_are_told_as_text() -> None:
    """Text, numbers, booleans, times and collections as PostgreSQL would print them; nothing stays nothing."""
    moment = datetime.datetime(2024, 5, 6, 7, 8, tzinfo=datetime.UTC)
    assert as_text(moment) == "2024-05-06 07:08:00+00:00"
    assert (as_text(True), as_text(None), as_text(5), as_text(b"\x01")) == ("t", None, "5", "\\x01")
    assert as_text([1, None, {"a": moment}]) == '[1, null, {"a": "2024-05-06 07:08:00+00:00"}]'
    assert plain_parameters({"a": (1, [None, "x"])}) == {"a": ["1", [None, "x"]]}


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql+psycopg://user:s3cr3t@host/db", "s3cr3t"),
        ("host=x password=s3cr3t dbname=y", "s3cr3t"),
        ("host=x password='s3 cr3t' dbname=y", "s3 cr3t"),
        ("PASSWORD = s3cr3t, host = x", "s3cr3t"),
        ("CREATE ROLE a LOGIN PASSWORD 's3cr3t'", "s3cr3t"),
        ("ALTER USER a WITH ENCRYPTED PASSWORD 's3''cr3t'", "cr3t"),
        ('{"password": "s3cr3t"}', "s3cr3t"),
        ("{'password': 's3cr3t'}", "s3cr3t"),
        ("CREATE USER MAPPING FOR a SERVER b OPTIONS (user 'u', password 's3cr3t')", "s3cr3t"),
        ("http://:s3cr3t@h/x", "s3cr3t"),
    ],
)
def test_what_looks_like_a_password_is_hidden(text: str, hidden: str) -> None:
    """URLs, connection strings, statements and dictionaries lose their password and nothing else."""
    found = secrets.redact(text)
    assert hidden not in found
    assert secrets.HIDDEN in found
    assert secrets.redact("no pass word in here; user@host") == "no pass word in here; user@host"


def test_a_password_that_was_seen_is_hidden_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In plain and percent-encoded; but not inside of other words, and not when it is also a name."""
    monkeypatch.setattr(secrets, "_known", {})
    secrets.remember("p@ss word!")
    secrets.remember("mesh", "mesh")
    secrets.remember("abc")
    secrets.remember("table")
    assert (
        secrets.redact("failed for p@ss word! and p%40ss%20word%21 and p%40ss+word%21")
        == "failed for *** and *** and ***"
    )
    assert secrets.redact("mesh abc tables table") == "mesh abc tables ***"


def test_passwords_of_the_environment_are_hidden_before_anybody_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of URLs, as they are spelled there and as they are, and libpq's; a name that is one too stays readable."""
    monkeypatch.setattr(secrets, "_known", {})
    secrets.remember_environment(
        {
            "A": "postgresql+psycopg://me:one p%40ss 'x'@h:5432/app?ssl=1",
            "B": "redis://:two/p@ss@h",
            "C": "postgresql://mesh:mesh@h/mesh",
            "D": "postgresql://me@h/app",
            "PGPASSWORD": "three",
        }
    )
    shown = secrets.redact("one p%40ss 'x' | one p@ss 'x' | one%20p%40ss%20%27x%27 | two/p@ss | three | mesh | app")
    assert shown == "*** | *** | *** | *** | *** | mesh | app"


def test_only_the_allowed_servers_addresses_are_in_the_policy(tmp_path: Path) -> None:
    """Sockets by their real path, addresses by number; name servers only where there is a name to ask for."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    address = ConnInfo(str(link), 5433).as_libpq()
    found = policy_for([address, {"host": "127.0.0.1", "port": "5434"}, {"hostaddr": "::1", "host": "x.invalid"}])
    assert found.unix == {f"{tmp_path.resolve()}/.s.PGSQL.5433"}
    assert found.inet == {("127.0.0.1", 5434), ("::1", 5432)}
    assert not found.resolvers
    assert policy_for([{"host": "localhost"}]).resolvers


def test_a_message_may_have_any_text_in_it() -> None:
    """User code may hold texts that UTF-8 cannot write: they are told with escapes, and the child lives on."""
    read, write = os.pipe()
    channel = Channel(read, write)
    for text, shown in (("half \ud83d", "half \\ud83d"), ("whole 😀", "whole 😀")):
        channel.send(Told(text, {"key": [text, None, 1]}))
        found = channel.receive(Told)
        assert found == Told(shown, {"key": [shown, None, 1]})
    channel.close()


class Told(msgspec.Struct, tag="told"):
    """A message."""

    text: str
    more: dict[str, list[str | int | None]]
