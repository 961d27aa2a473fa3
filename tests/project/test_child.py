"""The child as a whole: many jobs in one process, stamps, plans, and errors that name the user's own line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project.child_process import ChildError

from .conftest import PROJECTS, OpenProject


def versions(database: ConnInfo) -> set[str]:
    """What the version table holds."""
    with psycopg.connect(database.dsn()) as connection:
        return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}


def alembic(database: ConnInfo, folder: Path, *arguments: str) -> list[str]:
    """Run the real command; the revisions that it says it ran, in order."""
    environment = {**os.environ, "DATABASE_URL": database.url("postgresql+psycopg"), "PYTHONDONTWRITEBYTECODE": "1"}
    code = "import logging; logging.basicConfig(level='INFO'); from alembic.config import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    steps = re.findall(r"Running (\w+) (.*) -> (.*), \w+$", done.stderr, re.MULTILINE)
    return [after if direction == "upgrade" else before for direction, before, after in steps]


MOVES = [
    ("upgrade", "cccc2"),
    ("upgrade", "billing@head"),
    ("upgrade", "heads"),
    ("downgrade", "dddd1"),
    ("downgrade", "billing@-1"),
    ("upgrade", "extra@+1"),
    ("upgrade", "heads"),
    ("downgrade", "base"),
]


def test_forks_merges_labels_and_dependencies_run_as_in_alembic(
    open_project: OpenProject, server: object, database: ConnInfo, target_database: ConnInfo
) -> None:
    """The same moves give the same sequence of revisions as the alembic command, the plan and the heads included."""
    assert server
    with open_project("forked", database.as_libpq(), env={"DATABASE_URL": database.url("postgresql+psycopg")}) as child:
        for direction, target in MOVES:
            try:
                theirs = alembic(target_database, PROJECTS / "forked", direction, target)
            except subprocess.CalledProcessError:
                with pytest.raises(ChildError):
                    child.steps(direction, target, sorted(versions(database)))
                continue
            current = tuple(sorted(versions(database))) if theirs != [] and direction == "downgrade" else ()
            planned = child.steps(direction, target, current or _current(database))
            outcome = child.migrate(direction, target, database.as_libpq())
            assert outcome.failure is None, (direction, target, outcome.failure)
            assert list(outcome.revisions) == theirs == [step.revision for step in planned], (direction, target)
            assert versions(database) == versions(target_database)
            if planned:
                assert set(planned[-1].to_heads) == versions(database)


def _current(database: ConnInfo) -> tuple[str, ...]:
    try:
        return tuple(sorted(versions(database)))
    except psycopg.errors.UndefinedTable:
        return ()


def test_a_stamp_is_alembics(open_project: OpenProject, database: ConnInfo) -> None:
    """Stamping moves the version table and nothing else; purging forgets an unknown revision first."""
    env = {"DATABASE_URL": database.url("postgresql+psycopg")}
    with open_project("forked", database.as_libpq(), env=env) as child:
        child.stamp(["bbbb2", "cccc1"], database.as_libpq())
        assert versions(database) == {"bbbb2", "cccc1"}
        child.stamp(["heads"], database.as_libpq())
        assert versions(database) == {"eeee2"}
        with psycopg.connect(database.dsn()) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'gone'")
        with pytest.raises(ChildError, match="Alembic cannot do this"):
            child.stamp(["bbbb1"], database.as_libpq())
        child.stamp(["bbbb1"], database.as_libpq(), purge=True)
        assert versions(database) == {"bbbb1"}
        child.stamp(["base"], database.as_libpq())
        assert versions(database) == set()


@pytest.mark.parametrize(
    ("direction", "target", "current", "words"),
    [
        ("upgrade", "nothing", (), "Can't locate revision"),
        ("upgrade", "head", (), "Multiple head revisions"),
        ("downgrade", "-9", ("aaaa1",), "Relative revision -9"),
        ("downgrade", "base", ("unknown",), "Can't locate revision"),
    ],
)
def test_what_alembic_refuses_is_told_in_its_words(
    direction: str, target: str, current: tuple[str, ...], words: str, open_project: OpenProject
) -> None:
    """Unknown revisions and several heads are errors of their own kind, and running gives the same."""
    shape = "two_heads" if target == "head" else "forked"
    with (
        open_project(shape, env={"DATABASE_URL": "postgresql+psycopg:///x"}) as child,
        pytest.raises(ChildError) as raised,
    ):
        child.steps(direction, target, current)
    assert raised.value.code == "project.alembic"
    assert words in raised.value.why
