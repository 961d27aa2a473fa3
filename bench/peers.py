"""What scenarios compare with and the project does not need: installed by name into a folder of the scenario's own."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Peers:
    """A virtual environment: its ``bin`` folder, and the versions of what was asked for."""

    bin: Path
    versions: dict[str, str]


def installed(folder: Path, *names: str) -> Peers:
    """``names`` from the package registry in an environment below ``folder``, beside all that is installed here.

    A name may say which versions will do, as pip reads it; it comes before what is installed here.
    """
    place = folder / "peers"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    python = str(place / "bin" / "python")
    purelib = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    here = (sysconfig.get_path("purelib"), str(Path(__file__).parents[1] / "src"))
    (Path(purelib.strip()) / "beside.pth").write_text("\n".join(here) + "\n")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, *names], check=True)
    return Peers(
        place / "bin", {name: _version(python, name) for name in (re.split("[<>=!~]", each)[0] for each in names)}
    )


def _version(python: str, name: str) -> str:
    ask = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return subprocess.check_output([python, "-c", ask, name], text=True).strip()
