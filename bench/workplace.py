"""The temporary folder of a scenario, with the servers whose data is in it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_ENDING_SECONDS = 60


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder that is gone afterwards. A server in it ends, and so writes, a moment after the last who used it."""
    folder = Path(tempfile.mkdtemp(prefix="db-migrate-bench-"))
    try:
        yield folder
    finally:
        until = time.monotonic() + _ENDING_SECONDS
        while folder.exists() and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.1)
