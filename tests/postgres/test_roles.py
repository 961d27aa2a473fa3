"""Roles are read from a target and made again on scratch, and do not pile up there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db_migrate.errors import Failed
from db_migrate.postgres import roles
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.roles import RoleSpec, ensure_roles, read_roles, reset_roles
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server, scratch_server
from db_migrate.postgres.session import connect

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that no other test shares: roles are the whole server's."""
    with scratch_server(runtime_dir=tmp_path_factory.mktemp("roles")) as server:
        yield server


@pytest.fixture
def superuser(own_server: Server) -> Iterator[Connection]:
    """The superuser's connection to that server."""
    with contextlib.closing(connect(own_server.conninfo())) as connection:
        yield connection
    reset_roles(own_server)


def role_names(connection: Connection) -> set[str]:
    """All roles but those that PostgreSQL comes with."""
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND oid <> 10").fetchall()
    return {str(name) for (name,) in rows}


def test_the_roles_that_a_database_names_are_read(target_database: ConnInfo) -> None:
    """Owners, grantees, roles of policies, their groups, and who reads; not the roles of other databases."""
    n = target_database.dbname
    with contextlib.closing(connect(target_database)) as connection:
        connection.execute(
            f"""
            CREATE ROLE {n}_group BYPASSRLS; CREATE ROLE {n}_owner CREATEDB NOINHERIT IN ROLE {n}_group;
            CREATE ROLE {n}_reader LOGIN; CREATE ROLE {n}_policy CREATEROLE; CREATE ROLE {n}_stranger;
            GRANT {n}_reader TO {n}_policy WITH ADMIN OPTION; GRANT pg_monitor TO {n}_owner;
            CREATE SCHEMA s AUTHORIZATION {n}_owner; CREATE TABLE s.t (a int); GRANT SELECT ON s.t TO {n}_reader;
            CREATE POLICY p ON s.t TO {n}_policy;
            """.encode()
        )
        found = {spec.name.removeprefix(f"{n}_"): spec for spec in read_roles(connection)}
    assert set(found) == {"postgres", "group", "owner", "reader", "policy"}
    assert found["owner"] == RoleSpec(
        f"{n}_owner", createdb=True, inherit=False, member_of=("pg_monitor", f"{n}_group")
    )
    assert found["group"] == RoleSpec(f"{n}_group", bypassrls=True)
    assert found["policy"] == RoleSpec(
        f"{n}_policy", createrole=True, member_of=(f"{n}_reader",), admin_of=(f"{n}_reader",)
    )
    assert found["postgres"].superuser


def test_an_ordinary_role_can_read_the_roles(target_database: ConnInfo) -> None:
    """No privilege is needed, and the role itself is among those read."""
    n = target_database.dbname
    with contextlib.closing(connect(target_database)) as connection:
        connection.execute(f"CREATE ROLE {n}_plain LOGIN PASSWORD 'x'".encode())
    with contextlib.closing(connect(target_database.replace(user=f"{n}_plain", password="x"))) as connection:
        assert f"{n}_plain" in {spec.name for spec in read_roles(connection)}


SPECS = (
    RoleSpec("app owner", createdb=True, inherit=False, member_of=("grp", "pg_monitor"), admin_of=("grp",)),
    RoleSpec("grp", bypassrls=True),
)


def test_roles_are_made_as_they_were_read(own_server: Server, superuser: Connection) -> None:
    """What was ensured reads back the same, without login but for the one that runs."""
    assert ensure_roles(superuser, SPECS, login="app owner") == ()
    with scratch_database(own_server, owner="app owner") as database:
        with contextlib.closing(connect(database.replace(user="app owner"))) as connection:
            found = {spec.name: spec for spec in read_roles(connection)}
        with pytest.raises(Failed, match="does not let 'grp' in"):
            connect(database.replace(user="grp"))
    assert found["app owner"] == SPECS[0]
    assert found["grp"] == SPECS[1]


def test_ensuring_again_changes_what_differs(superuser: Connection) -> None:
    """Attributes and memberships of an earlier target do not stick to the role of the same name."""
    ensure_roles(superuser, SPECS)
    ensure_roles(superuser, [RoleSpec("app owner", createrole=True), RoleSpec("grp")])
    row = superuser.execute("SELECT rolcreatedb, rolcreaterole, rolinherit FROM pg_roles WHERE rolname = 'app owner'")
    assert row.fetchone() == (False, True, True)
    members = "SELECT count(*) FROM pg_auth_members WHERE member = '\"app owner\"'::regrole"
    assert superuser.execute(members).fetchone() == (0,)


def test_a_predefined_role_that_is_missing_is_named(superuser: Connection) -> None:
    """Membership in a role that this version does not have is reported, the rest is made."""
    specs = [RoleSpec("app", member_of=("pg_of_the_future", "pg_monitor"))]
    assert ensure_roles(superuser, specs) == ("app in pg_of_the_future",)
    assert "app" in role_names(superuser)


def test_roles_that_a_revision_made_are_gone_after_the_scratch_database(
    own_server: Server, superuser: Connection
) -> None:
    """CREATE ROLE in a revision works the second time as well."""
    for _ in range(2):
        with scratch_database(own_server) as database, contextlib.closing(connect(database)) as connection:
            connection.execute("CREATE ROLE made_by_revision; CREATE TABLE t (); GRANT SELECT ON t TO made_by_revision")
        assert "made_by_revision" not in role_names(superuser)


def test_ensured_roles_stay_until_they_are_reset(own_server: Server, superuser: Connection) -> None:
    """A role that this process asked for survives its scratch databases, and goes with reset_roles."""
    ensure_roles(superuser, [RoleSpec("wanted")])
    with scratch_database(own_server):
        pass
    assert "wanted" in role_names(superuser)
    assert reset_roles(own_server) == ("wanted",)


def test_a_role_that_a_database_needs_is_not_reset(own_server: Server, superuser: Connection) -> None:
    """Roles with objects somewhere stay."""
    ensure_roles(superuser, [RoleSpec("owner_of_much")])
    with scratch_database(own_server, owner="owner_of_much"):
        assert "owner_of_much" not in reset_roles(own_server)
    assert "owner_of_much" in reset_roles(own_server)


def test_a_role_that_another_process_asked_for_is_not_reset(own_server: Server, superuser: Connection) -> None:
    """Two processes need the role of one name: it stays while the other one lives, whoever asked last."""
    program = """
import contextlib, sys
from pathlib import Path
from db_migrate.postgres.roles import RoleSpec, ensure_roles
from db_migrate.postgres.server import scratch_server
from db_migrate.postgres.session import connect
folder = Path(sys.argv[1])
with scratch_server(runtime_dir=folder) as server, contextlib.closing(connect(server.conninfo())) as connection:
    ensure_roles(connection, [RoleSpec("common")])
print("ready", flush=True)
sys.stdin.read()
"""
    folder = own_server.instance.directory.parent
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(roles.__file__).parents[2])},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        ensure_roles(superuser, [RoleSpec("common")])
        assert reset_roles(own_server) == ()
    assert reset_roles(own_server) == ("common",)
