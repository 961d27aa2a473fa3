"""Copies of the live schema: what takes long to load is kept, and copied while the target has the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import TargetServer
from tests.schemas.projects import ENV, INI

from db_migrate.catalog.objects import Catalog
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import free_roles
from db_migrate.postgres.session import connect, read_only
from db_migrate.project.config import load_config
from db_migrate.schemas.live import copy_of_live
from db_migrate.schemas.scratch import Scratch, open_scratch, read
from db_migrate.schemas.target import Target, VersionTable, look_at

MANY = 300_000
"""Characters in the dump, enough that what it makes is kept."""
SCHEMA = f"""
CREATE ROLE "OWNER" NOLOGIN;
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('one');
CREATE TABLE things (id serial PRIMARY KEY, "NAME" text CHECK ("NAME" <> ''), db_migrate_kept_1_old int);
ALTER TABLE things OWNER TO "OWNER";
CREATE VIEW names AS SELECT "NAME" FROM things;
CREATE FUNCTION one() RETURNS integer LANGUAGE sql RETURN 1;
GRANT SELECT ON names TO "OWNER";
CREATE SCHEMA db_migrate_kept;
CREATE TABLE db_migrate_kept.t1 (id int);
COMMENT ON TABLE things IS '{"long " * (MANY // 5)}'
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """Scratch of some project, whose code is not run."""
    for name, text in (("alembic.ini", INI), ("migrations/env.py", ENV)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with open_scratch(load_config(tmp_path), None) as opened:
        yield opened


@pytest.fixture
def database(target_server: TargetServer) -> Iterator[ConnInfo]:
    """A target that has a lot, and takes its role with it."""
    created = target_server.new_database()
    run(created, SCHEMA.replace('"OWNER"', f'"{role_of(created)}"'))
    yield created
    run(created, f'DROP OWNED BY "{role_of(created)}" CASCADE; DROP ROLE "{role_of(created)}"')


def role_of(database: ConnInfo) -> str:
    """A role that nobody else has on the servers that tests share."""
    return f"keeper of {database.dbname}"


def run(database: ConnInfo, statements: str) -> list[tuple[object, ...]]:
    """As the superuser; the rows of a SELECT."""
    with contextlib.closing(connect(database)) as connection:
        cursor = connection.execute(statements.encode())
        return cursor.fetchall() if cursor.description else []


def copied(scratch: Scratch, database: ConnInfo, *, kept: bool = False, then: str = "") -> tuple[Catalog, int]:
    """What a copy has, with its privileges, and the number that PostgreSQL gave its table; ``then`` is done to it."""
    target = Target("default", database, True, (VersionTable("alembic_version", None, ""),))
    with read_only(database) as connection:
        live = look_at(connection, target)
    with copy_of_live(scratch, target, live, kept=kept) as copy:
        catalog = read(copy.superuser, privileges=True)
        assert run(copy.runner, "SELECT version_num FROM alembic_version") == [("one",)]
        run(copy.runner, "CREATE SCHEMA more")
        ((number,),) = run(copy.superuser, "SELECT 'things'::regclass::oid")
        run(copy.superuser, then)
        return catalog, int(str(number))


def test_what_is_kept_is_what_was_loaded(scratch: Scratch, database: ConnInfo) -> None:
    """The second copy is one of the first as it was loaded, whatever was done to that since."""
    first, number = copied(scratch, database, then="DROP TABLE things CASCADE")
    second, same = copied(scratch, database)
    assert (second, same) == (first, number)
    parked = [each for each in first if "db_migrate_kept" in each.name]
    assert parked == []


def test_a_target_that_has_changed_is_loaded_again(scratch: Scratch, database: ConnInfo) -> None:
    """One column more, and a copy has it; with it gone, the first is good again."""
    first, number = copied(scratch, database)
    run(database, "ALTER TABLE things ADD COLUMN more int")
    changed, other = copied(scratch, database)
    assert other != number
    assert {each.name for each in changed} - {each.name for each in first} == {"public.things.more"}
    run(database, "ALTER TABLE things DROP COLUMN more")
    assert copied(scratch, database) == (first, number)


def test_a_copy_with_what_is_kept_is_another(scratch: Scratch, database: ConnInfo) -> None:
    """Parked columns and the place of what is kept are in the copy that is to have them, and in no other."""
    _, number = copied(scratch, database)
    _, other = copied(scratch, database, kept=True)
    assert other != number
    assert copied(scratch, database)[1] == number
    assert copied(scratch, database, kept=True)[1] == other


def test_a_role_that_is_dropped_takes_what_is_kept_with_it(scratch: Scratch, database: ConnInfo) -> None:
    """A statement that drops the role finds nothing that depends on it, and the next copy has it again."""
    first, number = copied(scratch, database)
    free_roles(scratch.server, made=(), dropped=[role_of(database)])
    run(scratch.server.conninfo(), f'DROP ROLE "{role_of(database)}"')
    again, other = copied(scratch, database)
    assert again == first
    assert other != number
