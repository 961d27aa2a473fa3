"""A folder of results that can be made again: bounded, the least recently used go first."""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

_LARGEST = 512 << 20
_LOOKS = 64
"""How often the folder is looked through, on the average, while as much is written as it may hold."""
_LEFTOVER_SECONDS = 3600.0
_OURS = re.compile(r"[0-9a-f]{64}\.\w+")


@dataclass(frozen=True, slots=True)
class Cache:
    """Files in ``folder``, named by a digest and what they are; together they take about ``largest`` bytes at most.

    Looking through thousands of files takes longer than writing one, so not every writer does it: each with a chance
    that grows with what it wrote. What is too much is then a few 64ths of ``largest``, without any state to share.
    """

    folder: Path
    largest: int = _LARGEST

    def get(self, name: str) -> bytes | None:
        """What was kept under this name, or None; now it is the most recently used."""
        file = self.folder / name
        try:
            content = file.read_bytes()
            file.touch()
        except OSError:
            return None
        return content

    def put(self, name: str, content: bytes) -> None:
        """Keep a file, whole or not at all, whoever else does the same at the same time; a full disk keeps nothing."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.folder, prefix="new-", delete=False) as temporary:
                temporary.write(content)
            Path(temporary.name).replace(self.folder / name)
            if random.random() * self.largest < len(content) * _LOOKS:
                self._forget()

    def _forget(self) -> None:
        """Remove what was not used for the longest time, and what writers that were killed have left."""
        now = time.time()
        kept: list[tuple[float, int, str]] = []
        with os.scandir(self.folder) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    found = file.stat()
                    if _OURS.fullmatch(file.name):
                        kept.append((found.st_mtime, found.st_size, file.name))
                    elif file.name.startswith("new-") and now - found.st_mtime > _LEFTOVER_SECONDS:
                        Path(file.path).unlink()
        total = 0
        for _used, size, name in sorted(kept, reverse=True):
            total += size
            if total > self.largest:
                (self.folder / name).unlink(missing_ok=True)
