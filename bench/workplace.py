"""The temporary folder of a scenario, with the servers whose data is in it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from db_migrate import demo

_ENDING_SECONDS = 60.0


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder that is gone afterwards, as soon as the servers in it have ended."""
    folder = Path(tempfile.mkdtemp(prefix="db-migrate-bench-"))
    try:
        yield folder
    finally:
        demo.remove(folder, _ENDING_SECONDS)
