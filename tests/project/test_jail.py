"""User code reaches the scratch server and nothing else, whatever it uses to connect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project import child_process, events
from db_migrate.project.child_process import ChildDied, ChildError

from .conftest import PROJECTS, Listener, OpenProject, Recorder, SharedChild

WAYS = {
    "a raw psycopg2 connection": "import psycopg2; psycopg2.connect(host='127.0.0.1', port={port}, connect_timeout=3)",
    "a raw psycopg connection": "import psycopg; psycopg.connect('host=127.0.0.1 port={port} connect_timeout=3')",
    "libpq's environment": "import os, psycopg2; os.environ.update(PGHOSTADDR='127.0.0.1', PGPORT='{port}'); "
    "psycopg2.connect('')",
    "a raw asyncpg connection": "import asyncio, asyncpg; "
    "asyncio.run(asyncpg.connect(host='127.0.0.1', port={port}, user='u', database='d', timeout=3))",
    "a socket": "import socket; socket.create_connection(('127.0.0.1', {port}), 3)",
    "a mapped address": "import socket; s = socket.socket(socket.AF_INET6); s.connect(('::ffff:127.0.0.1', {port}))",
    "another Unix socket": "import socket; socket.socket(socket.AF_UNIX).connect('{path}')",
    "a relative path": "import os, socket; os.chdir(os.path.dirname('{path}')); "
    "socket.socket(socket.AF_UNIX).connect(os.path.basename('{path}'))",
    "a datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "a name server": "import socket; socket.getaddrinfo('db.example.com', 5432)",
    "another program": "import subprocess, sys; subprocess.run([sys.executable, '-c', "
    "'import socket; socket.create_connection((\"127.0.0.1\", {port}), 3)'], check=True)",
    "a fast-open message": "import socket; socket.socket().sendmsg([b'x'], [], 0x20000000, ('127.0.0.1', {port}))",
}

REVISION = '''
"""reaches out"""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    try:
        exec({code!r})
    except OSError as error:
        print("refused:", error)
    except Exception as error:
        print("failed:", type(error).__name__, error)
    else:
        print("REACHED")


def downgrade() -> None:
    pass
'''


def add_revision(folder: Path, code: str) -> None:
    """Give the project a third revision that runs ``code``."""
    (folder / "migrations" / "versions" / "0003_out.py").write_text(REVISION.format(code=code))


def test_nothing_but_the_scratch_server_can_be_reached(
    open_project: OpenProject, database: ConnInfo, listener: Listener, tmp_path: Path
) -> None:
    """Raw drivers, sockets, other sockets of the file system, datagrams, name servers, programs: all are refused."""
    scratch = database.as_libpq()
    recorder = Recorder()
    with open_project("psycopg3", scratch) as child:
        assert child.jail == "seccomp"
        assert child.migrate("upgrade", "head", scratch).state == "done"
        for way, code in WAYS.items():
            add_revision(tmp_path / "psycopg3", code.format(port=listener.port, path=listener.path))
            before = len(recorder.of(events.Refused))
            outcome = child.migrate("upgrade", "head", scratch, recorder)
            assert outcome.state == "done", (way, outcome.failure)
            assert "REACHED" not in child.output(), way
            assert len(recorder.of(events.Refused)) > before, (way, child.output())
            child.migrate("downgrade", "-1", scratch)
    assert listener.connections == 0
    addresses = {each.address for each in recorder.of(events.Refused)}
    assert {f"127.0.0.1:{listener.port}", os.path.realpath(listener.path)} <= addresses
    assert "db.example.com:5432" in addresses


def test_a_refusal_names_the_line_of_user_code(
    open_project: OpenProject, database: ConnInfo, listener: Listener
) -> None:
    """A raw connection is told with its address and the line in the revision that opened it, and fails the run."""
    recorder = Recorder()
    with open_project("raw_driver", database.as_libpq(), env={"LISTENER_PORT": str(listener.port)}) as child:
        outcome = child.migrate("upgrade", "head", database.as_libpq(), recorder)
    assert outcome.state == "failed"
    refused = recorder.of(events.Refused)[0]
    assert (refused.address, refused.by, refused.line) == (f"127.0.0.1:{listener.port}", "seccomp", 12)
    assert refused.file is not None
    assert refused.file.endswith("0002_raw.py")
    assert listener.connections == 0


def test_side_effects_stay_in_the_childs_own_folders(
    open_project: OpenProject, database: ConnInfo, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home and temporary folder are the child's own and go with it; prints are caught; HTTP is refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    recorder = Recorder()
    with open_project("side_effects", database.as_libpq(), env={"LISTENER_PORT": str(listener.port)}) as child:
        assert child.migrate("upgrade", "head", database.as_libpq(), recorder).state == "done"
        output = child.output()
        homes = [Path(line.partition("=")[2]) for line in output.splitlines() if line.startswith(("HOME=", "TMPDIR="))]
        assert len(homes) == 2
        assert all(home.exists() for home in homes)
    assert not any(home.exists() for home in homes)
    assert not (tmp_path / ".app").exists()
    for line in ("straight to the descriptor", "from a child of the child", "on stderr", "refused:"):
        assert line in output
    assert [each.address for each in recorder.of(events.Refused)] == [f"127.0.0.1:{listener.port}"]
    assert not list(tmp_path.rglob("__pycache__"))
    assert listener.connections == 0


@pytest.mark.parametrize("jail", ["namespace", "python"])
def test_weaker_jails_still_redirect_and_refuse(
    jail: str, open_project: OpenProject, database: ConnInfo, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where seccomp cannot be had the next best is used, says so, and the listener is not reached either."""
    monkeypatch.setattr(child_process, "strongest", lambda _pid: jail)
    env = {"LISTENER_PORT": str(listener.port)}
    recorder = Recorder()
    with open_project("side_effects", database.as_libpq(), env=env) as child:
        assert child.jail == jail
        assert child.migrate("upgrade", "0001", database.as_libpq(), recorder).state == "done"
        assert "refused:" in child.output()
    with open_project("raw_driver", database.as_libpq(), env=env) as child:
        outcome = child.migrate("upgrade", "head", database.as_libpq(), recorder)
    assert outcome.failure is not None
    assert "reach only its database" in outcome.failure.message
    assert [(each.by, each.address) for each in recorder.of(events.Refused)] == [
        ("python", f"127.0.0.1:{listener.port}"),
        ("python", f"127.0.0.1:{listener.port}"),
    ]
    assert listener.connections == 0


def test_a_network_that_is_needed_is_not_taken_away(
    open_project: OpenProject, target_database: ConnInfo, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a TCP server is allowed, an empty network would be wrong: Python's guard is what remains."""
    monkeypatch.setattr(child_process, "strongest", lambda _pid: "namespace")
    env = {"DATABASE_URL": target_database.url("postgresql+asyncpg"), "LISTENER_PORT": str(listener.port)}
    with open_project("from_environment", target_database.as_libpq(), env=env) as child:
        assert child.jail == "python"
        assert child.migrate("upgrade", "head", None).state == "done"
    assert listener.connections == 0


def test_a_listener_that_needs_the_network_does_not_matter_on_scratch(
    shared_child: SharedChild, database: ConnInfo, listener: Listener
) -> None:
    """A password of the hour that cannot be asked for is not needed on scratch; the target is not learnt then."""
    child = shared_child("token_of_the_hour")
    recorder = Recorder()
    assert child.migrate("upgrade", "head", database.as_libpq(), recorder).state == "done"
    assert [each.address for each in recorder.of(events.Refused)] == [f"127.0.0.1:{listener.port}"]
    with pytest.raises(ChildError) as raised:
        child.learn()
    assert "Permission denied" in raised.value.why
    assert listener.connections == 0


@pytest.mark.parametrize(
    ("driver", "host"), [("psycopg", "localhost"), ("psycopg2", "127.0.0.1"), ("asyncpg", "localhost")]
)
def test_env_py_keeps_its_own_connection_when_it_may(
    driver: str, host: str, open_project: OpenProject, target_database: ConnInfo, listener: Listener
) -> None:
    """With the target allowed and no database given, env.py connects as it always does; elsewhere it still cannot."""
    target = target_database.replace(host=host)
    environment = {"DATABASE_URL": target.url(f"postgresql+{driver}"), "LISTENER_PORT": str(listener.port)}
    recorder = Recorder()
    with open_project("from_environment", target.as_libpq(), env=environment) as child:
        outcome = child.migrate("upgrade", "head", None, recorder)
        assert outcome.state == "done", outcome.failure
        assert child.migrate("downgrade", "base", None).state == "done"
    assert recorder.shape().endswith("<BsC><BssC>")
    assert [each.address for each in recorder.of(events.Refused)] == [f"127.0.0.1:{listener.port}"]
    assert listener.connections == 0


def test_a_wrong_password_is_not_repeated(open_project: OpenProject, target_database: ConnInfo) -> None:
    """What the driver says about a failed connection reaches us without the password that it was given."""
    environment = {"DATABASE_URL": target_database.replace(password="wr0ng/p@ss").url("postgresql+psycopg")}
    with open_project("from_environment", target_database.as_libpq(), env=environment) as child:
        outcome = child.migrate("upgrade", "head", None)
        text = f"{outcome}"
    assert outcome.state == "failed"
    assert "authentication failed" in text
    assert "wr0ng" not in text


def test_a_child_that_dies_is_an_error_with_its_last_words(open_project: OpenProject, database: ConnInfo) -> None:
    """A crash in the middle is told with the signal and what was printed, and leaves no process."""

    def kill(event: events.Event, _link: object) -> None:
        if isinstance(event, events.StepBegin):
            os.kill(child.pid, signal.SIGKILL)

    with open_project("psycopg3", database.as_libpq()) as child, pytest.raises(ChildDied) as raised:
        child.migrate("upgrade", "head", database.as_libpq(), Recorder(kill))
    assert "SIGKILL" in raised.value.message
    assert not Path(f"/proc/{child.pid}").exists()


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed takes the child along, and the folders that stay are removed by the next child."""
    script = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from db_migrate.project.child_process import open_child
        from db_migrate.project.config import load_config
        config = load_config(Path({str(PROJECTS / "psycopg3")!r}))
        with open_child(config, allowed=[]) as child:
            print(child.pid, flush=True)
            time.sleep(60)
        """
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}/exe").exists()
    left = list(tmp_path.glob("dbm-child-*"))
    assert len(left) == 1
    sweep = "from db_migrate.project.surroundings import surroundings\nwith surroundings(): pass"
    subprocess.run([sys.executable, "-c", sweep], check=True, env=environment)
    assert not list(tmp_path.glob("dbm-child-*"))
