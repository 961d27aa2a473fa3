"""What env.py tells is asked again when anything that it looked at has changed, and only then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from db_migrate.project.config import load_config
from db_migrate.project.jobs import Candidate
from db_migrate.project.outcomes import LearnedTarget
from db_migrate.schemas.asked import declared, learn, mapped
from db_migrate.schemas.scratch import Scratch, open_scratch

INI = """
[alembic]
script_location = %(here)s/migrations
prepend_sys_path = %(here)s/first:%(here)s/second
path_separator = :
"""

ENV = """
import importlib.metadata
import json
import os
from pathlib import Path

from alembic import context
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, pool

import extras

here = Path(__file__).parents[1]
with (here / "runs").open("a") as runs:
    runs.write("once more\\n")

columns = json.loads((here / "columns.json").read_text())
columns += os.listdir(here / "plugins")
columns.append(os.environ.get("APP_MODE", "plain"))
columns.append("v" + importlib.metadata.version("acme").replace(".", "_"))
columns.append(f"size_{(here / 'data.bin').stat().st_size}")
columns.append(os.readlink(here / "current"))
columns += context.get_x_argument()
columns += extras.COLUMNS
if (here / "local.env").exists():
    columns.append("local")
try:
    columns.append((here / "override").read_text())
except FileNotFoundError:
    pass
MORE

metadata = MetaData()
Table("things", metadata, Column("id", Integer, primary_key=True), *(Column(name, Integer) for name in columns))
engine = create_engine(ADDRESS, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
"""

URL = "postgresql+psycopg2://u@db.invalid/app"


def env(*, more: str = "", url: str = repr(URL), options: str = "") -> str:
    """An env.py that looks at all kinds of things."""
    return ENV.replace("MORE", more).replace("ADDRESS", url).replace(" OPTIONS", options)


@dataclass
class Project:
    """A project that writes down each time that its env.py runs, and a cache of its own."""

    folder: Path
    x: tuple[str, ...] = ()
    major: int | None = None

    def write(self, name: str, text: str) -> None:
        """Change a file, long enough ago that a later look is known to be later."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        time.sleep(0.06)

    @property
    def runs(self) -> int:
        """How many times env.py has run."""
        return len((self.folder / "runs").read_text().splitlines())

    def ask(self, work: Callable[[Scratch], object] = lambda scratch: declared(scratch, [])) -> tuple[int, list[str]]:
        """How many times env.py ran for one question, and what is said about what cannot be kept."""
        before = self.runs
        config = load_config(self.folder, x=self.x)
        with open_scratch(config, self.folder.parent / "cache", self.major) as scratch:
            work(scratch)
            return self.runs - before, scratch.notices


def make(folder: Path, *, more: str = "", url: str = repr(URL), options: str = "") -> Project:
    """The project on disk."""
    project = Project(folder / "project")
    for name, text in {
        "migrations/versions/.keep": "",
        "migrations/env.py": env(more=more, url=url, options=options),
        "alembic.ini": INI,
        "runs": "",
        "columns.json": '["one"]',
        "plugins/.keep": "",
        "data.bin": "",
        "second/extras.py": "COLUMNS = []",
        "second/acme-1.0.dist-info/METADATA": "Name: acme\nVersion: 1.0\n",
        "first/.keep": "",
    }.items():
        project.write(name, text)
    (project.folder / "current").symlink_to("v1")
    time.sleep(0.06)
    return project


def relink(project: Project) -> None:
    """Let the symbolic link lead elsewhere."""
    (project.folder / "current").unlink()
    (project.folder / "current").symlink_to("v2")


def upgrade_acme(project: Project) -> None:
    """Install another version of a package."""
    old = project.folder / "second" / "acme-1.0.dist-info"
    (old / "METADATA").write_text("Name: acme\nVersion: 2.0\n")
    old.rename(old.with_name("acme-2.0.dist-info"))


NOTICED: dict[str, Callable[[Project, pytest.MonkeyPatch], object]] = {
    "a file that was read": lambda p, _: p.write("columns.json", '["two"]'),
    "a module that was imported": lambda p, _: p.write("second/extras.py", "COLUMNS = ['three']"),
    "a module that comes first on the path": lambda p, _: p.write("first/extras.py", "COLUMNS = ['four']"),
    "a package that comes first on the path": lambda p, _: (
        (p.folder / "first" / "extras.py").unlink(),
        p.write("first/extras/__init__.py", "COLUMNS = ['five']"),
    ),
    "a file that was looked for": lambda p, _: p.write("local.env", ""),
    "a file that could not be opened": lambda p, _: p.write("override", "six"),
    "a folder that was listed": lambda p, _: p.write("plugins/seven", ""),
    "a file whose size was asked": lambda p, _: p.write("data.bin", "12345"),
    "a symbolic link": lambda p, _: relink(p),
    "a variable that was read": lambda _, patch: patch.setenv("APP_MODE", "fancy"),
    "a variable of libpq's": lambda _, patch: patch.setenv("PGAPPNAME", "other"),
    "a variable of Python's": lambda _, patch: patch.setenv("PYTHONPATH", "/nowhere"),
    "a version that was asked for": lambda p, _: upgrade_acme(p),
    "alembic.ini": lambda p, _: p.write("alembic.ini", INI + "# changed\n"),
    "env.py": lambda p, _: p.write("migrations/env.py", env(more="pass")),
    "a revision": lambda p, _: p.write("migrations/versions/1.py", "revision = '1'\ndown_revision = None\n"),
    "-x": lambda p, _: setattr(p, "x", ("eight",)),
    "the server's version": lambda p, _: setattr(p, "major", 15),
}

NOT_NOTICED: dict[str, Callable[[Project, pytest.MonkeyPatch], object]] = {
    "nothing": lambda _p, _: None,
    "a variable that nobody reads": lambda _, patch: patch.setenv("UNRELATED", "1"),
    "a file that nobody reads": lambda p, _: p.write("unrelated.txt", "1"),
    "bytecode": lambda p, _: p.write("plugins/__pycache__/x.pyc", ""),
    "a file's time": lambda p, _: os.utime(p.folder / "columns.json"),
}


def test_every_kind_of_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of change makes env.py run once more, and then no more; what it did not look at changes nothing."""
    project = make(tmp_path)
    assert project.ask() == (1, [])
    for name, change in NOT_NOTICED.items():
        change(project, monkeypatch)
        assert project.ask() == (0, []), name
    for name, change in NOTICED.items():
        change(project, monkeypatch)
        time.sleep(0.06)
        assert project.ask() == (1, []), f"{name} was not noticed"
        assert project.ask() == (0, []), f"{name}: not kept"


def test_the_whole_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An env.py that looks at all variables is run again when any changes, except those of a terminal.

    And it may look around in its home, which is one of ours.
    """
    home = "[os.readlink(Path.home() / name) for name in 'abcdefgh' if os.path.lexists(Path.home() / name)]"
    project = make(tmp_path, more=f"everything = dict(os.environ)\n{home}")
    assert project.ask() == (1, [])
    monkeypatch.setenv("TERM", "another")
    monkeypatch.setenv("WINDOWID", "7")
    assert project.ask() == (0, [])
    monkeypatch.setenv("UNRELATED", "1")
    assert project.ask() == (1, [])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import subprocess; subprocess.run(['true'])", "starts a process"),
        ("import socket\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept OSError: pass", "opens a connection"),
    ],
)
def test_reaching_outside_is_never_kept(tmp_path: Path, code: str, why: str) -> None:
    """What cannot be looked at again is done again each time, and the place is named."""
    project = make(tmp_path, more=code)
    for _ in range(2):
        runs, notices = project.ask()
        assert runs == 1
        assert len(notices) == 1
        assert "env.py:" in notices[0]
        assert why in notices[0]


def test_filters_are_asked_about_each_table(tmp_path: Path) -> None:
    """With an include_object in env.py an answer is good for the tables that it was asked about, and for no others."""
    filters = ", include_object=lambda _object, name, *_: name != 'hidden'"
    project = make(tmp_path, options=filters)
    seen: list[tuple[bool, ...]] = []

    def about(*names: str) -> Callable[[Scratch], object]:
        asked = [Candidate(type="table", schema="public", name=name) for name in names]
        return lambda scratch: seen.append(declared(scratch, asked).included)

    assert [project.ask(about(*names))[0] for names in (["a", "hidden"], ["a", "hidden"], ["hidden", "b"])] == [1, 0, 1]
    assert seen == [(True, False), (True, False), (False, True)]


PASSWORDS = ["can?ary p@ss%word/1", "canary"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_is_found_again_and_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Where env.py connects is known without running it, with the password, which stands in no file of the cache."""
    from urllib.parse import quote

    spelled = quote(password, safe="")
    project = make(tmp_path, url="os.environ['APP_URL']")
    monkeypatch.setenv("APP_URL", f"postgresql+psycopg2://u:{spelled}@db.invalid/app")
    found: list[LearnedTarget] = []

    def work(scratch: Scratch) -> None:
        found.extend(learn(scratch, with_targets=True)[0])

    assert project.ask(work) == (1, [])
    assert project.ask(work) == (0, [])
    assert [(each.parameters["password"], each.parameters["host"]) for each in found] == [(password, "db.invalid")] * 2
    kept = b"".join(file.read_bytes() for file in (tmp_path / "cache").iterdir())
    assert b"db.invalid" in kept
    assert password.encode() not in kept
    assert spelled.encode() not in kept
    monkeypatch.setenv("APP_URL", "postgresql+psycopg2://u:other@db.invalid/app")
    assert project.ask(work) == (1, [])
    assert found[-1].parameters["password"] == "other"


def test_a_password_that_stands_nowhere(tmp_path: Path) -> None:
    """A password that env.py computes is asked for each time; the version tables are known meanwhile."""
    project = make(tmp_path, url="'postgresql+psycopg2://u:' + 'yranac'[::-1] + '@db.invalid/app'")
    for _ in range(2):
        runs, notices = project.ask(lambda scratch: learn(scratch, with_targets=True))
        assert runs == 1
        assert "password" in notices[0]
    tables: list[object] = []
    assert project.ask(lambda scratch: tables.append(learn(scratch, with_targets=False)[1]))[0] == 0
    assert tables == [(("alembic_version", None, ""),)]


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    """Whatever somebody else has written into the cache, the answer is env.py's own."""
    project = make(tmp_path)
    assert project.ask(mapped)[0] == 1
    assert project.ask(mapped)[0] == 0
    for content in (b"", b"\x00" * 100, b"\x93\x80\xa0\xc0"):
        for file in (tmp_path / "cache").iterdir():
            file.write_bytes(content)
        assert project.ask(mapped)[0] == 1
