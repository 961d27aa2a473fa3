"""The plugin's checks and fixtures, in real pytest runs of whole and of broken projects."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from db_migrate.errors import DbMigrateError
from db_migrate.project.outcomes import MigrateOutcome
from db_migrate.schemas.scratch import Scratch
from db_migrate.testing.checks import CHECKS, CheckFailed, up_and_down
from db_migrate.testing.history import open_history

from .conftest import Project

Make = Callable[[Mapping[str, str]], Project]

ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
from models import Base

engine = create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg://nobody@nowhere.invalid/nothing"))
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""
MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    mail: Mapped[str | None] = mapped_column(index=True)
"""
FIRST = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "one", None

def upgrade():
    key = sa.Column("id", sa.Integer, primary_key=True)
    op.create_table("users", key, sa.Column("full", sa.String, nullable=False))

def downgrade():
    op.drop_table("users")
"""
SECOND = """
from alembic import op
revision, down_revision = "two", "one"

def upgrade():
    op.alter_column("users", "full", new_column_name="name")

def downgrade():
    op.alter_column("users", "name", new_column_name="full")
"""
THIRD = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "three", "two"

def upgrade():
    op.add_column("users", sa.Column("mail", sa.String))
    with op.get_context().autocommit_block():
        op.create_index("ix_users_mail", "users", ["mail"], postgresql_concurrently=True)

def downgrade():
    op.drop_column("users", "mail")
"""
OTHER = """
revision, down_revision = "other", "one"

def upgrade():
    pass

def downgrade():
    pass
"""
WHOLE = {
    "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n",
    "migrations/env.py": ENV,
    "migrations/versions/one.py": FIRST,
    "migrations/versions/two.py": SECOND,
    "migrations/versions/three.py": THIRD,
    "models.py": MODELS,
}


def test_a_project_that_is_in_order_passes_every_check(project: Make, tmp_path: Path) -> None:
    """A rename, an index made concurrently and no database anywhere near: all is well, each check a test of its own."""
    done = project(WHOLE).pytest("--db-migrate-checks", "-rA", "-q", XDG_CACHE_HOME=str(tmp_path))
    run = {f"PASSED db-migrate::{name}" for name in CHECKS if name != "running_release_works"}
    assert run <= set(done.stdout.splitlines()), done.stdout
    assert "running_release_works" not in done.stdout


def failures(project: Project, cache: Path) -> dict[str, str]:
    """What each check that fails says."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        with open_history(project.root) as history:
            for name, check in CHECKS.items():
                if name == "running_release_works":
                    continue
                try:
                    check(history)
                except (CheckFailed, DbMigrateError) as error:
                    found[name] = f"{error} {getattr(error, 'why', '')}"
    return found


BROKEN = {
    "two heads": (
        {"migrations/versions/other.py": OTHER},
        {"single_head": "2 heads: other, three"},
    ),
    "a downgrade that forgets": (
        {"migrations/versions/two.py": SECOND.replace('    op.alter_column("users", "name"', "    pass #")},
        {"up_and_down": 'column public.users.name renamed from public.users."full"'},
    ),
    "a downgrade that raises": (
        {
            "migrations/versions/two.py": SECOND.replace(
                '    op.alter_column("users", "name"', "    raise OSError('no way') #"
            )
        },
        {"up_and_down": "two: downgrade fails"},
    ),
    "an upgrade that fails": (
        {"migrations/versions/three.py": THIRD.replace('"users", sa', '"nonsense", sa')},
        {"up_and_down": "nonsense", "models_match_history": "nonsense", "no_unsafe_head": "nonsense"},
    ),
    "a model without a revision": (
        {"models.py": MODELS + "    added: Mapped[str | None]\n"},
        {"models_match_history": "column public.users.added"},
    ),
    "a drop without an intent": (
        {
            "migrations/versions/three.py": THIRD.replace(
                "def upgrade():", 'def upgrade():\n    op.drop_column("users", "name")'
            ),
        },
        {"no_unsafe_head": "drop-column:public.users.name", "models_match_history": "users.name", "up_and_down": ""},
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_each_check_fails_for_its_own_reason(project: Make, tmp_path: Path, broken: str) -> None:
    """What is wrong is named, by the checks that it concerns and by no other."""
    files, reasons = BROKEN[broken]
    found = failures(project({**WHOLE, **files}), tmp_path)
    assert set(found) == set(reasons)
    for name, reason in reasons.items():
        assert reason in found[name]


FOURTH = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "four", "three"

def upgrade():
    op.add_column("users", sa.Column("nick", sa.String))

def downgrade():
    pass
"""


def ran(project: Project, cache: Path) -> tuple[list[str], str]:
    """Which revisions the check runs, up or down, and what it says."""
    began: list[str] = []
    real, said = Scratch.migrate, ""
    time.sleep(0.1)  # what was written in the tick of the clock in which a run begins lets nothing be kept

    def noting(scratch: Scratch, direction: str, *rest: Any) -> MigrateOutcome:
        outcome = real(scratch, direction, *rest)
        began.extend(f"{direction} {each}" for each in outcome.revisions)
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a folder that changes meanwhile lets nothing be kept
        with open_history(project.root) as history:
            patch.setattr(Scratch, "migrate", noting)
            try:
                up_and_down(history)
            except CheckFailed as error:
                said = str(error)
    return began, said


def test_what_is_proved_is_not_run_again(project: Make, tmp_path: Path) -> None:
    """Once everything has gone up, down and up, only what is new does; after a change below it, everything again."""
    made = project(WHOLE)
    everything = [f"upgrade {each}" for each in ("one", "two", "three")]
    whole = everything + [each.replace("up", "down") for each in reversed(everything)] + everything
    assert ran(made, tmp_path) == (whole, "")
    assert ran(made, tmp_path) == ([], "")
    four = made.root / "migrations" / "versions" / "four.py"
    four.write_text(FOURTH)
    only, said = ran(made, tmp_path)
    assert only == ["upgrade four", "downgrade four"]
    assert said.startswith("four: downgrade leaves another schema:\n  column public.users.nick created")
    four.write_text(FOURTH.replace("    pass", '    op.drop_column("users", "nick")'))
    assert ran(made, tmp_path) == (["upgrade four", "downgrade four", "upgrade four"], "")
    assert ran(made, tmp_path) == ([], "")
    four.write_text(four.read_text() + "\n# edited\n")
    assert ran(made, tmp_path) == (["upgrade four", "downgrade four", "upgrade four"], "")
    two = made.root / "migrations" / "versions" / "two.py"
    two.write_text(SECOND.replace('    op.alter_column("users", "name"', "    pass #"))
    again, said = ran(made, tmp_path)
    assert len(again) > 6
    assert said.startswith("two: downgrade leaves another schema:")


def test_a_failed_check_says_what_is_wrong_and_no_more(project: Make, tmp_path: Path) -> None:
    """The output has the reason and no line of our code."""
    files, _ = BROKEN["two heads"]
    done = project({**WHOLE, **files}).pytest(
        "--db-migrate-checks", "-q", "-k", "single_head", XDG_CACHE_HOME=str(tmp_path)
    )
    assert done.returncode == 1
    assert "2 heads: other, three\nnext: alembic merge heads" in done.stdout
    assert "checks.py" not in done.stdout


def test_an_intent_excuses_a_downgrade_that_cannot_give_back(project: Make, tmp_path: Path) -> None:
    """A downgrade that is written down as no inverse may raise or leave something else."""
    third = THIRD.replace("    op.drop_column(", "    raise NotImplementedError #")
    third += '\ndb_migrate_allow = {"downgrade-not-inverse:three": "mails are gone for good"}\n'
    assert failures(project({**WHOLE, "migrations/versions/three.py": third}), tmp_path) == {}


@pytest.mark.parametrize(("drop", "outcome"), [("", "PASSED"), ('op.drop_column("users", "name")', "FAILED")])
def test_the_running_release_is_checked_where_it_is_named(
    project: Make, tmp_path: Path, drop: str, outcome: str
) -> None:
    """What the release of a tag maps and a newer revision drops is told; what that release never knew is not."""
    older = {name: text for name, text in WHOLE.items() if "three" not in name}
    made = project({**older, "models.py": MODELS.replace("    mail:", "    # mail:")})
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["tag", "v1"]):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
        subprocess.run(["git", *who, *words], cwd=made.root, check=True)
    (made.root / "migrations/versions/three.py").write_text(THIRD.replace("upgrade():", f"upgrade():\n    {drop}"))
    (made.root / "models.py").write_text(MODELS)
    done = made.pytest("--db-migrate-checks", "-rA", "-q", XDG_CACHE_HOME=str(tmp_path), DB_MIGRATE_RELEASE="v1")
    assert f"{outcome} db-migrate::running_release_works" in done.stdout
    assert ("three.py:7" in done.stdout and "public.users.name" in done.stdout) is bool(drop)


def test_checks_are_not_run_unless_asked(project: Make) -> None:
    """Installed and not asked, the plugin adds no test."""
    made = project({**WHOLE, "test_it.py": "def test_it(): pass"})
    assert "1 passed" in made.pytest("-q").stdout


FIXTURES = """
    import pytest
    from sqlalchemy import create_engine, text

    def run(url, sql):
        engine = create_engine(url)
        with engine.begin() as connection:
            result = connection.execute(text(sql))
            rows = result.fetchall() if result.returns_rows else []
        engine.dispose()
        return rows

    @pytest.mark.parametrize("n", [1, 2])
    def test_each_test_has_its_own(migrated_url, n):
        assert migrated_url.startswith("postgresql+psycopg://")
        run(migrated_url, "INSERT INTO users (name) VALUES ('ada')")
        assert run(migrated_url, "SELECT count(*) FROM users") == [(1,)]

    def test_one_for_the_session(migrated_session_url):
        assert run(migrated_session_url, "SELECT version_num FROM alembic_version") == [("three",)]

    def test_rows_survive(database_at):
        database = database_at("one")
        run(database.url, "INSERT INTO users (\\"full\\") VALUES ('ada')")
        database.upgrade("two")
        assert run(database.url, "SELECT name FROM users") == [("ada",)]
        database.upgrade()
        database.downgrade("one")
        assert run(database.url, 'SELECT "full" FROM users') == [("ada",)]

    def test_at_base(database_at):
        with pytest.raises(Exception, match="users"):
            run(database_at("base").url, "TABLE users")
"""


@pytest.mark.parametrize("args", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_migrated_databases(project: Make, tmp_path: Path, args: tuple[str, ...]) -> None:
    """Each test gets a copy of its own, at the newest revision or at any other; with pytest-xdist too."""
    made = project({**WHOLE, "tests/test_it.py": FIXTURES})
    done = made.pytest("-q", "--db-migrate-checks", *args, XDG_CACHE_HOME=str(tmp_path))
    assert "9 passed" in done.stdout, done.stdout + done.stderr
