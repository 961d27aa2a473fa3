"""Files of the user's project, as a result shows them: their place, and the one line that a finding is about."""

from __future__ import annotations

from pathlib import Path

from db_migrate.postgres.redact import redact
from db_migrate.report.style import name


def place(file: str, line: int = 0) -> str:
    """The file, relative to the current folder where it is inside, with the line when there is one."""
    path = Path(file)
    shown = path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path
    return name(f"{shown}:{line}" if line else str(shown)) if file else ""


def source_line(file: str, number: int) -> str:
    """The line's text without passwords and what follows it; empty where the file or the line is not there."""
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):
        return ""
    return redact(lines[number - 1].rstrip()) if 0 < number <= len(lines) else ""
