"""The one line of a user's file that a finding shows."""

from __future__ import annotations

from pathlib import Path


def source_line(file: str, number: int) -> str:
    """The line's text without what follows it; empty where the file or the line is not there."""
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):
        return ""
    return lines[number - 1].rstrip() if 0 < number <= len(lines) else ""
