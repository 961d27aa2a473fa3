"""Children that are forks of the fork server behave like those that were started by themselves."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_migrate.project import child_process, fork_server
from db_migrate.project.child_process import ChildDied, open_child
from db_migrate.project.fork_server import Fork
from db_migrate.project.jobs import Inputs
from db_migrate.project.loading import load_project

MESH = Path(__file__).parents[2] / "examples" / "mesh"
TELLING = """
import json, locale, os, sys
from pathlib import Path
shown = {name: value for name, value in os.environ.items() if name not in ("HOME", "TMPDIR")}
Path(os.environ["TOLD_TO"]).write_text(json.dumps(
    [shown, os.getcwd(), sys.path, sys.argv[:1], sys.flags.safe_path, locale.setlocale(locale.LC_CTYPE), os.getsid(0)
     == os.getpid(), sys.stdin.read(), [os.readlink(f"/proc/self/fd/{n}").endswith("output") for n in (1, 2)]]
))
from alembic import context
import sqlalchemy
with sqlalchemy.create_engine("postgresql+psycopg://u@h.invalid/d").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture(autouse=True)
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server of this test's own, started in the environment that it finds; other tests have left theirs behind."""
    servers: dict[tuple[int, int, str], fork_server.ForkServer] = {}
    monkeypatch.setattr(fork_server, "_servers", servers)
    yield
    for each in servers.values():
        each.close()


def project_of(folder: Path, env: str) -> Path:
    """A project without revisions whose env.py is ``env``."""
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (folder / "migrations" / "env.py").write_text(env)
    return folder


def started_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no child is a fork."""
    monkeypatch.setattr(child_process, "fork_server", lambda: None)


def test_env_py_cannot_tell_a_fork_from_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables, folder, path, arguments, locale, session and streams are the same in both."""
    project = load_project(project_of(tmp_path / "p", TELLING))
    told = []
    for kind in ("fork", "own"):
        if kind == "own":
            started_from_nothing(monkeypatch)
        to = tmp_path / "told"
        with open_child(project, allowed=[], env={"TOLD_TO": str(to), "ONLY_HERE": "ä\n'"}) as child:
            assert isinstance(child._process, Fork) == (kind == "fork")
            child.learn()
        told.append(to.read_text())
    assert told[0] == told[1]
    assert '"ONLY_HERE": "\\u00e4\\n\'"' in told[0]


def test_a_fork_notes_the_same_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server's imports looked at counts as looked at by each fork, but for the server's own modules."""

    def inputs() -> Inputs:
        with open_child(load_project(MESH), allowed=[], inputs=True) as child:
            child.learn()
            return child.inputs()

    of_fork = inputs()
    started_from_nothing(monkeypatch)
    of_own = inputs()
    for field in of_own.__struct_fields__:
        one, other = getattr(of_fork, field), getattr(of_own, field)
        if field in ("files", "names"):
            more = {Path(each).stem for each in set(one) ^ set(other)}
            assert more <= {"serving", "forks"}, field
        elif field == "packages":
            # Alembic looks for its plugins when it is imported: in a fork, as from a terminal, before the project's
            # folder is on the path.
            assert set(other) - set(one) <= {str(MESH)}
            assert set(one) <= set(other)
        else:
            assert one == other, field


@pytest.mark.parametrize("variable", ["PYTHONHASHSEED", "LC_ALL", "PSYCOPG_IMPL"])
def test_another_environment_for_the_imports_is_no_fork(tmp_path: Path, variable: str) -> None:
    """What Python, the C library or psycopg read when they start is read anew, and so are the answers."""
    env = f"import os, sys; print(os.environ[{variable!r}], sys.flags.hash_randomization, flush=True)\n" + TELLING
    value = {"PYTHONHASHSEED": "0", "LC_ALL": "C", "PSYCOPG_IMPL": "binary"}[variable]
    project = load_project(project_of(tmp_path / "p", env))
    with open_child(project, allowed=[], env={"TOLD_TO": str(tmp_path / "told"), variable: value}) as child:
        assert not isinstance(child._process, Fork)
        child.learn()
        assert child.output().split() == [value, "0" if variable == "PYTHONHASHSEED" else "1"]


@pytest.mark.parametrize("lacking", ["pidfd_open in Python", "pidfd_open in the kernel", "processes"])
def test_where_there_can_be_no_server_children_start_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """An old Python, an old kernel, or a server that cannot be started: the child is there all the same."""

    def refuse(*_args: object) -> int:
        raise OSError(errno.ENOSYS, "not here")

    if lacking == "pidfd_open in Python":
        monkeypatch.delattr(os, "pidfd_open")
    elif lacking == "pidfd_open in the kernel":
        monkeypatch.setattr(os, "pidfd_open", refuse)
    else:
        monkeypatch.setattr(fork_server.ForkServer, "__init__", refuse)
    project = load_project(project_of(tmp_path / "p", TELLING))
    with open_child(project, allowed=[], env={"TOLD_TO": str(tmp_path / "told")}) as child:
        assert not isinstance(child._process, Fork)
        child.learn()


OPENS_ONE = """
import sys
from pathlib import Path
from db_migrate.project.child_process import open_child
from db_migrate.project.loading import load_project
project = load_project(Path(sys.argv[1]))
with open_child(project, allowed=[]) as child:
    child.learn()
    print(type(child._process).__name__, child.pid)
"""


def test_plugins_of_alembic_are_loaded_in_the_jailed_child_only(tmp_path: Path) -> None:
    """They are somebody's code, which importing Alembic runs; so the server leaves that to its forks."""
    folder = project_of(tmp_path / "p", TELLING)
    plugins = tmp_path / "plugins"
    (plugins / "ours-1.dist-info").mkdir(parents=True)
    (plugins / "ours-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
    (plugins / "ours-1.dist-info" / "entry_points.txt").write_text("[alembic.plugins]\nours = ours\n")
    (plugins / "ours.py").write_text(
        f"import os\nopen({str(tmp_path / 'loaded_by')!r}, 'a').write(f'{{os.getpid()}} ')\ndef setup(plugin): pass\n"
    )
    path = os.pathsep.join([str(plugins), *(entry for entry in sys.path if entry)])
    ran = subprocess.run(
        [sys.executable, "-c", OPENS_ONE, str(folder)],
        env=os.environ | {"TOLD_TO": str(tmp_path / "told"), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    kind, pid = ran.stdout.split()
    assert kind == "Fork"
    knows_plugins = importlib.util.find_spec("alembic.runtime.plugins") is not None
    loaded_by = tmp_path / "loaded_by"
    assert (loaded_by.read_text().split() if loaded_by.exists() else []) == ([pid] if knows_plugins else [])


KILLS_THE_SERVER = """
import os, signal, sys
from pathlib import Path
from db_migrate.project.child_process import ChildDied, open_child
from db_migrate.project.loading import load_project
project = load_project(Path(sys.argv[1]))
with open_child(project, allowed=[]) as one, open_child(project, allowed=[]) as other:
    for child in (one, other):
        child.learn()
    os.kill(one._process._server.pid, signal.SIGKILL)
    one._process.wait(10)
    try:
        one.learn()
    except ChildDied as error:
        print(error.message)
    with open_child(project, allowed=[]) as third:  # notices, and starts from nothing
        third.learn()
        with open_child(project, allowed=[]) as fourth:
            fourth.learn()
            print(type(third._process).__name__, type(fourth._process).__name__)
            print(fourth._process._server.pid != one._process._server.pid)
"""


def test_a_server_that_was_killed_takes_its_forks_and_is_replaced(tmp_path: Path) -> None:
    """Of two forks one is known to have been killed and the other is let go of; the next children work."""
    folder = project_of(tmp_path / "p", TELLING)
    ran = subprocess.run(
        [sys.executable, "-c", KILLS_THE_SERVER, str(folder)],
        env=os.environ | {"TOLD_TO": str(tmp_path / "told")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    said, kinds, replaced = ran.stdout.splitlines()
    assert "killed by SIGKILL" in said
    assert (kinds, replaced) == ("Popen Fork", "True")


def test_nothing_is_left_of_children_that_have_ended(tmp_path: Path) -> None:
    """No process, zombie or descriptor stays, however a fork ends."""
    project = load_project(project_of(tmp_path / "p", "import os; os._exit(7)"))
    open_files = []
    pids = []
    for _ in range(4):
        with open_child(project, allowed=[]) as child:
            pids.append(child.pid)
            with pytest.raises(ChildDied, match="exited 7"):
                child.learn()
        open_files.append(len(list(Path("/proc/self/fd").iterdir())))
    assert len(set(open_files)) == 1
    time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
