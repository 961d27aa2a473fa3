"""The folder of one embedded server: what is in it, who uses it, and where such folders are.

.. code-block:: text

    <instance>/
      users        locked shared by every process that uses the server; its supervisor waits for the exclusive lock
      start        locked while somebody looks whether the server runs, and starts it
      alive        locked by the supervisor for as long as it lives
      state.json   what the supervisor says about the server that is running
      running      the machine's boot identifier, while the data directory is in use
      data/        the data directory
      extensions/  SQL-only stand-ins for extensions (scratch only)
      postgres.log, supervisor.log
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from db_migrate.errors import ConfigurationError, Failed
from db_migrate.home import cache_home
from db_migrate.postgres.binaries import Binaries

# Neither is the name of a schema of ours: "$user" comes first on the search_path.
SCRATCH_SUPERUSER = "dbm_superuser"
_DURABLE_SUPERUSER = "postgres"
FORMAT = 3
"""Part of a scratch folder's name: raise it when the layout or the way data directories are made changes."""

_SOCKET_PATH_LIMIT = 100  # sockaddr_un holds 108 bytes on Linux and 104 on macOS
_SHARED_MEMORY = Path("/dev/shm")
_MIB = 1 << 20
_ROOM_ON_MEMORY = 256 * _MIB
_MEMORY_LEFT = 1024 * _MIB


@dataclass(frozen=True, slots=True)
class Instance:
    """An embedded server's folder and programs. ``durable``: its data matters, and it is never made anew."""

    directory: Path
    sockets: Path
    bindir: Path
    version: int
    durable: bool

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def superuser(self) -> str:
        """The role that owns the server; on scratch not one that a target is likely to have."""
        return _DURABLE_SUPERUSER if self.durable else SCRATCH_SUPERUSER

    @property
    def users(self) -> Path:
        """The file that every user of the server holds a shared lock on."""
        return self.directory / "users"

    @property
    def log(self) -> Path:
        """What the server writes to its log since it was started."""
        return self.directory / "postgres.log"

    def to_json(self) -> str:
        """As one argument for the supervisor."""
        return json.dumps(
            {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        )

    @classmethod
    def from_json(cls, text: str) -> Instance:
        """What ``to_json`` wrote."""
        values = json.loads(text)
        paths = {key: Path(values[key]) for key in ("directory", "sockets", "bindir")}
        return cls(**paths, version=values["version"], durable=values["durable"])


@dataclass(frozen=True, slots=True)
class State:
    """What a supervisor says about the server that it runs. ``jail`` is ``seccomp``, ``namespace`` or ``none``.

    ``sockets`` is where it listens, which whoever started it chose by its own environment.
    """

    supervisor: int
    postmaster: int
    sockets: str
    jail: str
    warnings: tuple[str, ...]


def write_state(instance: Instance, state: State) -> None:
    """Publish ``state`` to other processes, all at once."""
    unfinished = instance.directory / "state.json.new"
    unfinished.write_text(json.dumps(asdict(state)))
    unfinished.replace(instance.directory / "state.json")


def read_state(instance: Instance) -> State | None:
    """The state of the server if its supervisor lives, else None."""
    with (instance.directory / "alive").open("a") as alive:
        if try_lock(alive, fcntl.LOCK_SH):
            return None
    try:
        values = json.loads((instance.directory / "state.json").read_text())
    except FileNotFoundError:
        return None
    return State(**{**values, "warnings": tuple(values["warnings"])})


def try_lock(file: IO[str], kind: int) -> bool:
    """Take ``LOCK_SH`` or ``LOCK_EX`` on ``file`` if nobody is in the way. Ends with the open file."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(file: IO[str], kind: int, seconds: float) -> None:
    """Take the lock within ``seconds``, or raise ``Failed`` (``server.busy``)."""
    deadline = time.monotonic() + seconds
    while not try_lock(file, kind):
        if time.monotonic() > deadline:
            raise Failed(
                "server.busy",
                f"another process has been starting or stopping the embedded server for {seconds:.0f} s",
                where=file.name,
            )
        time.sleep(0.005)


@contextlib.contextmanager
def starting(instance: Instance, seconds: float = 90.0) -> Iterator[None]:
    """Be the only process that looks at or changes whether the server of ``instance`` runs."""
    with (instance.directory / "start").open("a") as file:
        wait_for_lock(file, fcntl.LOCK_EX, seconds)
        yield


def scratch_instance(binaries: Binaries, root: Path | None = None) -> Instance:
    """The folder of the scratch server made of ``binaries``; the same for every process of this user.

    Below ``root`` if given, else below DB_MIGRATE_RUNTIME_DIR, else in memory where there is room, else in the
    user's cache folder.
    """
    name = _scratch_name(binaries)
    parent = private_directory(root) if root else _scratch_root(name)
    directory = private_directory(parent / name)
    return Instance(directory, socket_directory(directory), binaries.bindir, binaries.version, durable=False)


def _scratch_name(binaries: Binaries) -> str:
    """Two builds of one version may differ in what they were built with: their programs then differ in size."""
    sizes = [binaries.program(name).stat().st_size for name in ("postgres", "initdb")]
    build = hashlib.sha256(f"{binaries.version} {sizes}".encode()).hexdigest()[:8]
    return f"scratch-{binaries.version}-{build}-f{FORMAT}"


def _scratch_root(name: str) -> Path:
    override = os.environ.get("DB_MIGRATE_RUNTIME_DIR")
    if override:
        return private_directory(Path(override))
    in_memory = _SHARED_MEMORY / f"db-migrate-{os.geteuid()}"
    if (in_memory / name / "data").exists() or _has_room(_SHARED_MEMORY):
        return private_directory(in_memory)
    try:
        return private_directory(cache_home() / "db-migrate")
    except OSError:
        return runtime_root()


def _has_room(directory: Path) -> bool:
    """Whether a data directory fits on the memory file system without taking memory that others need."""
    if not os.access(directory, os.W_OK) or not Path("/proc/meminfo").exists():
        return False
    file_system = os.statvfs(directory)
    return (
        file_system.f_bavail * file_system.f_frsize >= _ROOM_ON_MEMORY
        and min(_machine_memory(), _group_memory()) >= _MEMORY_LEFT
    )


def _machine_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _group_memory() -> int:
    """What the container may still take (control groups version 2), or a very large number."""
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    try:
        return int(limit.read_text()) - int(used.read_text())
    except (OSError, ValueError):
        return 1 << 60  # no such file, or "max"


def runtime_root() -> Path:
    """A folder with a short path that is this user's alone, for sockets."""
    override = os.environ.get("DB_MIGRATE_RUNTIME_DIR")
    if override and len(override) < _SOCKET_PATH_LIMIT - 30:
        return private_directory(Path(override))
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    if session and len(session) < _SOCKET_PATH_LIMIT - 40 and os.access(session, os.W_OK):
        return private_directory(Path(session) / "db-migrate")
    return private_directory(Path(f"/tmp/db-migrate-{os.geteuid()}"))


def socket_directory(instance: Path) -> Path:
    """Where the server of ``instance`` has its socket when this process starts it."""
    return runtime_root() / _short(instance)


def possible_sockets(instance: Instance) -> frozenset[Path]:
    """Every folder where the server of ``instance`` may have its socket, whoever has started it or is about to.

    Where it runs, that is known; till then another session of this user may start it, whose environment has another
    XDG_RUNTIME_DIR than ours, or none.
    """
    user, short = os.geteuid(), _short(instance.directory)
    usual = (Path(f"/run/user/{user}/db-migrate"), Path(f"/tmp/db-migrate-{user}"))
    state = read_state(instance)
    running = [Path(state.sockets)] if state else []
    return frozenset((instance.sockets, *(root / short for root in usual), *running))


def _short(instance: Path) -> str:
    return hashlib.sha256(str(instance.resolve()).encode()).hexdigest()[:10]


def private_directory(path: Path) -> Path:
    """``path``, made if it is not there, after checking that nobody else can put anything into it.

    Raises ``ConfigurationError`` (``server.folder``) when it is someone else's, or a symbolic link.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigurationError(
            "server.folder",
            f"{path} is not a folder of this user",
            why="the embedded server's socket must be out of other users' reach",
            next=["export DB_MIGRATE_RUNTIME_DIR=~/.cache/db-migrate/run"],
        )
    if found.st_mode & 0o066:
        path.chmod(0o700)
    return path
