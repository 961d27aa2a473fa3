"""The embedded server under every kind of user: root, ordinary ones, one without a name."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from db_migrate.jail import namespaces
from db_migrate.postgres import binaries, cluster, identity
from db_migrate.postgres.identity import Identity
from db_migrate.postgres.instance import Instance
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

from .servers import SOURCE


def identities() -> list[Identity]:
    """Every way of running a server that this user has."""
    if os.geteuid() == 0:
        return [Identity.NAMESPACE, Identity.OTHER_USER]
    return [Identity.ITSELF]


@pytest.mark.parametrize(
    ("who", "jail"), list(zip(itertools.cycle(identities()), ["seccomp", "namespace", "none", "seccomp"], strict=False))
)
def test_each_fallback_gives_a_working_server(empty_folder: Path, who: Identity, jail: str) -> None:
    """Whoever the server runs as, and whatever jails it, it starts, answers and stops."""
    found = binaries.embedded()
    place = Instance(empty_folder / "server", empty_folder / "sockets", found.bindir, found.version, durable=False)
    bindir = cluster.prepare(place, who)
    cluster.initialize(place, who, bindir)
    process = cluster.start(place, who, bindir, jail)
    try:
        with contextlib.closing(connect(Server(place, found, jail, ()).conninfo())) as connection:
            connection.execute("CREATE EXTENSION dblink; CREATE EXTENSION pg_trgm")
    finally:
        cluster.stop(process)
    assert process.returncode == 0


def test_programs_that_the_other_user_cannot_read_are_copied(empty_folder: Path) -> None:
    """A copy of the embedded installation, libraries included, runs."""
    found = binaries.embedded()
    copied = cluster.copy_programs(found.bindir, empty_folder)
    assert empty_folder in copied.parents
    done = subprocess.run([copied / "initdb", "--version"], capture_output=True, text=True, check=True)
    assert f"{found.major}." in done.stdout


ORDINARY = """
import os, sys
from pathlib import Path
from db_migrate.testing import scratch_database
from db_migrate.postgres.server import scratch_server
assert os.geteuid() != 0
with scratch_server() as server, scratch_database() as url:
    print(server.jail, server.instance.directory, server.socket_dir, url)
"""


def become_ordinary() -> None:
    """In a child process of root: become somebody else, keeping what a namespace lets one keep."""
    if os.geteuid() == 0:
        nobody = identity.unprivileged()
        if namespaces.possible(lambda: namespaces.map_user(nobody.pw_uid)):
            namespaces.map_user(nobody.pw_uid)
        else:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)


def test_an_ordinary_user_with_a_home_of_its_own_gets_a_server(empty_folder: Path) -> None:
    """Without root, with another HOME and TMPDIR, everything works and stays in that user's folders."""
    empty_folder.chmod(0o777)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": SOURCE,
        "HOME": str(empty_folder),
        "TMPDIR": str(empty_folder),
    }
    environment["DB_MIGRATE_RUNTIME_DIR"] = str(empty_folder / "run")
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        preexec_fn=become_ordinary,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(empty_folder / "run") in done.stdout


def test_a_user_without_a_name_gets_a_server(empty_folder: Path) -> None:
    """A container that runs under a number without an entry in /etc/passwd can use the embedded server."""
    nameless = next(number for number in range(54321, 60000) if not has_name(number))

    def enter() -> None:
        namespaces.map_user(nameless)

    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "HOME": str(empty_folder)}
    environment["DB_MIGRATE_RUNTIME_DIR"] = str(empty_folder / "run")
    done = subprocess.run(
        [sys.executable, "-c", ORDINARY],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        preexec_fn=enter,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def has_name(number: int) -> bool:
    """Whether a user number is in /etc/passwd."""
    return any(user.pw_uid == number for user in pwd.getpwall())
