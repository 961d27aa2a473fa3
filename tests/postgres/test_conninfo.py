"""Addresses: every spelling that a project may use comes out as the same address."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from db_migrate.errors import ConfigurationError
from db_migrate.postgres.conninfo import ConnInfo


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say themselves what the environment holds."""
    for variable in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(variable)


FULL = ConnInfo("h.example", 6543, "u", "p@ss", "db")

URLS: list[tuple[str, ConnInfo]] = [
    ("postgresql://u:p%40ss@h.example:6543/db", FULL),
    ("postgres://u:p%40ss@h.example:6543/db", FULL),
    ("postgresql+psycopg://u:p%40ss@h.example:6543/db", FULL),
    ("postgresql+psycopg2://u:p%40ss@h.example:6543/db", FULL),
    ("postgresql+asyncpg://u:p%40ss@h.example:6543/db", FULL),
    ("postgresql+asyncpg://u:p%40ss@h.example:6543/db?prepared_statement_cache_size=0", FULL),
    ("host=h.example port=6543 user=u password='p@ss' dbname=db", FULL),
    ("postgresql://?host=h.example&port=6543&user=u&password=p%40ss&dbname=db", FULL),
    ("postgresql+psycopg://u:p%40ss@/db?host=h.example:6543", FULL),
    ("postgresql+psycopg://u@/db?host=/run/pg&port=5433", ConnInfo("/run/pg", 5433, "u", None, "db")),
    ("postgresql://u@%2Frun%2Fpg:5433/db", ConnInfo("/run/pg", 5433, "u", None, "db")),
    ("postgresql://u@[::1]:5433/db", ConnInfo("::1", 5433, "u", None, "db")),
    ("postgresql+asyncpg://u@h/db?ssl=require", ConnInfo("h", 5432, "u", None, "db", {"sslmode": "require"})),
    (
        "postgresql://u@h/db?sslmode=verify-full&sslrootcert=/ca.pem&application_name=web",
        ConnInfo("h", 5432, "u", None, "db", {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
    ),
    ("postgresql://u@h", ConnInfo("h", 5432, "u", None, "u")),
    ("postgresql+psycopg://u:%25%2F%3A%20@h/db", ConnInfo("h", 5432, "u", "%/: ", "db")),
]


@pytest.mark.parametrize(("url", "expected"), URLS, ids=[url for url, _ in URLS])
def test_each_spelling_is_understood(url: str, expected: ConnInfo) -> None:
    """SQLAlchemy URLs, libpq URIs and keyword strings give host, port, user, password, database and options."""
    assert ConnInfo.from_url(url) == expected


PARAMETERS: list[tuple[str, Mapping[str, object], ConnInfo]] = [
    ("postgresql+psycopg", {"host": "h", "dbname": "db", "user": "u"}, ConnInfo("h", 5432, "u", None, "db")),
    (
        "postgresql+psycopg2",
        {"dsn": "host=h dbname=other password=x", "dbname": "db", "user": "u"},
        ConnInfo("h", 5432, "u", "x", "db"),
    ),
    (
        "postgresql+asyncpg",
        {
            "host": "h",
            "port": 1,
            "user": "u",
            "password": "p",
            "database": "db",
            "ssl": True,
            "server_settings": {"a": "b"},
        },
        ConnInfo("h", 1, "u", "p", "db", {"sslmode": "require"}),
    ),
    (
        "postgresql+asyncpg",
        {"host": ["h"], "port": [7], "user": "u", "database": "db"},
        ConnInfo("h", 7, "u", None, "db"),
    ),
    (
        "postgresql+pg8000",
        {"host": "h", "user": "u", "database": "db", "ssl_context": object()},
        ConnInfo("h", 5432, "u", None, "db"),
    ),
    (
        "postgresql+psycopg",
        {"host": "h", "user": "u", "dbname": "db", "options": "-csearch_path=app", "row_factory": print},
        ConnInfo("h", 5432, "u", None, "db", {"options": "-csearch_path=app"}),
    ),
]


@pytest.mark.parametrize(("driver", "parameters", "expected"), PARAMETERS)
def test_driver_arguments_are_understood(driver: str, parameters: Mapping[str, object], expected: ConnInfo) -> None:
    """What SQLAlchemy hands to each driver gives the same address."""
    assert ConnInfo.from_sqlalchemy_params(driver, parameters) == expected


def test_the_environment_fills_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As libpq does: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE."""
    values = {"HOST": "e", "PORT": "7", "USER": "eu", "PASSWORD": "ep", "DATABASE": "ed", "SSLMODE": "require"}
    for name, value in values.items():
        monkeypatch.setenv(f"PG{name}", value)
    options = {"sslmode": "require"}
    assert ConnInfo.from_url("postgresql://") == ConnInfo("e", 7, "eu", "ep", "ed", options)
    assert ConnInfo.from_url("postgresql+psycopg://u:p@h:1/db") == ConnInfo("h", 1, "u", "p", "db", options)


def test_an_address_in_the_environment_is_not_given_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOSTADDR belongs to PGHOST; a host that is spelled out is not sent there."""
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.1")
    assert ConnInfo.from_url("postgresql://u@h/db").options == {}
    assert ConnInfo.from_url("postgresql://u@/db").host == "10.0.0.1"


def test_a_service_fills_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection service comes after what is spelled out and before the environment."""
    (tmp_path / "services").write_text("# comment\n[other]\nhost=no\n[mine]\nhost=s.example\nport=7\nuser=su\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGUSER", "eu")
    expected = ConnInfo("s.example", 7, "su", None, "db")
    assert ConnInfo.from_url("postgresql:///db?service=mine") == expected
    with pytest.raises(ConfigurationError, match="'absent' is not defined"):
        ConnInfo.from_url("service=absent")


UNUSABLE = [
    ("postgresql://a,b/db", "connect.multi-host"),
    ("postgresql+psycopg://u:geheim@/db?host=a:1&host=b:2", "connect.multi-host"),
    ("host=a,b password=geheim", "connect.multi-host"),
    ("mysql://u:geheim@h/db", "connect.url"),
    ("sqlite:///x.db", "connect.url"),
    ("postgresql+psycopg://u:geheim@h:port/db", "connect.url"),
    ("no url at all: geheim", "connect.url"),
    ("host=h port=99999 password=geheim", "connect.url"),
    ("", "connect.url"),
]


@pytest.mark.parametrize(("url", "code"), UNUSABLE)
def test_what_cannot_be_used_is_refused_without_showing_the_password(url: str, code: str) -> None:
    """Several hosts, other databases and garbage are errors; none repeats the password."""
    with pytest.raises(ConfigurationError) as caught:
        ConnInfo.from_url(url)
    error = caught.value
    assert error.code == code
    if url.startswith("no url"):
        return
    assert "geheim" not in f"{error} {error.report()} {error.__cause__} {error.__context__}"


def test_the_password_is_not_shown() -> None:
    """Neither the representation nor the redacted form has it; the connection string has."""
    conninfo = ConnInfo("h", 5432, "u", "geheim", "db")
    assert "geheim" not in repr(conninfo) + str(conninfo) + conninfo.redacted()
    assert conninfo.redacted() == "u@h:5432/db"
    assert "geheim" in conninfo.dsn()


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)


@given(password=TEXT, user=TEXT, dbname=TEXT)
def test_any_password_survives_connection_string_and_url(password: str, user: str, dbname: str) -> None:
    """What is quoted for libpq and for SQLAlchemy is read back as it was, whatever characters it has."""
    conninfo = ConnInfo("h.example", 5433, user, password, dbname)
    assert conninfo_to_dict(conninfo.dsn()) == conninfo.as_libpq()
    assert ConnInfo.from_url(conninfo.dsn()) == conninfo


@given(password=TEXT)
def test_any_password_survives_a_url(password: str) -> None:
    """A URL that we make is read back as it was."""
    for host in ("h.example", "/run/pg"):
        conninfo = ConnInfo(host, 5433, "u", password, "db", {"sslmode": "require"})
        for driver in ("postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"):
            assert ConnInfo.from_url(conninfo.url(driver)) == conninfo


def test_replace_changes_only_what_is_named() -> None:
    """A copy for another database of the same server keeps the rest."""
    changed = FULL.replace(dbname="other")
    assert (changed.dbname, changed.password) == ("other", "p@ss")
    assert changed.same_server(FULL)


def test_same_server_knows_the_names_of_this_machine(tmp_path: Path) -> None:
    """localhost has several spellings, a socket's folder may be linked, ports tell servers apart."""
    assert ConnInfo("localhost").same_server(ConnInfo("127.0.0.1"))
    assert ConnInfo("H.example").same_server(ConnInfo("h.example"))
    assert not ConnInfo("localhost").same_server(ConnInfo("localhost", 5433))
    (tmp_path / "link").symlink_to(tmp_path)
    assert ConnInfo(str(tmp_path)).same_server(ConnInfo(str(tmp_path / "link")))
    assert not ConnInfo(str(tmp_path)).same_server(ConnInfo("localhost"))


SPELLED = st.text("ab0_-.~%+ é", min_size=1, max_size=8)


@given(user=SPELLED, password=st.none() | SPELLED, host=st.sampled_from(["h", "db.example.com", "127.0.0.1"]))
def test_a_plain_url_is_read_as_sqlalchemy_reads_it(user: str, password: str | None, host: str) -> None:
    """With or without percent-encoding, a password and a port; what is odd is left to SQLAlchemy itself."""
    for spelled in (str, quote):
        for port in ("", ":5433"):
            secret = "" if password is None else f":{spelled(password)}"
            url = f"postgresql+psycopg://{spelled(user)}{secret}@{host}{port}/app"
            wanted, found = make_url(url), ConnInfo.from_url(url)
            assert (found.user, found.password, found.host, found.port, found.dbname) == (
                wanted.username,
                wanted.password,
                wanted.host,
                wanted.port or 5432,
                wanted.database,
            )


def test_a_plain_url_is_read_without_sqlalchemy() -> None:
    """Commands that only look need it for nothing else, and importing it takes time."""
    code = (
        "import sys; from db_migrate.postgres.conninfo import ConnInfo; "
        "ConnInfo.from_url('postgresql+psycopg://u:p%40@h:1/d'); print('sqlalchemy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
