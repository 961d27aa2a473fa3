"""Runs every comparison on this machine and prints one table in Markdown."""

from __future__ import annotations

import platform
import sys
import tempfile
from pathlib import Path

from bench.measure import Measured, measure
from bench.mesh import comparisons, prepared


def main() -> int:
    """Print the table; the exit code is 0 when every command ended as it should."""
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}\n")
    print("| what | command | median s | CPU s | runs |")
    print("| --- | --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="db-migrate-bench-") as folder, prepared(Path(folder)) as project:
        for each in comparisons(project):
            print(row(measure(each)), flush=True)
    return 0


def row(measured: Measured) -> str:
    """One measured command as a row of the table."""
    case = measured.case
    return f"| {case.what} | `{case.shown}` | {measured.median:.2f} | {measured.cpu:.2f} | {case.runs} |"


sys.exit(main())
