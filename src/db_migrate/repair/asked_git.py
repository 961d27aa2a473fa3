"""What git says of the project's repository; nothing where there is no git or no repository."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
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


def git_blobs(folder: Path, names: Sequence[str]) -> Iterator[bytes]:
    """The contents of these names, asked for all at once (git-cat-file(1), "batch output"); empty where git has none.

    In a partial clone git fetches what is not there, or has none where it cannot.
    """
    answer = git_bytes(folder, "cat-file", "--batch", sent="".join(f"{each}\n" for each in names).encode())
    for _ in names:
        head, _, answer = answer.partition(b"\n")
        words = head.split()
        size = int(words[2]) if len(words) == 3 else 0
        yield answer[:size]
        answer = answer[size + 1 :] if len(words) == 3 else answer
