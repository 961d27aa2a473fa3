"""A virtual environment for each set of versions, made with the Python that is asked for, wherever it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from matrix.cells import Cell
from matrix.programs import Missing

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-matrix"
ORDINARY = "nobody"
_IS_IT = "import sys, venv, ensurepip"


def as_ordinary(command: list[str]) -> list[str]:
    """The command as a user who owns nothing here; this one's own when that is none but root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={ORDINARY}", "--regid=65534", "--clear-groups", "--", *command]


def environment(cell: Cell) -> Path:
    """The folder of the cell's virtual environment, installed. Raises ``Missing`` where its Python is not here."""
    place = FOLDER / f"{cell.environment}{'-ordinary' if cell.ordinary_user else ''}"
    stamp = place / ".installed"
    if stamp.exists() and stamp.stat().st_mtime >= (ROOT / "requirements" / "dev.txt").stat().st_mtime:
        return place
    python = _python(cell)
    print(f"installing {place.name} with {python}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([python, "-m", "venv", "--without-pip", place], check=True)
    uv = [
        str(Path(sys.executable).parent / "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(place / "bin" / "python"),
    ]
    pinned = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(ROOT / "requirements" / "dev.txt")]
    subprocess.run([*uv, *pinned], check=True)
    subprocess.run([*uv, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], check=True)
    if cell.packages:
        others = [f"{name}=={version}" for name, version in cell.packages.items()]
        subprocess.run([*uv, "--no-deps", "--only-binary", ":all:", *others], check=True)
    # Whoever runs the tests may not be allowed to keep bytecode here; and children never do.
    folders = [str(place / "lib"), str(ROOT / "src")]
    subprocess.run([place / "bin" / "python", "-m", "compileall", "-q", "-j", "0", *folders], check=True)
    stamp.touch()
    return place


def _python(cell: Cell) -> str:
    for each in _pythons(cell.python):
        command = [
            each,
            "-c",
            f"import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '{cell.python}')",
        ]
        if cell.ordinary_user:
            command = as_ordinary(command)
        if subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0:
            return each
    whose = " that an ordinary user may run" if cell.ordinary_user else ""
    raise Missing(f"no Python {cell.python} with its venv module{whose}")


def _pythons(version: str) -> Iterator[str]:
    """Where a Python of that version may be: on PATH, the distribution's, among those that pyenv or uv installed."""
    for name in (shutil.which(f"python{version}"), f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        if name and Path(name).exists():
            yield name
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path.home() / ".local" / "share" / "uv" / "python"
    for folder in (*pyenv.glob(f"{version}.*"), *uv.glob(f"cpython-{version}.*")):
        yield str(folder / "bin" / f"python{version}")
