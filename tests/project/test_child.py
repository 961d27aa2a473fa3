"""The child as a whole: many jobs in one process, stamps, plans, and errors that name the user's own line."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from db_migrate.errors import ConfigurationError
from db_migrate.jail import namespaces
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.project import events
from db_migrate.project.child_process import ChildError, Link, open_child
from db_migrate.project.loading import load_project

from .conftest import PROJECTS, OpenProject, Recorder


def versions(database: ConnInfo) -> set[str]:
    """What the version table holds."""
    with psycopg.connect(database.dsn()) as connection:
        return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}


def alembic(database: ConnInfo, caplog: pytest.LogCaptureFixture, direction: str, target: str) -> list[str]:
    """What the real command does with the same project; the revisions that it says it ran, in order."""
    caplog.clear()
    with caplog.at_level("INFO", "alembic.runtime.migration"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database.url("postgresql+psycopg"))
        getattr(command, direction)(Config(str(PROJECTS / "forked" / "alembic.ini")), target)
    steps = re.findall(r"Running (\w+) (.*) -> (.*), \w+$", "\n".join(caplog.messages), re.MULTILINE)
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
    open_project: OpenProject, database: ConnInfo, target_database: ConnInfo, caplog: pytest.LogCaptureFixture
) -> None:
    """The same moves give the same sequence of revisions as the alembic command, the plan and the heads included."""
    with open_project("forked", database.as_libpq(), env={"DATABASE_URL": database.url("postgresql+psycopg")}) as child:
        for direction, target in MOVES:
            current = _current(database)
            try:
                theirs = alembic(target_database, caplog, direction, target)
            except CommandError:
                with pytest.raises(ChildError):
                    child.steps(direction, target, current)
                continue
            planned = child.steps(direction, target, current)
            outcome = child.migrate(direction, target, database.as_libpq())
            assert outcome.failure is None, (direction, target, outcome.failure)
            assert list(outcome.revisions) == theirs == [step.revision for step in planned], (direction, target)
            assert versions(database) == versions(target_database)
            assert not planned or set(planned[-1].to_heads) == versions(database)


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


SEEN = """
CREATE TABLE seen (id bigint);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO seen VALUES (txid_current()); RETURN NULL; END';
CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON alembic_version FOR EACH STATEMENT EXECUTE FUNCTION see()
"""
BEGINNING = "    with context.begin_transaction():\n"
CONFIGURED = "target_metadata=MetaData())\n"


@pytest.mark.parametrize(
    "edits",
    [
        {},
        {CONFIGURED: "target_metadata=MetaData(), transaction_per_migration=True)\n"},
        {CONFIGURED: "transaction_per_migration=True)\n", BEGINNING: "    if True:\n"},
        {
            CONFIGURED: "transaction_per_migration=True)\n    connection.exec_driver_sql('SELECT 1')\n",
            BEGINNING: "    if True:\n",
        },
        {BEGINNING: "    with connection.begin():\n"},
    ],
    ids=["plain", "each-alone", "no-block", "no-block-begun", "outer"],
)
def test_a_stamp_is_one_transaction(
    edits: dict[str, str], open_project: OpenProject, database: ConnInfo, tmp_path: Path
) -> None:
    """A table that is emptied first, and filled with several heads, is never seen in between, whatever env.py wants."""
    shutil.copytree(PROJECTS / "forked", tmp_path / "forked")
    file = tmp_path / "forked" / "migrations" / "env.py"
    for before, after in edits.items():
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, after))
    env = {"DATABASE_URL": database.url("postgresql+psycopg")}
    with open_project("forked", database.as_libpq(), env=env) as child:
        child.stamp(["bbbb1"], database.as_libpq())
        with psycopg.connect(database.dsn()) as connection:
            connection.execute(SEEN.encode())
        child.stamp(["bbbb2", "cccc1"], database.as_libpq(), purge=True)
        assert versions(database) == {"bbbb2", "cccc1"}
    with psycopg.connect(database.dsn()) as connection:
        times = connection.execute("SELECT count(*) FROM seen GROUP BY id").fetchall()
    assert [number >= 3 for (number,) in times] == [True], times


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
    """Unknown revisions and several heads are errors of their own kind."""
    shape = "two_heads" if target == "head" else "forked"
    with (
        open_project(shape, env={"DATABASE_URL": "postgresql+psycopg:///x"}) as child,
        pytest.raises(ChildError) as raised,
    ):
        child.steps(direction, target, current)
    assert raised.value.code == "project.alembic"
    assert words in raised.value.why


def broken(folder: Path, env: str = "", revision: str = "", **files: str) -> Path:
    """A project with this env.py, one revision, and more files beside."""
    versions_folder = folder / "migrations" / "versions"
    versions_folder.mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\nprepend_sys_path = .\n")
    (folder / "migrations" / "env.py").write_text(env or CONNECTING)
    body = revision or "revision = 'r1'\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n"
    (versions_folder / "r1.py").write_text(body)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


CONNECTING = """from alembic import context
from sqlalchemy import create_engine
with create_engine("postgresql+psycopg://u:hunter22pw@h.invalid/d").connect() as connection:
    context.configure(connection=connection)
    context.run_migrations()
"""


@pytest.mark.parametrize(
    ("env", "code", "words", "line"),
    [
        ("import os\nurl = os.environ['NO_SUCH_SETTING']\n", "project.raised", "NO_SUCH_SETTING", 2),
        ("import nowhere_to_be_found\n", "project.raised", "nowhere_to_be_found", 1),
        ("\nx = (\n", "project.raised", "never closed", 2),
        ("raise SystemExit('bye')\n", "project.exit", "bye", 1),
        ("raise RuntimeError('postgresql://u:hunter22pw@h/d')\n", "project.raised", "postgresql://u:***@h/d", 1),
        ("pass\n", "project.no-connection", "no SQLAlchemy engine", None),
        (
            "from sqlalchemy import create_engine\ncreate_engine('sqlite://').connect()\n",
            "project.no-connection",
            "no SQLAlchemy engine",
            None,
        ),
    ],
)
def test_what_env_py_raises_is_told_with_its_line(
    env: str, code: str, words: str, line: int | None, tmp_path: Path
) -> None:
    """Each way in which env.py can fail before it connects has a code, the words, and the user's own line."""
    with open_child(load_project(broken(tmp_path / "p", env)), allowed=[]) as child:
        with pytest.raises(ConfigurationError) as raised:
            child.learn()
        assert raised.value.code == code
        assert words in raised.value.why
        assert raised.value.report().state
        assert raised.value.report().next
        assert "hunter22pw" not in f"{raised.value.report()}{getattr(raised.value, 'failure', '')}"
        if line is not None:
            assert raised.value.where == f"{tmp_path / 'p' / 'migrations' / 'env.py'}:{line}"


WANTING = {
    "demanded": "url = os.environ['MAIN_DATABASE_URL']",
    "None where there is none": "url = os.getenv('DATABASE_URL')",
    "a default of its own": "url = os.environ.get('DATABASE_URL', 'postgresql+psycopg://u@own.invalid/d')",
    "told like pydantic": "url = os.environ.get('MAIN_DSN_RW') or (_ for _ in ()).throw(ValueError('main_dsn_rw'))",
    "kept in a module": "from settings import URL as url",
    "another variable": "url = os.environ['SECRET_KEY']",
}


@pytest.mark.parametrize("case", WANTING)
def test_a_url_that_was_given_serves_env_py(case: str, tmp_path: Path, database: ConnInfo) -> None:
    """Where env.py has no URL it gets the one of the command line; one that it has is its own, and nothing is kept."""
    env = CONNECTING.replace('"postgresql+psycopg://u:hunter22pw@h.invalid/d"', "url")
    folder = broken(tmp_path / "p", f"import os, sys\nsys.path.append({str(tmp_path)!r})\n{WANTING[case]}\n{env}")
    (tmp_path / "settings.py").write_text("import os\nURL = os.getenv('DATABASE_URL')\nassert URL, 'no URL'\n")
    config = replace(load_project(folder), url="postgresql+psycopg://u:hunter22pw@given.invalid/d")
    with open_child(config, allowed=[database.as_libpq()], inputs=True) as child:
        child.mean((0,), None)
        assert [each.revision for each in child.steps("upgrade", "head", ())] == ["r1"]
        if case == "another variable":
            with pytest.raises(ConfigurationError, match="KeyError") as raised:
                child.learn()
            assert raised.value.next[0] == "export SECRET_KEY=VALUE"
            assert raised.value.why == "'SECRET_KEY': the environment variable SECRET_KEY is not set"
            return
        (target,) = child.learn()
        own = case == "a default of its own"
        assert target.parameters["host"] == ("own.invalid" if own else "given.invalid")
        assert child.migrate("upgrade", "head", database.as_libpq()).failure is None
        assert bool(child.inputs().reasons) is not own
    with open_child(replace(config, url=None), allowed=[]) as child:
        if own:
            child.learn()
        else:
            with pytest.raises(ConfigurationError):
                child.learn()


def test_an_env_py_for_another_database_is_refused(tmp_path: Path, database: ConnInfo) -> None:
    """A migration of SQLite is none of our business, and is not run."""
    env = CONNECTING.replace("postgresql+psycopg://u:hunter22pw@h.invalid/d", "sqlite://")
    with open_child(load_project(broken(tmp_path / "p", env)), allowed=[]) as child:
        outcome = child.migrate("upgrade", "head", database.as_libpq())
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.message) == (
        "project",
        "env.py configures Alembic for sqlite, not for postgresql",
    )


@pytest.mark.parametrize(
    ("around", "module", "words"),
    [
        ("hooks", "", "not of the form module:callable"),
        ("nowhere:x", "", "there is no module nowhere"),
        ("hooks:missing", "", "no missing there"),
        ("hooks:NUMBER", "NUMBER = 5", "cannot be called"),
        ("hooks:plain", "def plain(): return 5", "gives a int, not a context manager"),
    ],
)
def test_a_setting_that_cannot_be_used_says_why(around: str, module: str, words: str, tmp_path: Path) -> None:
    """``around`` is checked with words that name the setting and what is wrong."""
    config = load_project(broken(tmp_path / "p", hooks=module), around=around)
    with open_child(config, allowed=[]) as child, pytest.raises(ChildError) as raised:
        child.learn()
    assert raised.value.code == "project.setting"
    assert words in raised.value.message
    assert "around" in raised.value.message


def test_a_callable_that_gives_no_config_says_so(tmp_path: Path) -> None:
    """``alembic_config`` must give Alembic's own Config."""
    folder = broken(tmp_path / "p", hooks="def make(): return {}")
    with pytest.raises(ChildError, match=r"alembic_config: hooks:make.* gives a dict"):
        load_project(folder, alembic_config="hooks:make")


def test_what_is_around_env_py_is_entered_and_left_for_each_job(tmp_path: Path) -> None:
    """The context manager is open while env.py runs, and closed afterwards, also when env.py raises."""
    hooks = """
from contextlib import contextmanager
@contextmanager
def around():
    print("entered", flush=True)
    try:
        yield
    finally:
        print("left", flush=True)
"""
    config = load_project(broken(tmp_path / "p", hooks=hooks), around="hooks:around")
    with open_child(config, allowed=[]) as child:
        child.learn()
        child.learn()
        assert child.output().split() == ["entered", "left"] * 2


def test_modules_are_loaded_once_and_env_py_each_time(tmp_path: Path, database: ConnInfo) -> None:
    """Imports dominate, so one process serves many jobs; a revision that was changed meanwhile is read anew."""
    env = "import costly\nprint('env.py', flush=True)\n" + CONNECTING
    folder = broken(tmp_path / "p", env, costly="print('costly', flush=True)")
    with open_child(load_project(folder), allowed=[database.as_libpq()]) as child:
        child.learn()
        child.migrate("upgrade", "head", database.as_libpq())
        revision = folder / "migrations" / "versions" / "r1.py"
        revision.write_text(revision.read_text().replace("downgrade(): pass", "downgrade(): raise KeyError('changed')"))
        outcome = child.migrate("downgrade", "base", database.as_libpq())
        assert child.output().split() == ["costly", "env.py", "env.py", "env.py"]
    assert outcome.failure is not None
    assert outcome.failure.type == "builtins.KeyError"


def test_a_failure_in_user_code_can_be_raised(tmp_path: Path, database: ConnInfo) -> None:
    """A failed run is a value first, and an exception for whoever wants one."""
    revision = "revision = 'r1'\ndown_revision = None\ndef upgrade():\n    1 / 0\n"
    config = load_project(broken(tmp_path / "p", revision=revision))
    with open_child(config, allowed=[database.as_libpq()]) as child:
        outcome = child.migrate("upgrade", "head", database.as_libpq())
    with pytest.raises(ChildError, match="the project's code raised ZeroDivisionError") as raised:
        outcome.raise_for_failure()
    assert raised.value.where.endswith("versions/r1.py:4")


def test_a_child_starts_as_an_ordinary_user_too(tmp_path: Path) -> None:
    """Nothing of the jail needs privileges: without any it is the same seccomp filter."""
    folder = broken(tmp_path / "p")
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from db_migrate.project.child_process import open_child\nfrom db_migrate.project.config import load_config\n"
        "assert os.geteuid() != 0 and 'CapEff:\\t0000000000000000' in Path('/proc/self/status').read_text()\n"
        "with open_child(load_config(Path(sys.argv[1])), allowed=[]) as child:\n"
        "    print(child.jail, child.learn()[0].parameters['host'])\n"
    )
    # As root: still root to the file system, which holds this Python, but nobody and without capabilities otherwise.
    become = functools.partial(namespaces.map_user, 65534) if os.geteuid() == 0 else None
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=become)
    assert done.stdout.strip() == "seccomp h.invalid", done.stderr


ENGINE = """from sqlalchemy import create_engine
engine = create_engine("postgresql+psycopg://u:hunter22pw@h.invalid/d")
"""


def test_a_pool_that_outlives_a_job_does_not_bring_its_connections_along(
    tmp_path: Path, server: Server, database: ConnInfo
) -> None:
    """An engine of the application's own keeps connections open; the next job's go to the next job's database."""
    env = CONNECTING.replace("from sqlalchemy import create_engine", "from app import engine").replace(
        'create_engine("postgresql+psycopg://u:hunter22pw@h.invalid/d").connect()', "engine.connect()"
    )
    config = load_project(broken(tmp_path / "p", env, app=ENGINE))
    with scratch_database(server) as other, open_child(config, allowed=[database.as_libpq()]) as child:
        for each in (database, other):
            recorder = Recorder()
            assert child.migrate("upgrade", "head", each.as_libpq(), recorder).state == "done"
            assert versions(each) == {"r1"}
            assert [event.connection for event in recorder.of(events.Connected)] == [1]


def test_a_connection_that_outlives_a_job_is_not_used_for_another_database(
    tmp_path: Path, server: Server, database: ConnInfo
) -> None:
    """A connection that the application never gives back serves the same database again, and no other."""
    env = "from alembic import context\nfrom app import connection\ncontext.configure(connection=connection)\n"
    app = f"{ENGINE}connection = engine.connect()\n"
    config = load_project(broken(tmp_path / "p", f"{env}context.run_migrations()\n", app=app))
    with scratch_database(server) as other, open_child(config, allowed=[database.as_libpq()]) as child:
        assert child.migrate("upgrade", "head", database.as_libpq()).state == "done"
        assert child.migrate("downgrade", "base", database.as_libpq()).state == "done"
        outcome = child.migrate("upgrade", "head", other.as_libpq())
    assert outcome.failure is not None
    assert "an earlier run of env.py" in outcome.failure.message


def test_what_a_raw_cursor_began_is_not_committed_unseen(tmp_path: Path, database: ConnInfo) -> None:
    """Statements behind SQLAlchemy's back are not seen yet, but the commit of what they began is."""
    revision = (
        "from alembic import op\nrevision = 'r1'\ndown_revision = None\ndef upgrade():\n"
        "    bind = op.get_bind()\n    bind.commit()\n    raw = bind.connection.dbapi_connection\n"
        "    raw.cursor().execute('CREATE TABLE behind ()')\n    bind.begin()\n    bind.commit()\n"
    )

    def refuse(event: events.Event, link: Link) -> None:
        if isinstance(event, events.Committing) and link.query("SELECT to_regclass('behind')") != [[None]]:
            link.abort("made behind our back")

    config = load_project(broken(tmp_path / "p", SETTING_FIRST, revision))
    with open_child(config, allowed=[database.as_libpq()]) as child:
        assert child.migrate("upgrade", "head", database.as_libpq(), Recorder(refuse)).state == "aborted"
    with psycopg.connect(database.dsn()) as connection:
        assert connection.execute("SELECT to_regclass('behind')").fetchone() == (None,)


SETTING_FIRST = """from alembic import context
from sqlalchemy import create_engine, text
with create_engine("postgresql+psycopg://u:hunter22pw@h.invalid/d").connect() as connection:
    connection.execute(text("SELECT 1"))
    context.configure(connection=connection)
    context.run_migrations()
"""
