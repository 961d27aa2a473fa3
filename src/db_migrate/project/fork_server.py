"""Starts child processes as forks of one that has imported Alembic, SQLAlchemy and psycopg, and nothing else.

Importing them takes most of the time that a child needs to start; a process that opens several children (``apply``
opens two, a test session thousands) does it once. The server runs none of the user's code: a fork has its own folder,
environment and jail before it loads any. What the imports have looked at in the environment must be the same for a
fork; where it is not, where the system is not Linux, or where the server cannot be had, the child starts from nothing.

The server goes when this process does, and its forks go with it.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from db_migrate.project import forks
from db_migrate.project.channel import Channel
from db_migrate.project.surroundings import NOWHERE, environment

__all__ = ["Fork", "ForkServer", "Process", "fork_server"]

_BOOTSTRAP = "import sys; sys.path.append(sys.argv.pop(1)); from db_migrate.project.child.serving import main; main()"
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_")
"""What variables begin with that Python and the C library look at before any code of ours runs."""
_EACH_ITS_OWN = frozenset({"HOME", "TMPDIR"})
"""Variables that are never the same in two children. ``sysconfig`` looks at one of them for a folder of the user's."""


class Process(Protocol):
    """What the parent does with a child process; ``subprocess.Popen`` has it."""

    pid: int

    def kill(self) -> None:
        """Send SIGKILL."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, as ``Popen.wait``: minus the signal's number. Raises ``subprocess.TimeoutExpired``."""


class Fork:
    """A child of the fork server. It stays a zombie, so that its number is nobody else's, until it was waited for."""

    def __init__(self, pid: int, server: ForkServer) -> None:
        self.pid = pid
        self._server = server
        self._ended = os.pidfd_open(pid)
        self._status: int | None = None

    def kill(self) -> None:
        """Send SIGKILL, unless it was waited for."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, as ``Popen.wait``: minus the signal's number. Raises ``subprocess.TimeoutExpired``."""
        if self._status is None:
            poll = select.poll()
            poll.register(self._ended, select.POLLIN)
            if not poll.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(["fork"], timeout or 0)
            self._status = self._server.reap(self.pid)
            os.close(self._ended)
        return self._status


class ForkServer:
    """One server process. Safe to use from several threads. Raises ``OSError`` where it cannot be started."""

    def __init__(self, env: Mapping[str, str]) -> None:
        os.close(os.pidfd_open(os.getpid()))  # where the kernel has none, no fork could be waited for
        self._env = dict(env)
        self._lock = threading.Lock()
        self._looked_at: frozenset[str] | None = None
        self._closed = False
        self._control, control = socket.socketpair()
        ours, theirs = socket.socketpair()
        with control, theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-c", _BOOTSTRAP, str(Path(__file__).parents[2])),
                    *(str(theirs.fileno()), str(control.fileno())),
                ],
                cwd="/",
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), control.fileno()),
                start_new_session=True,
            )
        writes = ours.dup()
        self._channel = Channel(ours.detach(), writes.detach())

    @property
    def pid(self) -> int:
        """The server's process id: that of its forks' parent."""
        return self._process.pid

    def fork(self, directory: Path, env: Mapping[str, str], descriptors: Sequence[int]) -> Fork | None:
        """A new child; None when what the server has imported was imported in another environment.

        ``descriptors`` are those of ``forks.Fork``. Raises ``OSError`` or ``EOFError`` when the server has gone.
        """
        with self._lock:
            if self._looked_at is None:
                self._looked_at = frozenset(self._channel.receive(forks.Warm).variables)
            if not self._fits(env, self._looked_at):
                return None
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            self._control.sendmsg([b"f"], rights)
            self._channel.send(forks.Fork(directory=str(directory), environment=dict(env)))
            return Fork(self._channel.receive(forks.Forked).pid, self)

    def reap(self, pid: int) -> int:
        """The exit status of a fork that has ended. Once only. A fork whose server has gone was killed."""
        with self._lock:
            if self._closed:
                return -signal.SIGKILL
            try:
                self._channel.send(forks.Reap(pid=pid))
                return int(self._channel.receive(forks.Reaped).status)
            except (OSError, EOFError):
                return -signal.SIGKILL

    def close(self) -> None:
        """End the server, and with it all its forks."""
        with self._lock:
            self._closed = True
            self._process.kill()
            self._channel.close()
            self._control.close()
            self._process.wait()

    def _fits(self, env: Mapping[str, str], looked_at: frozenset[str]) -> bool:
        early = {name for name in {*env, *self._env} if name.startswith(_READ_AT_START)}
        return all(env.get(name) == self._env.get(name) for name in (looked_at | early) - _EACH_ITS_OWN)


_servers: dict[tuple[int, int, str], ForkServer] = {}
_starting = threading.Lock()


def fork_server() -> ForkServer | None:
    """This process's server, started in our own environment when there is none yet; None where there can be none."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):  # Pythons built where the headers are old have none
        return None
    with _starting:
        key = (os.getpid(), os.geteuid(), sys.executable)
        if key not in _servers:
            try:
                _servers[key] = ForkServer(environment(NOWHERE, None))
            except OSError:
                return None  # the child will say what is wrong with starting processes here
            atexit.register(_forget, key)
        return _servers[key]


def gone(server: ForkServer) -> None:
    """The server does not answer any more; the next child gets a new one."""
    with _starting:
        for key in [key for key, each in _servers.items() if each is server]:
            del _servers[key]
    server.close()


def _forget(key: tuple[int, int, str]) -> None:
    if key[0] == os.getpid() and key in _servers:
        with contextlib.suppress(OSError):
            _servers.pop(key).close()
