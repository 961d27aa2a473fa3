"""The embedded server: shared, stopped with the last user, recovered from any kill."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from db_migrate.errors import ConfigurationError, Failed
from db_migrate.postgres import binaries, instance
from db_migrate.postgres.instance import Instance, read_state
from db_migrate.postgres.local import database as local_database
from db_migrate.postgres.local import local_server
from db_migrate.postgres.server import Server, running, scratch_server
from db_migrate.postgres.session import connect

from .servers import HOLD, SOURCE, holder, processes, wait_until


def answers(server: Server) -> bool:
    """Whether the server carries out a query."""
    with contextlib.closing(connect(server.conninfo())) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def only_instance(folder: Path) -> Path:
    """The folder of the one server in ``folder``."""
    (found,) = folder.glob("scratch-*")
    return found


def test_the_server_stops_with_its_last_user(folder: Path) -> None:
    """Nested and second uses get the same server; when the last ends, no process is left."""
    with scratch_server(runtime_dir=folder) as outer:
        with scratch_server(runtime_dir=folder) as inner:
            assert inner == outer
        assert answers(outer)
    wait_until(lambda: not processes(folder))


def test_processes_share_one_server(folder: Path) -> None:
    """Two processes have one postmaster; it survives the end of the one that started it."""
    with holder(folder), scratch_server(runtime_dir=folder) as server:
        state = read_state(server.instance)
    with scratch_server(runtime_dir=folder) as server:
        with holder(folder) as other:
            assert read_state(server.instance) is not None
            other.kill()
        assert answers(server)
    assert state is not None


def test_many_processes_at_once_start_one_server(folder: Path) -> None:
    """Processes that all find no server start exactly one, and all can use it."""
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            process = subprocess.Popen(
                [sys.executable, "-c", HOLD, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": SOURCE},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
        with scratch_server(runtime_dir=folder) as server:
            assert answers(server)
            wait_until(lambda: len(processes(folder)) == 2)


def test_a_killed_user_leaves_no_server(folder: Path) -> None:
    """After kill -9 of the only user the server ends by itself."""
    with holder(folder) as process:
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not processes(folder))


def test_a_killed_supervisor_takes_the_server_along_and_the_next_use_starts_anew(folder: Path) -> None:
    """After kill -9 of the supervisor the postmaster ends too, and a user gets another server."""
    with scratch_server(runtime_dir=folder) as server:
        state = read_state(server.instance)
        assert state is not None
        os.kill(state.supervisor, signal.SIGKILL)
        wait_until(lambda: gone(state.postmaster))
        with scratch_server(runtime_dir=folder) as again:
            assert answers(again)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_postmaster_that_is_paused_goes_on(folder: Path) -> None:
    """SIGSTOP, as for a snapshot of the machine or for a debugger, and SIGCONT end no server that is in use."""
    with scratch_server(runtime_dir=folder) as server:
        state = read_state(server.instance)
        assert state is not None
        for number in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(state.postmaster, number)
            time.sleep(0.1)
        assert answers(server)
        assert read_state(server.instance) == state


def test_a_killed_postmaster_is_replaced(folder: Path) -> None:
    """When the postmaster is killed, the next use works, however soon it comes after that."""
    with scratch_server(runtime_dir=folder) as server:
        state = read_state(server.instance)
        assert state is not None
        os.kill(state.postmaster, signal.SIGKILL)
        wait_until(lambda: gone(state.postmaster))
        with scratch_server(runtime_dir=folder) as again:
            assert answers(again)


def test_supervisor_and_postmaster_killed_together_are_replaced(folder: Path) -> None:
    """Left-over backends and lock files of both do not stop a new server."""
    with scratch_server(runtime_dir=folder) as server, contextlib.closing(connect(server.conninfo())):
        kill_everything(server)
        with scratch_server(runtime_dir=folder) as again:
            assert answers(again)


def kill_everything(server: Server) -> None:
    """Kill -9 supervisor and postmaster, neither of which gets to do anything about the other."""
    state = read_state(server.instance)
    assert state is not None
    os.kill(state.supervisor, signal.SIGSTOP)
    os.kill(state.postmaster, signal.SIGKILL)
    os.kill(state.supervisor, signal.SIGKILL)
    wait_until(lambda: gone(state.supervisor) and gone(state.postmaster))


def remove_control_file(directory: Path) -> None:
    """A data directory that PostgreSQL refuses."""
    (directory / "data" / "global" / "pg_control").unlink()


def leave_stale_lock_file(directory: Path) -> None:
    """A lock file that names a living process, which is not a server."""
    (directory / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{directory / 'data'}\n1\n5432\n/tmp\n\n1 1\n")


def leave_half_made_data(directory: Path) -> None:
    """What an initdb killed half-way leaves, in both places."""
    shutil.rmtree(directory / "data")
    (directory / "data").mkdir(mode=0o700)
    (directory / "data.12345").mkdir()


def crash_the_machine(directory: Path) -> None:
    """A data directory that was in use when the machine went down: without fsync it cannot be trusted."""
    (directory / "running").write_text("another boot")


def leave_setting_of_revision(directory: Path) -> None:
    """What ALTER SYSTEM in a revision leaves."""
    (directory / "data" / "postgresql.auto.conf").write_text("default_text_search_config = 'nonsense'\n")


@pytest.mark.parametrize(
    "damage",
    [remove_control_file, leave_stale_lock_file, leave_half_made_data, crash_the_machine, leave_setting_of_revision],
)
def test_a_damaged_data_directory_is_no_obstacle(folder: Path, damage: Callable[[Path], None]) -> None:
    """Whatever an earlier life left in the folder, the next use gets a working server."""
    with scratch_server(runtime_dir=folder):
        pass
    wait_until(lambda: not processes(folder))
    damage(only_instance(folder))
    with scratch_server(runtime_dir=folder) as server:
        assert answers(server)


def test_a_folder_unused_for_a_week_is_removed(folder: Path) -> None:
    """The data of installations that are gone does not take memory for ever; fresh ones stay."""
    for name, age in (("scratch-1-old", 8), ("scratch-1-new", 1)):
        (folder / name).mkdir()
        (folder / name / "postgres.log").touch()
        then = time.time() - age * 86400
        os.utime(folder / name / "postgres.log", (then, then))
    with scratch_server(runtime_dir=folder):
        assert not (folder / "scratch-1-old").exists()
        assert (folder / "scratch-1-new").exists()


def test_other_users_cannot_reach_the_socket(server: Server) -> None:
    """The socket's folder is this user's alone, and somebody else's folder is refused."""
    assert server.socket_dir.stat().st_mode & 0o066 == 0
    assert len(str(server.socket_dir)) < 90


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A symbolic link in the place of the private folder is not followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigurationError, match="not a folder of this user"):
        instance.private_directory(tmp_path / "link")


def test_an_unknown_major_is_an_error(folder: Path) -> None:
    """Asking for a major that is not here names it."""
    with pytest.raises(ConfigurationError, match="PostgreSQL 14"), scratch_server(14, runtime_dir=folder):
        pass


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    """The error carries the server's own last words."""
    found = binaries.embedded()
    place = Instance(folder / "x", folder / ("s" * 120), found.bindir, found.version, durable=False)
    place.directory.mkdir()
    with pytest.raises(Failed, match="did not start") as caught, running(place, found):
        pass
    assert "too long" in caught.value.why


def test_no_secret_of_the_environment_reaches_the_server(folder: Path) -> None:
    """Programs started in the server do not see the user's environment."""
    os.environ["DBM_TEST_SECRET"] = "geheim"
    try:
        with scratch_server(runtime_dir=folder) as server:
            state = read_state(server.instance)
            assert state is not None
            assert b"geheim" not in Path(f"/proc/{state.postmaster}/environ").read_bytes()
    finally:
        del os.environ["DBM_TEST_SECRET"]


def test_a_local_server_keeps_its_data(empty_folder: Path) -> None:
    """Databases of a project's own server are there again the next time, also after a crash of everything."""
    with local_server(empty_folder / "project" / "embedded" / "18") as server:
        conninfo = local_database(server, "mesh")
        with contextlib.closing(connect(conninfo)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
        kill_everything(server)
    with local_server(empty_folder / "project" / "embedded" / "18") as server:
        assert local_database(server, "mesh") == conninfo
        with contextlib.closing(connect(conninfo)) as connection:
            assert connection.execute("SELECT a FROM kept").fetchone() == (1,)


def test_a_local_server_never_touches_damaged_data(empty_folder: Path) -> None:
    """Data that does not start is an error and stays as it is."""
    with local_server(empty_folder) as server:
        pass
    wait_until(lambda: not processes(empty_folder))
    (server.instance.data / "global" / "pg_control").unlink()
    with pytest.raises(Failed, match="did not start"), local_server(empty_folder):
        pass
    assert (server.instance.data / "PG_VERSION").exists()


def test_data_of_another_major_is_refused(empty_folder: Path) -> None:
    """A local empty_folder made by another PostgreSQL is named as such."""
    (empty_folder / "data").mkdir()
    (empty_folder / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigurationError, match="PostgreSQL 17"), local_server(empty_folder):
        pass


def test_processes_with_another_environment_find_the_same_server(
    folder: Path, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the socket is says the server that runs, not the environment of the one who looks for it."""
    elsewhere = empty_folder / "session"
    elsewhere.mkdir(mode=0o700)
    with holder(folder):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(elsewhere))
        with scratch_server(runtime_dir=folder) as server:
            assert answers(server)


def test_nothing_is_left_in_the_folder_of_sockets(folder: Path) -> None:
    """When the server has stopped, its folder for the socket is gone."""
    with scratch_server(runtime_dir=folder) as server:
        assert server.socket_dir.exists()
    wait_until(lambda: not server.socket_dir.exists())


def test_a_server_whose_socket_was_removed_is_replaced(folder: Path) -> None:
    """What cleans up temporary folders may take the socket; the next use gets a server that can be reached."""
    with scratch_server(runtime_dir=folder) as server:
        shutil.rmtree(server.socket_dir)
        with scratch_server(runtime_dir=folder) as again:
            assert answers(again)
