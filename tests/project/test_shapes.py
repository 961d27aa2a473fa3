"""Every shape of env.py that people have works: learnt, migrated up and down, its models read."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy
from packaging.version import Version

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project import events
from db_migrate.project.child_process import LearnedTarget

from .conftest import Listener, OpenProject, Recorder, SharedChild

SHAPES = {
    "psycopg3": "postgresql+psycopg",
    "psycopg2": "postgresql+psycopg2",
    "asyncpg_engine": "postgresql+asyncpg",
    "psycopg_async": "postgresql+psycopg",
    "async_in_thread": "postgresql+asyncpg",
    "flask_migrate": "postgresql+psycopg2",
    "flask_command": "postgresql+psycopg",
    "built_config": "postgresql+psycopg",
    "set_before_configure": "postgresql+psycopg",
    "outer_transaction": "postgresql+psycopg2",
    "engine_begin": "postgresql+asyncpg",
    "second_connection": "postgresql+psycopg2",
    "offline_raises": "postgresql+psycopg",
    "creator": "postgresql+psycopg2",
    "async_creator": "postgresql+asyncpg",
    "own_listener": "postgresql+psycopg",
    "environment": "postgresql+psycopg2",
    "side_effects": "postgresql+psycopg",
    "text_transactions": "postgresql+psycopg",
}
LEARNT = [
    ("psycopg3", "db.invalid", "app"),
    ("asyncpg_engine", "db.invalid", "app"),
    ("creator", "127.0.0.1", "app"),
    ("async_creator", "127.0.0.1", "app"),
    ("own_listener", "127.0.0.1", "iam"),
    ("environment", None, "from-dotenv"),
]
if Version(sqlalchemy.__version__) < Version("2.0.16"):  # create_async_engine takes no creator yet
    del SHAPES["async_creator"]
    LEARNT = [each for each in LEARNT if each[0] != "async_creator"]


def tables(database: ConnInfo) -> set[str]:
    """The schema-qualified tables of a database."""
    with psycopg.connect(database.dsn()) as connection:
        rows = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname !~ '^(pg_|info)'"
        )
        return {row[0] for row in rows}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_project_goes_up_and_down_on_the_database_that_we_choose(
    shape: str, shared_child: SharedChild, database: ConnInfo, listener: Listener
) -> None:
    """Whatever env.py is like, its target is learnt and its revisions run where we say, each committed alone."""
    recorder = Recorder()
    scratch = database.as_libpq()
    child = shared_child(shape)
    assert child.jail == "seccomp"
    (target,) = child.learn()
    assert target.drivername == SHAPES[shape]
    up = child.migrate("upgrade", "head", scratch, recorder)
    assert up.failure is None, (up.failure, child.output())
    assert up.state == "done"
    assert up.revisions[:2] == ("0001", "0002")
    assert "public.users" in tables(database) or "wanted.users" in tables(database)
    down = child.migrate("downgrade", "base", scratch)
    assert down.failure is None, (down.failure, child.output())
    assert down.revisions == tuple(reversed(up.revisions))
    assert not {name for name in tables(database) if not name.endswith("_version")}
    facts = child.models(scratch, create=False).facts
    assert facts.version_tables
    assert listener.connections == 0
    assert all(begin.connection is not None for begin in recorder.of(events.StepBegin))


@pytest.mark.parametrize(("shape", "host", "user"), LEARNT)
def test_the_target_is_what_the_driver_would_be_given(
    shape: str, host: str | None, user: str, shared_child: SharedChild, listener: Listener
) -> None:
    """Listeners, creators and the environment have had their say before the parameters are told."""
    (target,) = shared_child(shape).learn()
    assert target.parameters.get("host") == host
    assert target.parameters["user"] == user
    if shape == "environment":
        assert target.parameters["hostaddr"] == "127.0.0.1"
        assert target.parameters["port"] == str(listener.port)
    assert listener.connections == 0


def test_a_percent_sign_survives_the_ini_file_and_the_url(shared_child: SharedChild) -> None:
    """``%%25`` in the file is ``%`` in the password, and ``-x`` reaches env.py."""
    (target,) = shared_child("offline_raises").learn()
    assert target.parameters["password"] == "p@ss%word"
    assert "p@ss" not in repr(target)


def test_search_path_given_as_a_connection_option_is_kept(shared_child: SharedChild, database: ConnInfo) -> None:
    """What does not say whom to talk to stays: with ``-c search_path`` the tables land where the project wants them."""
    with psycopg.connect(database.dsn()) as connection:
        connection.execute("CREATE SCHEMA wanted")
    assert shared_child("own_listener").migrate("upgrade", "head", database.as_libpq()).state == "done"
    assert {"wanted.users", "wanted.posts", "wanted.alembic_version"} == tables(database)


def test_a_loop_over_schemas_is_followed(shared_child: SharedChild, database: ConnInfo) -> None:
    """Each schema is a context of its own, with its own version table and the same revisions."""
    recorder = Recorder()
    outcome = shared_child("schema_loop").migrate("upgrade", "head", database.as_libpq(), recorder)
    assert outcome.revisions == ("0001", "0002", "0001", "0002")
    configured = recorder.of(events.Configure)
    assert [(each.index, each.version_table_schema) for each in configured] == [(0, "north"), (1, "south")]
    assert [step.context for step in recorder.of(events.StepBegin)] == [0, 0, 1, 1]
    assert {"north.users", "south.users", "south.alembic_version"} <= tables(database)


def test_a_module_that_connects_while_it_is_imported_is_told_from_env_py(
    open_project: OpenProject, database: ConnInfo
) -> None:
    """Without connecting only the module's engine is seen, marked; on scratch both are, and which one is migrated."""
    with open_project("engine_at_import", database.as_libpq()) as child:
        (first,) = child.learn()
        assert (first.at_import, first.parameters["host"]) == (True, "reports.invalid")
        targets = child.learn(database.as_libpq())
        assert [(each.drivername, each.at_import, each.configured) for each in targets] == [
            ("postgresql+psycopg2", True, False),
            ("postgresql+psycopg", False, True),
        ]
        assert child.migrate("upgrade", "head", database.as_libpq()).state == "done"


def test_an_env_py_that_never_gives_up_is_left(open_project: OpenProject) -> None:
    """A loop around a bare except gets no connection, and we get the target all the same."""
    with open_project("stubborn") as child:
        targets = child.learn()
    assert {each.parameters["host"] for each in targets} == {"db.invalid"}


def test_a_learned_target_hides_its_parameters() -> None:
    """Printing a target shows no password."""
    assert "secret" not in repr(LearnedTarget("postgresql+psycopg", {"password": "secret"}))
