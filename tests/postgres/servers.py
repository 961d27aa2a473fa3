"""What tests of embedded servers of their own need: their processes, and to wait for them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from db_migrate.postgres import instance

SOURCE = str(Path(instance.__file__).parents[2])

HOLD = """
import sys, time
from pathlib import Path
from db_migrate.postgres.server import scratch_server
with scratch_server(runtime_dir=Path(sys.argv[1])) as server:
    print(server.conninfo().dsn(), flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(folder: Path, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server in ``folder`` until its input ends; ``environ`` instead of ours."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**(os.environ if environ is None else environ), "PYTHONPATH": SOURCE},
    )
    assert process.stdout is not None
    with process:
        assert "host" in process.stdout.readline()
        yield process


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Fail unless ``condition`` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def processes(folder: Path) -> list[int]:
    """Supervisors and postmasters whose command line names ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            if str(folder).encode() in words and (b"supervisor" in words or b"postgres" in words.split(b"\0")[0]):
                found.append(int(entry.name))
    return found
