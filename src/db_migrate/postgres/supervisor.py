"""The small process between an embedded server and those who use it: parent of the postmaster, outlives nobody's need.

Every user holds a shared lock on the instance's ``users`` file. The supervisor waits for the exclusive lock; having
it means that the last user is gone, however it went (the kernel drops a killed process's locks). It then stops the
server and ends. Should the supervisor itself be killed, the kernel signals the postmaster.

Run as ``python -m db_migrate.postgres.supervisor INSTANCE``; prints one line, ``ready`` or the error as JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from db_migrate.errors import DbMigrateError
from db_migrate.jail import landlock
from db_migrate.postgres import cluster, identity
from db_migrate.postgres.instance import Instance, State, try_lock, wait_for_lock, write_state

_PREDECESSOR_SECONDS = 30.0
_ABANDONED_SECONDS = 7 * 24 * 3600.0
_STANDINS = Path(__file__).parent / "extensions"


class _PostmasterGoneError(Exception):
    """The postmaster ended while it was in use."""


def main(argument: str) -> None:
    """Start the server, say so, and run it for as long as anyone uses it."""
    if os.fork() != 0:
        # Whoever started us waits for this process only; the other one belongs to nobody.
        os._exit(0)
    instance = Instance.from_json(argument)
    alive = (instance.directory / "alive").open("a")
    try:
        wait_for_lock(alive, fcntl.LOCK_EX, _PREDECESSOR_SECONDS)
        process = _start(instance)
    except DbMigrateError as error:
        _report({"code": error.code, "message": error.message, "why": error.why, "where": error.where})
        return
    try:
        _report("ready")
        _wait_for_users(instance, process)
    finally:
        (instance.directory / "state.json").unlink(missing_ok=True)
        cluster.stop(process)
        if process.returncode == 0:
            (instance.directory / "running").unlink(missing_ok=True)
        if instance.sockets.exists():
            _remove_sockets(instance)
            instance.sockets.rmdir()


def _report(result: object) -> None:
    print(json.dumps(result), flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _start(instance: Instance) -> subprocess.Popen[bytes]:
    # What is in a durable server is the user's own doing.
    who = identity.choose(confined=instance.durable or landlock.version() > 0)
    bindir = cluster.prepare(instance, who)
    jail = "none" if instance.durable else cluster.choose_jail(who)
    _end_orphans(instance)
    if not instance.durable:
        _remove_what_cannot_be_used(instance)
        _remove_abandoned(instance)
        _copy_standins(instance)
    made = _initialize_if_missing(instance, who, bindir)
    _mark_running(instance)
    try:
        process = cluster.start(instance, who, bindir, jail)
    except DbMigrateError:
        if instance.durable or made:
            raise
        # A data directory that was good once and does not start is not worth an inquiry: it holds only scratch.
        shutil.rmtree(instance.data)
        _initialize_if_missing(instance, who, bindir)
        process = cluster.start(instance, who, bindir, jail)
    warnings = () if jail != "none" or instance.durable else (_NO_JAIL,)
    write_state(instance, State(os.getpid(), process.pid, str(instance.sockets), jail, warnings))
    return process


_NO_JAIL = (
    "the scratch server could not be jailed: neither seccomp filters nor network namespaces are allowed here; "
    "a revision that uses dblink, postgres_fdw, CREATE SUBSCRIPTION or COPY PROGRAM can reach other servers"
)


def _initialize_if_missing(instance: Instance, who: identity.Identity, bindir: Path) -> bool:
    if (instance.data / "PG_VERSION").exists():
        return False
    cluster.initialize(instance, who, bindir)
    return True


def _remove_what_cannot_be_used(instance: Instance) -> None:
    """Half-made data directories, and one that was in use when the machine went down (we write without fsync)."""
    for unfinished in instance.directory.glob("*.[0-9]*"):
        shutil.rmtree(unfinished)
    running = instance.directory / "running"
    crashed = running.exists() and running.read_text() != _boot_identifier()
    if instance.data.exists() and (crashed or not (instance.data / "PG_VERSION").exists()):
        shutil.rmtree(instance.data)


def _remove_abandoned(instance: Instance) -> None:
    """Scratch folders of other versions and installations that nobody has used for a week: they may take memory."""
    for folder in instance.directory.parent.glob("scratch-*"):
        log = folder / "postgres.log"
        if folder == instance.directory or not log.exists() or time.time() - log.stat().st_mtime < _ABANDONED_SECONDS:
            continue
        with (folder / "users").open("a") as users, (folder / "start").open("a") as start:
            if try_lock(users, fcntl.LOCK_EX) and try_lock(start, fcntl.LOCK_EX):
                shutil.rmtree(folder)


def _mark_running(instance: Instance) -> None:
    (instance.directory / "running").write_text(_boot_identifier())


def _boot_identifier() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except FileNotFoundError:
        return ""


def _end_orphans(instance: Instance) -> None:
    """End server processes that a killed supervisor left, and remove their lock file, which would stop a start.

    They are known by their working directory, which is the data directory; where that cannot be seen, PostgreSQL's
    own check of the lock file has to do.
    """
    deadline = time.monotonic() + 10
    while orphans := _processes_in(instance.data):
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT if time.monotonic() < deadline - 5 else signal.SIGKILL)
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    if Path("/proc/self/cwd").exists():
        (instance.data / "postmaster.pid").unlink(missing_ok=True)
        _remove_sockets(instance)


def _remove_sockets(instance: Instance) -> None:
    for file in instance.sockets.glob(".s.PGSQL.*"):
        file.unlink(missing_ok=True)


def _processes_in(directory: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == directory and "postgres" in (process / "comm").read_text():
                found.append(int(process.name))
    return found


def _copy_standins(instance: Instance) -> None:
    """Beside the data, where whoever the server runs as can read them."""
    target = instance.directory / "extensions"
    shutil.copytree(_STANDINS, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def _wait_for_users(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    """Return when nobody uses the server any more, or when it has ended by itself."""

    def child_ended(_number: int, _frame: FrameType | None) -> None:
        if process.poll() is not None:  # the signal also says that it was stopped, or goes on
            raise _PostmasterGoneError

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, terminate)
    try:
        signal.signal(signal.SIGCHLD, child_ended)
        if process.poll() is not None:
            return
        with instance.users.open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _stop_holding(instance, process)
    except _PostmasterGoneError:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _stop_holding(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    """Stop while nobody can become a user: they wait for the lock that we hold, and then start a new server."""
    (instance.directory / "state.json").unlink(missing_ok=True)
    cluster.stop(process)


if __name__ == "__main__":
    main(sys.argv[1])
