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
    """Of the database, of the role, and of both, which wins; neither those of other roles nor limits on time."""
    n = database.dbname
    with contextlib.closing(connect(database)) as connection:
        connection.execute(
            f"""
            ALTER DATABASE {n} SET search_path = app, "Odd, name", public; ALTER DATABASE {n} SET work_mem = '3MB';
            ALTER ROLE {role} SET work_mem = '5MB'; ALTER ROLE {role} SET app.tenant = 'a=b';
            ALTER ROLE {role} IN DATABASE {n} SET work_mem = '7MB';
            GRANT {role}_other TO {role}; ALTER ROLE {role} SET role = '{role}_other';
            ALTER ROLE {role}_other IN DATABASE {n} SET work_mem = '9MB';
            ALTER DATABASE {n} SET session_preload_libraries = 'auto_explain';
            ALTER DATABASE {n} SET statement_timeout = '1s'; ALTER ROLE {role} SET lock_timeout = '10ms';
            """.encode()
        )
        found = read_settings(connection, [role])
    assert set(found) == {
        SessionSetting(None, "search_path", 'app, "Odd, name", public'),
        SessionSetting(None, "work_mem", "3MB"),
        SessionSetting(role, "work_mem", "7MB"),
        SessionSetting(role, "app.tenant", "a=b"),
        SessionSetting(role, "role", f"{role}_other"),
    }
    with scratch_database(server) as copy:
        with contextlib.closing(connect(copy)) as connection:
            assert apply_settings(connection, found) == ()
        names = ("'search_path'", "'work_mem'", "'app.tenant', true", "'role'")
        query = "SELECT " + ", ".join(f"current_setting({name})" for name in names)
        with contextlib.closing(connect(copy.replace(user=role))) as connection:
            assert connection.execute(query.encode()).fetchone() == (
                'app, "Odd, name", public',
                "7MB",
                "a=b",
                f"{role}_other",
            )
        with contextlib.closing(connect(copy)) as connection:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            assert row[:2] == ('app, "Odd, name", public', "3MB")


def test_what_the_server_does_not_know_is_returned(database: ConnInfo) -> None:
    """A parameter of another version is no obstacle, and is named."""
    unknown = SessionSetting(None, "parameter_of_the_future", "on")
    wrong = SessionSetting(None, "work_mem", "soon")
    good = SessionSetting(None, "work_mem", "2MB")
    with contextlib.closing(connect(database)) as connection:
        assert apply_settings(connection, [unknown, wrong, good]) == (unknown, wrong)
    with contextlib.closing(connect(database)) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("2MB",)
