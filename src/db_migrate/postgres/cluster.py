"""Makes data directories and runs the postmaster on them; called by the supervisor only.

What a command line fixes (``-c``) a revision cannot change for the next run: ALTER SYSTEM writes
``postgresql.auto.conf``, which is removed before each start, and loses against the command line.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from db_migrate.errors import Failed
from db_migrate.jail import landlock, namespaces, seccomp
from db_migrate.postgres.identity import Identity, become, unprivileged
from db_migrate.postgres.instance import Instance, private_directory

_START_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1

_COMMON = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %d ",
    "logging_collector": "off",
    "log_destination": "stderr",
}
_SCRATCH = {
    **_COMMON,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    # So that what needs logical decoding behaves as on a target that has it; costs nothing measurable.
    "wal_level": "logical",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "shared_buffers": "64MB",
    # A dump of 10,000 tables, or one transaction over them, needs a lock for each. 4096 starts 0.3 s later, measured.
    "max_locks_per_transaction": "1024",
    "max_prepared_transactions": "10",
    # In the data directory, so that nothing stays in /dev/shm when the server is killed.
    "dynamic_shared_memory_type": "mmap",
    # One statement, one process: what a trace observes is then all there is.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
}
_DURABLE = {**_COMMON, "wal_level": "logical", "max_prepared_transactions": "10"}


def jail_program() -> bytes:
    """The filter over a scratch server: it may listen and answer on Unix sockets, and never call anyone.

    ``connect`` is what dblink, postgres_fdw, subscriptions and programs started by COPY would need. Datagrams need
    no ``connect``, hence the other rules.
    """
    refuse = seccomp.deny(errno.EACCES)
    not_unix = seccomp.Test(0, seccomp.Comparison.DIFFERENT, socket.AF_UNIX)
    datagram = seccomp.Test(1, seccomp.Comparison.EQUAL, socket.SOCK_DGRAM, mask=0xF)
    addressed = seccomp.Test(4, seccomp.Comparison.POINTER_SET)
    return seccomp.build(
        [
            seccomp.Rule("connect", refuse),
            seccomp.Rule("socket", refuse, (not_unix,)),
            seccomp.Rule("socket", refuse, (datagram,)),
            seccomp.Rule("sendto", refuse, (addressed,)),
            seccomp.Rule("io_uring_setup", refuse),
        ]
    )


def choose_jail(identity: Identity) -> str:
    """The strongest jail that this machine allows: ``seccomp``, ``namespace`` or ``none``."""
    with contextlib.suppress(OSError):  # no system call numbers for this processor
        if seccomp.supported(jail_program()):
            return "seccomp"
    if namespaces.possible(functools.partial(become, identity, own_network=True)):
        return "namespace"
    return "none"


def prepare(instance: Instance, identity: Identity) -> Path:
    """Make the folders fit for ``identity``; returns where the programs are that it can run."""
    for directory in (instance.directory, instance.sockets):
        private_directory(directory)
    bindir = instance.bindir
    if identity is Identity.OTHER_USER:
        user = unprivileged()
        for directory in (instance.directory.parent, instance.directory, instance.sockets.parent):
            directory.chmod(0o711)
        os.chown(instance.sockets, user.pw_uid, user.pw_gid)
        if not _runs(bindir, identity):
            bindir = copy_programs(bindir, instance.directory)
    return bindir


def _runs(bindir: Path, identity: Identity) -> bool:
    try:
        subprocess.run(
            [bindir / "postgres", "--version"],
            check=True,
            capture_output=True,
            timeout=30,
            preexec_fn=functools.partial(become, identity),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def copy_programs(bindir: Path, directory: Path) -> Path:
    """A copy of the installation that the other user can read; libraries beside the folder (wheels) included."""
    root = bindir.parent
    copy = directory / "programs" / "package"
    if not copy.exists():
        unfinished = directory / f"programs.{os.getpid()}"
        shutil.copytree(
            root, unfinished / "package" / root.name, ignore=shutil.ignore_patterns("include", "doc", "*.a")
        )
        bundled = root.parent.parent / f"{root.parent.name}.libs"
        if bundled.is_dir():
            shutil.copytree(bundled, unfinished / bundled.name)
        unfinished.chmod(0o755)
        unfinished.rename(directory / "programs")
    return copy / root.name / "bin"


def initialize(instance: Instance, identity: Identity, bindir: Path) -> None:
    """Make the data directory, aside and then in place, so that a half-made one is never used.

    Raises ``Failed`` (``server.initdb``).
    """
    unfinished = instance.directory / f"data.{os.getpid()}"
    unfinished.mkdir(mode=0o700)
    if identity is Identity.OTHER_USER:
        user = unprivileged()
        os.chown(unfinished, user.pw_uid, user.pw_gid)
    failure = ""
    for locale in _locales(instance.version // 10000):
        done = subprocess.run(
            [bindir / "initdb", "-D", unfinished, *_initdb_options(instance), *locale],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(),
            preexec_fn=functools.partial(become, identity),
        )
        if done.returncode == 0:
            unfinished.rename(instance.data)
            return
        failure = done.stdout.strip()
    shutil.rmtree(unfinished)
    raise Failed(
        "server.initdb", "the embedded server's data directory could not be made", why=failure, where=str(instance.data)
    )


def _initdb_options(instance: Instance) -> list[str]:
    options = ["-E", "UTF8", "-A", "trust", "-U", instance.superuser, "--lc-messages=C", "--no-instructions"]
    if not instance.durable:
        options.append("--no-sync")
    if not instance.durable and instance.version >= 180000:
        options.append("--no-data-checksums")
    return options


def _locales(major: int) -> list[list[str]]:
    """Locales to try: one that knows all letters and is the same on every machine, else plain C."""
    if major >= 17:
        return [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
    return [["--locale=C.UTF-8"], ["--locale=C.utf8"], ["--locale=C"]]


def _environment() -> Mapping[str, str]:
    """Nothing of the user's: a program started by COPY would see it."""
    kept = {key: os.environ[key] for key in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if key in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", **kept}


def start(instance: Instance, identity: Identity, bindir: Path, jail: str) -> subprocess.Popen[bytes]:
    """Run the postmaster until it accepts connections. Raises ``Failed`` (``server.start``) with its last words."""
    (instance.data / "postgresql.auto.conf").unlink(missing_ok=True)
    settings = {
        **(_DURABLE if instance.durable else _SCRATCH),
        "unix_socket_directories": str(instance.sockets),
    }
    if instance.version >= 180000 and not instance.durable:
        settings["extension_control_path"] = f"$system:{instance.directory / 'extensions'}"
    arguments = [f"-c{key}={value}" for key, value in settings.items()]
    instance.log.touch()
    instance.log.chmod(0o600)  # statements stand in it, as revisions write them
    with instance.log.open("wb") as log:
        process = subprocess.Popen(
            [bindir / "postgres", "-D", instance.data, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            preexec_fn=_entrance(instance, identity, jail),
        )
    _wait_until_ready(instance, process)
    return process


def _entrance(instance: Instance, identity: Identity, jail: str) -> Callable[[], None]:
    """What the postmaster does before it is one: become somebody, be jailed, and die with its supervisor."""
    program = jail_program() if jail == "seccomp" else b""
    # Where the kernel can, it cannot write anywhere else either: COPY TO and programs that it starts leave no trace.
    folders = [] if instance.durable or not landlock.version() else [instance.data, instance.sockets]
    supervisor = os.getpid()

    def enter() -> None:
        become(identity, own_network=jail == "namespace")
        if folders:
            landlock.restrict_writes(folders)
        if program:
            seccomp.install(program)
        if sys.platform == "linux":
            # SIGQUIT is PostgreSQL's immediate shutdown. Set last: changing the user clears it.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)

    return enter


def _wait_until_ready(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    """The eighth line of ``postmaster.pid`` says so (as ``pg_ctl`` reads it)."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            lines = (instance.data / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
        time.sleep(0.005)
    stop(process)
    raise Failed(
        "server.start",
        "the embedded server did not start",
        why="\n".join(instance.log.read_text(errors="replace").splitlines()[-12:]),
        where=str(instance.log),
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the postmaster: at once but in order, then without order, then by force."""
    for number, seconds in ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
