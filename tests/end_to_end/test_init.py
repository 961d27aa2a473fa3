"""`init`, in projects as people make them; with only what it says one gets to a first migration."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alembic
import jsonschema
import pytest
import yaml

from db_migrate.postgres.conninfo import ConnInfo

from .conftest import ROOT, Outcome, Project, make_project

MODELS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(200), unique=True)


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
"""

FLASK = """
import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class User(db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(200), unique=True, nullable=False)


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    Migrate(app, db)
    return app
"""


@pytest.fixture
def empty(tmp_path: Path, target_database: ConnInfo) -> Project:
    """A folder with nothing in it, and an empty database."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Project(folder, target_database)


def run_command(project: Project, *words: str) -> str:
    """Run a program in the project's folder, in a process of its own; it has to succeed."""
    done = subprocess.run(
        words, cwd=project.folder, env=project.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in the folder but git's own and bytecode."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not {".git", "__pycache__"} & set(file.relative_to(folder).parts)
    }


def init(project: Project, *words: str) -> dict[str, Any]:
    """What `init --json` prints, in its published shape."""
    printed: dict[str, Any] = project.run("init", "--json", *words).json
    jsonschema.validate(printed, json.loads((ROOT / "docs" / "schemas" / "init.json").read_text("utf-8")))
    return printed


def follow(project: Project, steps: list[dict[str, str]]) -> Iterator[str]:
    """Do what init says is next: run each command as it is typed, and give back what has to be edited by hand."""
    for step in steps:
        words = shlex.split(step["command"])
        if words[:1] == ["db-migrate"]:
            outcome = project.run(*words[1:])
            assert outcome.code == 0, (words, outcome)
        elif not words:
            yield step["what"]


def again_does_nothing(project: Project) -> None:
    """A second run has nothing to do and leaves every byte."""
    before = contents(project.folder)
    outcome = project.run("init")
    assert outcome.code == 0, outcome.err
    assert "nothing to do" in outcome.out
    assert contents(project.folder) == before


def test_a_fresh_project_of_alembic_gets_to_its_first_migration(empty: Project) -> None:
    """After `alembic init` everything that is done is what init says, word by word; only then is it shown and asked."""
    run_command(empty, sys.executable, "-m", "alembic.config", "init", "alembic")
    empty.write("models.py", MODELS)
    shown = contents(empty.folder)
    outcome = empty.run("init")
    assert outcome.code == 2
    assert "error[init.consent]" in outcome.err
    assert "db-migrate init --yes" in outcome.err
    assert "id: db-migrate-lint" in outcome.out
    assert empty.run("init", "--dry-run").code == 0
    assert contents(empty.folder) == shown
    printed = init(empty, "--yes")
    assert printed["written"] is True
    assert {each["action"] for each in printed["files"]} == {"created"}
    assert set(contents(empty.folder)) - set(shown) == {each["path"] for each in printed["files"]}
    again_does_nothing(empty)
    by_hand = []
    for what in follow(empty, printed["next"]):
        by_hand.append(what)
        if "sqlalchemy.url" in what:
            ini = empty.folder / "alembic.ini"
            text = ini.read_text().replace("driver://user:pass@localhost/dbname", empty.url.replace("%", "%%"))
            ini.write_text(text)
        if "target_metadata" in what:
            env = empty.folder / "alembic" / "env.py"
            env.write_text(re.sub("^target_metadata = None", "import models\ntarget_metadata = models.Base.metadata",
                                  env.read_text(), flags=re.MULTILINE))  # fmt: skip
    assert by_hand == [
        "put the address of the database into alembic.ini: sqlalchemy.url",
        "import the models in alembic/env.py, and let target_metadata be their metadata",
    ]
    assert empty.sql("SELECT count(*) FROM users, posts") == [(0,)]
    again_does_nothing(empty)


def test_a_fresh_project_of_flask_gets_to_its_first_migration(empty: Project) -> None:
    """After `flask db init` nothing has to be edited: init writes the setting that finds the application."""
    empty.write("app.py", FLASK)
    run_command(empty, sys.executable, "-m", "flask", "db", "init")
    printed = init(empty, "--yes")
    assert (empty.folder / "db-migrate.toml").read_text("utf-8").startswith('around = "flask"\n')
    assert printed["warnings"] == []
    assert list(follow(empty, printed["next"])) == []
    assert empty.sql("SELECT count(*) FROM users") == [(0,)]
    assert "nothing to do" in empty.run("init").out


@pytest.fixture
def unfinished(project: Project) -> Project:
    """A project whose database is not named yet, so that nothing of it is run."""
    return without_address(project)


def without_address(project: Project) -> Project:
    """The project with the URL that Alembic's template has."""
    ini = project.folder / "alembic.ini"
    ini.write_text(f"{ini.read_text()}sqlalchemy.url = driver://user:pass@localhost/dbname\n")
    return project


@pytest.fixture
def untouched(project: Project) -> Project:
    """A project whose history is about to begin."""
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    project.write("migrations/script.py.mako", template.read_text("utf-8"))
    return project


def test_a_database_that_has_tables_gets_a_baseline(untouched: Project) -> None:
    """Tables without a history become the first revision, which is proved and stamped; then nothing is pending."""
    project = untouched
    project.write("models.py", MODELS)
    create = "from models import Base; import sqlalchemy as s, os; e = s.create_engine(os.environ['DATABASE_URL'])"
    run_command(project, sys.executable, "-c", f"{create}; Base.metadata.create_all(e)")
    project.sql("INSERT INTO users (email) VALUES ('a@example.org')")
    printed = init(project, "--yes")
    (revision,) = (each for each in printed["files"] if "/versions/" in each["path"])
    assert "op.create_table" in revision["diff"]
    assert list(follow(project, printed["next"])) == []
    assert project.sql("SELECT email FROM users") == [("a@example.org",)]
    again_does_nothing(project)


def test_the_baseline_is_the_database_where_the_models_are_not(untouched: Project) -> None:
    """What the database has and the models do not know is in the baseline; what only they have comes after it."""
    project = untouched
    project.write("models.py", MODELS)
    project.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE users (id serial PRIMARY KEY, email varchar(200) NOT NULL UNIQUE, mood mood DEFAULT 'ok')",
        "CREATE VIEW moods AS SELECT mood, count(*) FROM users GROUP BY mood",
        "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "INSERT INTO users (email) VALUES ('a@example.org')",
    )
    printed = init(project, "--yes")
    commands = [each["command"] for each in printed["next"]]
    assert commands[0] == "db-migrate stamp heads"
    assert commands[1].startswith("db-migrate generate")
    assert project.run(*shlex.split(commands[0])[1:]).code == 0
    assert project.run("drift", "--from", "history", "--to", "live").code == 0
    assert project.sql("SELECT email, mood::text FROM users") == [("a@example.org", "ok")]


def test_old_findings_become_a_baseline(project: Project) -> None:
    """The findings of the revisions that are there are allowed from now on, those of new ones are not."""
    project.revision(
        "a1", 'op.create_table("t", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("x", sa.Text))'
    )
    project.revision("b1", 'op.drop_column("t", "x")', 'op.add_column("t", sa.Column("x", sa.Text))')
    assert project.run("lint").code == 1
    printed = init(project, "--yes")
    assert "db-migrate-baseline.json" in [each["path"] for each in printed["files"]]
    assert project.run("lint").code == 0
    again_does_nothing(project)
    project.revision("c1", 'op.drop_table("t")')
    assert project.run("lint").code == 1
    again_does_nothing(project)
    assert project.run("lint").code == 1


PYPROJECT = """\
# the shop
[project]   # as it is
name    = 'shop'
version="1"
[tool.ruff]
line-length=  99

[tool . black]
x = [ 1,
  2 ] # two
"""
PRE_COMMIT = """\
repos:
-   repo: https://example.org/hooks
    rev: v1
    hooks:
    -   id: trailing-whitespace
        exclude: |
            (?x)^(
              a
            )$

# the end
default_stages: [pre-commit]
"""


def git(folder: Path, *words: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def test_what_people_have_written_stays(unfinished: Project) -> None:
    """Comments, odd forms, other hooks, other workflows and included files are all there afterwards."""
    project = unfinished
    workflow = "on: push\njobs: {}  # db-migrate is not used here\n"
    written = {
        "pyproject.toml": PYPROJECT,
        ".pre-commit-config.yaml": PRE_COMMIT,
        ".github/workflows/test.yml": workflow,
        ".gitlab-ci.yml": "include:\n  - local: other.yml\nstages: [build]\n",
        ".claude/settings.json": "{}",
    }
    for name, text in written.items():
        project.write(name, "x").write_bytes(text.replace("\n", "\r\n" if name == "pyproject.toml" else "\n").encode())
    (project.folder / "pyproject.toml").chmod(0o640)
    git(project.folder, "init", "-b", "main")
    printed = init(project, "--yes")
    after = {name: content.decode() for name, content in contents(project.folder).items()}
    crlf = PYPROJECT.replace("\n", "\r\n")
    assert after["pyproject.toml"].startswith(crlf + "\r\n[tool.db-migrate]\r\n")
    assert (project.folder / "pyproject.toml").stat().st_mode & 0o777 == 0o640
    assert tomllib.loads(after["pyproject.toml"].replace("\r\n", "\n"))["tool"]["db-migrate"] == {}
    before, _, end = PRE_COMMIT.partition("\n# the end")
    assert after[".pre-commit-config.yaml"].startswith(before + "-   repo: local\n".replace("   ", " "))
    assert after[".pre-commit-config.yaml"].endswith("\n# the end" + end)
    assert len(yaml.safe_load(after[".pre-commit-config.yaml"])["repos"]) == 2
    assert after[".github/workflows/test.yml"] == workflow
    assert yaml.safe_load(after[".gitlab-ci.yml"]) == {
        "include": [{"local": "other.yml"}, {"local": ".gitlab/db-migrate.yml"}], "stages": ["build"],
    }  # fmt: skip
    job = yaml.safe_load(after[".gitlab/db-migrate.yml"])["db-migrate"]
    assert job["stage"] == "build"
    assert job["variables"]["MIGRATIONS_INSTALL"] == "python -m pip install ."
    ours = yaml.safe_load(after[".github/workflows/db-migrate.yml"])
    used = ours["jobs"]["db-migrate"]["steps"][-1]
    assert used["uses"] == "./.github/actions/db-migrate"
    action = yaml.safe_load(after[".github/actions/db-migrate/action.yml"])
    assert set(used["with"]) <= set(action["inputs"])
    assert ".claude/skills/db-migrate/SKILL.md" in after
    assert "pre-commit install" in [each["command"] for each in printed["next"]]
    again_does_nothing(project)
    edited = project.folder / ".github" / "workflows" / "db-migrate.yml"
    edited.write_text(edited.read_text() + "# mine\n")
    (project.folder / ".claude/skills/db-migrate/SKILL.md").write_text("mine")
    outcome = project.run("init")
    assert "nothing to do" in outcome.out
    assert "left as it is" in outcome.out
    assert edited.read_text().endswith("# mine\n")


@pytest.mark.parametrize(
    ("name", "text", "code", "says"),
    [
        (".pre-commit-config.yaml", "repos: [{repo: a}]\n", "init.hook", "id: db-migrate-lint"),
        (".gitlab-ci.yml", "include: other.yml\n", "init.include", "- local: .gitlab/db-migrate.yml"),
        (".github/workflows/db-migrate.yml", "on: push\n", "init.workflow", "has that name"),
        ("pyproject.toml", "tool = {ruff = {}}\n", "init.settings", "db-migrate.toml"),
        (".pre-commit-config.yaml", "repos: [] # \udcff\n", "init.unreadable", "UTF-8"),
        (".agents", "a file where the skill's folder would be", "init.unwritable", "is not a folder"),
    ],
)
def test_what_cannot_be_merged_with_is_refused(unfinished: Project, name: str, text: str, code: str, says: str) -> None:
    """A file in a form that is not understood stops all of it, with what to paste; nothing is written."""
    project = unfinished
    project.write(name, "x").write_bytes(text.encode("utf-8", "surrogateescape"))
    before = contents(project.folder)
    outcome = project.run("init", "--yes")
    assert outcome.code == 3
    assert f"error[{code}]" in outcome.err
    assert says in outcome.err
    assert contents(project.folder) == before


def test_a_project_in_a_folder_of_a_repository(tmp_path: Path, target_database: ConnInfo) -> None:
    """Hook, workflow and skill go where the repository begins, and say which folder they are about."""
    repository = tmp_path / "repository"
    project = without_address(make_project(repository / "project", target_database))
    (repository / ".github").mkdir()
    git(repository, "init", "-b", "main")
    inside = project.folder.name
    init(project, "--yes")
    hook = yaml.safe_load((repository / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"][0]
    assert re.search(hook["files"], f"{inside}/migrations/versions/a1_x.py")
    assert not re.search(hook["files"], f"{inside}/migrations/env.py")
    (workflow,) = (repository / ".github" / "workflows").glob("*.yml")
    assert (
        yaml.safe_load(workflow.read_text())["jobs"]["db-migrate"]["steps"][-1]["with"]["working-directory"] == inside
    )
    assert (project.folder / "db-migrate.toml").is_file()
    again_does_nothing(project)
    shorter = Project(repository / inside[:-1], project.database)
    shorter.write("alembic.ini", (project.folder / "alembic.ini").read_text())
    shorter.write("migrations/env.py", "")
    assert shorter.run("init", "--yes").code == 0
    hooks = yaml.safe_load((repository / ".pre-commit-config.yaml").read_text())["repos"]
    assert [each["hooks"][0]["files"].split("/")[0] for each in hooks] == [f"^{inside}", f"^{inside[:-1]}"]
    assert len(list((repository / ".github" / "workflows").glob("*.yml"))) == 2
    project.revision("a1", 'op.execute("CREATE TABLE t (id integer)")', 'op.execute("DROP TABLE t")')
    file = f"{inside}/migrations/versions/a1_x.py"
    command = [sys.executable, "-m", "db_migrate", *shlex.split(hook["entry"])[1:], file]
    done = subprocess.run(command, cwd=repository, env=project.environment, capture_output=True, text=True, check=False)
    assert "1 revision or file" in done.stdout, done.stderr


def outcome_in(project: Project, folder: str, *words: str) -> Outcome:
    """Run a command in a folder below the project's."""
    return Project(project.folder / folder, project.database).run(*words)


def test_a_folder_without_a_project_says_what_to_type(empty: Project) -> None:
    """Without Alembic the command that makes a project is named; where one is further down, the way there."""
    outcome = empty.run("init", "--yes")
    assert outcome.code == 2
    assert "error[project.not-found]" in outcome.err
    assert "1. alembic init alembic" in outcome.err
    (empty.folder / "backend").mkdir()
    run_command(empty, sys.executable, "-m", "alembic.config", "-c", "backend/alembic.ini", "init", "backend/alembic")
    outcome = empty.run("init", "--yes")
    assert "1. cd backend && db-migrate init" in outcome.err
    assert outcome_in(empty, "backend", "init", "--yes").code == 0
    assert empty.run("-c", "backend/alembic.ini", "init", "--yes").code == 0
    assert tomllib.loads((empty.folder / "db-migrate.toml").read_text()) == {"config": "backend/alembic.ini"}


def test_it_asks_on_a_terminal(unfinished: Project) -> None:
    """On a terminal the files are shown once and one question decides: no is exit code 3, yes writes."""
    project = unfinished
    script = textwrap.dedent(
        """
        import os, pty, sys
        code = os.waitstatus_to_exitcode(pty.spawn([sys.executable, "-m", "db_migrate", "init", "--color=never"]))
        sys.exit(code)
        """
    )
    for answer, code in (("n", 3), ("y", 0)):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=project.folder, env={**project.environment, "COLUMNS": "120"},
            input=f"{answer}\n", capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        assert done.stdout.count("id: db-migrate-lint") == 1
        assert (project.folder / "db-migrate.toml").exists() is (answer != "n")
