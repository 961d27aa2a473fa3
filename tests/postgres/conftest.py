"""Folders for embedded servers of a test's own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_migrate.postgres.server import scratch_server

from .servers import processes, wait_until

ROOMY = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 1 << 30 else "/tmp"


@pytest.fixture(scope="session")
def pristine() -> Iterator[Path]:
    """A folder with a data directory that was used and left in order: copying it is quicker than making one."""
    path = Path(tempfile.mkdtemp(prefix="dbm-", dir=ROOMY))
    with scratch_server(runtime_dir=path):
        pass
    wait_until(lambda: not processes(path))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """A private folder for a server of the test's own; its processes are gone at the end."""
    path = Path(tempfile.mkdtemp(prefix="dbm-", dir=ROOMY))
    yield path
    wait_until(lambda: not processes(path))
    shutil.rmtree(path)


@pytest.fixture
def folder(empty_folder: Path, pristine: Path) -> Path:
    """The same, with a data directory in it, so that a server starts quickly."""
    shutil.copytree(pristine, empty_folder, dirs_exist_ok=True)
    return empty_folder
