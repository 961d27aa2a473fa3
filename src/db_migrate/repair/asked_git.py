"""What git says of the project's repository; nothing where there is no git or no repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 30


def git_text(folder: Path, *words: str) -> str:
    """What git prints, run in a folder; empty where it refuses."""
    return git_bytes(folder, *words).decode(errors="replace")


def git_bytes(folder: Path, *words: str, sent: bytes = b"") -> bytes:
    """What git prints to the byte; ``sent`` is its standard input."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], input=sent, capture_output=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
