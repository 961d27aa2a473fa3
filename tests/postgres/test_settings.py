"""What a target gives its sessions is given to sessions on the scratch copy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.roles import RoleSpec, ensure_roles
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect
from db_migrate.postgres.settings import SessionSetting, apply_settings, read_settings


@pytest.fixture
def role(server: Server, database: ConnInfo) -> Iterator[str]:
    """A role that may log in, of this test only."""
    name = f"app_{database.dbname}"
    with contextlib.closing(connect(server.conninfo())) as superuser:
        ensure_roles(superuser, [RoleSpec(name), RoleSpec(f"{name}_other")], login=name)
        yield name
        superuser.execute(f"DROP ROLE {name}, {name}_other".encode())


def test_settings_are_read_and_applied(server: Server, database: ConnInfo, role: str) -> None:
    """Of the database, of the role, and of the role in the database, which wins; other roles' are left out."""
    n = database.dbname
    with contextlib.closing(connect(database)) as connection:
        connection.execute(
            f"""
            ALTER DATABASE {n} SET search_path = app, "Odd, name", public; ALTER DATABASE {n} SET lock_timeout = '3s';
            ALTER ROLE {role} SET lock_timeout = '5s'; ALTER ROLE {role} SET app.tenant = 'a=b';
            ALTER ROLE {role} IN DATABASE {n} SET lock_timeout = '7s';
            GRANT {role}_other TO {role}; ALTER ROLE {role} SET role = '{role}_other';
            ALTER ROLE {role}_other IN DATABASE {n} SET lock_timeout = '9s';
            ALTER DATABASE {n} SET session_preload_libraries = 'auto_explain';
            """.encode()
        )
        found = read_settings(connection, [role])
    assert set(found) == {
        SessionSetting(None, "search_path", 'app, "Odd, name", public'),
        SessionSetting(None, "lock_timeout", "3s"),
        SessionSetting(role, "lock_timeout", "7s"),
        SessionSetting(role, "app.tenant", "a=b"),
        SessionSetting(role, "role", f"{role}_other"),
    }
    with scratch_database(server) as copy:
        with contextlib.closing(connect(copy)) as connection:
            assert apply_settings(connection, found) == ()
        names = ("'search_path'", "'lock_timeout'", "'app.tenant', true", "'role'")
        query = "SELECT " + ", ".join(f"current_setting({name})" for name in names)
        with contextlib.closing(connect(copy.replace(user=role))) as connection:
            assert connection.execute(query.encode()).fetchone() == (
                'app, "Odd, name", public',
                "7s",
                "a=b",
                f"{role}_other",
            )
        with contextlib.closing(connect(copy)) as connection:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            assert row[:2] == ('app, "Odd, name", public', "3s")


def test_what_the_server_does_not_know_is_returned(database: ConnInfo) -> None:
    """A parameter of another version is no obstacle, and is named."""
    unknown = SessionSetting(None, "parameter_of_the_future", "on")
    wrong = SessionSetting(None, "lock_timeout", "soon")
    good = SessionSetting(None, "lock_timeout", "2s")
    with contextlib.closing(connect(database)) as connection:
        assert apply_settings(connection, [unknown, wrong, good]) == (unknown, wrong)
    with contextlib.closing(connect(database)) as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("2s",)
