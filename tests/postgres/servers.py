"""What tests of embedded servers of their own need: their processes, and to wait for them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from db_migrate.postgres import instance

SOURCE = str(Path(instance.__file__).parents[2])


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
