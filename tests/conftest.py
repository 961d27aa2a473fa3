"""Servers and databases for every room's tests: all real, shared where they can be, gone afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from db_migrate.jail import landlock
from db_migrate.postgres import binaries, identity
from db_migrate.postgres.binaries import Binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server, scratch_server
from db_migrate.postgres.session import connect

TARGET_PASSWORD = "p@ss/w%rd 'quoted'"
"""Every character that breaks naive handling of URLs, connection strings and SQL."""

CHROMIUM = Path("/usr/bin/chromium")
_LANDLOCK_ABI = 6
_IN_MEMORY = os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 1 << 30
_ROOMY = "/dev/shm" if _IN_MEMORY else "/tmp"
OLDER = int(os.environ.get("DB_MIGRATE_TEST_MAJOR", "15"))
"""The older major version that fixtures and tests with 15 in their names use: 15, unless another is asked for."""
PROGRAMS = os.environ.get("DB_MIGRATE_TEST_PROGRAMS")
"""The folder of that version's programs, where it is none that is looked into anyway; `make test-matrix` sets both."""
_NEEDS_15 = {"target15_server", "target15_database"}
_NEEDS_SCRATCH_15 = {"server15", "database15"}

if PROGRAMS:
    os.environ["PATH"] = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"


# How long an example takes says how busy the machine is; the first time, in a fresh clone, Unicode's tables are made.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

os.environ.setdefault("PGCONNECT_TIMEOUT", "300")  # how long a server takes to let us in says how busy the machine is
os.environ["DB_MIGRATE_LANG"] = "en"  # whoever runs the tests may have another locale

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in the background of a shell without job control, and so all that is started here would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def older() -> Binaries | None:
    """The programs of the older version: of any major for a target, though scratch servers are of 15 at least."""
    if PROGRAMS and OLDER < binaries.OLDEST_MAJOR:
        return binaries.at(Path(PROGRAMS), PROGRAMS)
    return binaries.find(OLDER)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers that this file gives to tests."""
    config.addinivalue_line("markers", f"pg15: needs the programs of PostgreSQL {OLDER} on this machine")
    config.addinivalue_line("markers", f"scratch15: needs a PostgreSQL {OLDER} that scratch servers can be of")
    config.addinivalue_line("markers", "matrix: for `make test-matrix`, which sets DB_MIGRATE_TEST_MAJOR")
    config.addinivalue_line("markers", "browser: needs Debian's Chromium")
    config.addinivalue_line("markers", "landlock: needs a kernel with Landlock ABI 6 (Linux 6.12)")


def pytest_report_header() -> list[str]:
    """Say which servers the tests can use, and which tests this machine cannot run."""
    programs = older()
    missing = f"NOT FOUND, tests marked pg15 are deselected (apt-get install postgresql-{OLDER})"
    source = programs.source if programs else missing
    abi = landlock.version()
    kernel = f"ABI {abi}" if abi >= _LANDLOCK_ABI else f"ABI {abi}, tests marked landlock are deselected"
    browser = (
        CHROMIUM if CHROMIUM.exists() else "NOT FOUND, tests marked browser are deselected (apt-get install chromium)"
    )
    return [
        f"PostgreSQL {binaries.embedded().major}: embedded; {OLDER}: {source}",
        f"Landlock: {kernel}",
        f"Chromium: {browser}",
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, visibly, what needs a PostgreSQL or a kernel that is not here."""
    missing = {
        name
        for name, here in (
            ("pg15", older() is not None),
            ("scratch15", binaries.find(OLDER) is not None),
            ("matrix", "DB_MIGRATE_TEST_MAJOR" in os.environ),
            ("landlock", landlock.version() >= _LANDLOCK_ABI),
            ("browser", CHROMIUM.exists()),
        )
        if not here
    }
    for item in items:
        if _NEEDS_15 & set(getattr(item, "fixturenames", ())):
            item.add_marker("pg15")
        if _NEEDS_SCRATCH_15 & set(getattr(item, "fixturenames", ())):
            item.add_marker("pg15")
            item.add_marker("scratch15")
    # Hundreds of small tests at the end: no worker is then alone with a long one while the others have nothing to do.
    items.sort(key=lambda item: "acceptance" in item.path.parts)
    deselected = [item for item in items if any(item.get_closest_marker(name) for name in missing)]
    if deselected:
        items[:] = [item for item in items if item not in deselected]
        config.hook.pytest_deselected(items=deselected)


def pytest_collection_finish() -> None:
    """Leave alone, in each collection of garbage, the thousands of tests: they stay until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@dataclass(slots=True)
class TargetServer:
    """An ordinary server as a target: TCP with passwords, a Unix socket without, no jail, nobody else's."""

    binaries: Binaries
    socket_dir: Path
    port: int
    password: str = field(repr=False)
    restart: Callable[[], None] = field(repr=False)
    """Stop the server as ``immediate`` does, that is without a word to anybody, and start it again."""
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    @property
    def major(self) -> int:
        """The major version."""
        return self.binaries.major

    def conninfo(self, dbname: str = "postgres", user: str = "postgres") -> ConnInfo:
        """An address by TCP, with a password."""
        return ConnInfo("127.0.0.1", self.port, user, self.password, dbname)

    def new_database(self, owner: str | None = None) -> ConnInfo:
        """A new empty database, as the superuser by TCP; it lives as long as the server."""
        name = f"target_{next(self.names)}"
        with contextlib.closing(connect(self.conninfo())) as connection:
            ownership = f" OWNER {owner}" if owner else ""
            strategy = " STRATEGY file_copy" if self.major >= 15 else ""
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0{ownership}{strategy}".encode())
        return self.conninfo(name)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The embedded scratch server, shared by all test processes."""
    with scratch_server() as running:
        yield running


@pytest.fixture(scope="session")
def server15() -> Iterator[Server]:
    """A scratch server of PostgreSQL 15, shared by all test processes."""
    with scratch_server(OLDER) as running:
        yield running


@pytest.fixture
def database(server: Server) -> Iterator[ConnInfo]:
    """An empty database on the embedded scratch server."""
    with scratch_database(server, purpose="a test") as conninfo:
        yield conninfo


@pytest.fixture
def database15(server15: Server) -> Iterator[ConnInfo]:
    """An empty database on a scratch server of PostgreSQL 15."""
    with scratch_database(server15, purpose="a test") as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def target_server(server: Server) -> Iterator[TargetServer]:
    """An ordinary server of the embedded version. Whoever has a target needs the scratch server again and again."""
    del server
    with plain_server(binaries.embedded()) as running:
        yield running


@pytest.fixture(scope="session")
def target15_server(request: pytest.FixtureRequest) -> Iterator[TargetServer]:
    """An ordinary server of PostgreSQL 15, and a scratch server where there are such."""
    if binaries.find(OLDER) is not None:
        request.getfixturevalue("server15")
    found = older()
    assert found is not None, "tests that need the older PostgreSQL are deselected where there is none"
    with plain_server(found) as running:
        yield running


@pytest.fixture
def target_database(target_server: TargetServer) -> ConnInfo:
    """An empty database on an ordinary server of the embedded version."""
    return target_server.new_database()


@pytest.fixture
def target15_database(target15_server: TargetServer) -> ConnInfo:
    """An empty database on an ordinary server of PostgreSQL 15."""
    return target15_server.new_database()


@contextlib.contextmanager
def plain_server(found: Binaries, *, prepare: Callable[[Path], None] | None = None) -> Iterator[TargetServer]:
    """Run an ordinary server in a temporary folder, under whichever user the machine allows.

    ``prepare`` is given that folder in the server's own process before it starts.
    """
    who = identity.choose(confined=True)
    folder = Path(tempfile.mkdtemp(prefix="dbm-target-", dir=_ROOMY))
    try:
        data = _make_data_directory(found, folder, who)
        port = _free_port()
        postmaster = _Postmaster(found, data, folder, port, functools.partial(_become_target, who, folder, prepare))
        postmaster.start()
        try:
            yield TargetServer(found, folder, port, TARGET_PASSWORD, postmaster.restart)
        finally:
            postmaster.stop()
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def standby_of(primary: TargetServer) -> Iterator[ConnInfo]:
    """Run a streaming standby of an ordinary server; yields the address of its ``postgres`` database."""
    who = identity.choose(confined=True)
    folder = Path(tempfile.mkdtemp(prefix="dbm-standby-", dir=_ROOMY))
    try:
        if who is identity.Identity.OTHER_USER:
            os.chown(folder, identity.unprivileged().pw_uid, identity.unprivileged().pw_gid)
        data = folder / "data"
        copy = ["-D", str(data), "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", primary.conninfo().dsn()]
        become = functools.partial(identity.become, who)
        subprocess.run([primary.binaries.program("pg_basebackup"), *copy], check=True, preexec_fn=become)
        port = _free_port()
        enter = functools.partial(_become_target, who, folder, None)
        postmaster = _Postmaster(primary.binaries, data, folder, port, enter)
        postmaster.start()
        try:
            yield primary.conninfo().replace(port=port)
        finally:
            postmaster.stop()
    finally:
        shutil.rmtree(folder)


def _make_data_directory(found: Binaries, folder: Path, who: identity.Identity) -> Path:
    data, password = folder / "data", folder / "password"
    data.mkdir(mode=0o700)
    password.write_text(TARGET_PASSWORD)
    if who is identity.Identity.OTHER_USER:
        for path in (folder, data, password):
            os.chown(path, identity.unprivileged().pw_uid, identity.unprivileged().pw_gid)
    options = ["-D", str(data), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    authentication = ["--auth-host=scram-sha-256", "--auth-local=trust", f"--pwfile={password}"]
    if found.major >= 16:  # a password is asked for ten thousand times, and guessed by nobody
        authentication.append("--set=scram_iterations=1")
    subprocess.run(
        [found.program("initdb"), *options, *authentication],
        check=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=functools.partial(identity.become, who),
    )
    return data


@dataclass
class _Postmaster:
    found: Binaries
    data: Path
    folder: Path
    port: int
    become: Callable[[], None]

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "100",
            "max_prepared_transactions": "5",
            "autovacuum": "off",
            "timezone": "UTC",
            "wal_level": "logical",
        }
        options = [f"-p{self.port}", *(f"-c{key}={value}" for key, value in settings.items())]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.found.program("postgres"), "-D", self.data, *options],
                stdout=log,
                stderr=log,
                preexec_fn=self.become,
            )
        _wait_until_ready(self.process, self.data, self.folder / "log")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def restart(self) -> None:
        self.stop()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.start()


def _become_target(who: identity.Identity, folder: Path, prepare: Callable[[Path], None] | None) -> None:
    if prepare is not None and who is identity.Identity.OTHER_USER:
        prepare(folder)
    identity.become(who)
    if prepare is not None and who is not identity.Identity.OTHER_USER:
        prepare(folder)
    # The server ends with the test process, also when that is killed (PR_SET_PDEATHSIG).
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT, 0, 0, 0)


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    for _ in range(3000):
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(FileNotFoundError):
            lines = (data / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and lines[7].strip() in ("ready", "standby"):
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    raise AssertionError(log.read_text())


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
