"""The line that changes while a run goes on, on a real terminal."""

from __future__ import annotations

import os
import pty
import termios

import pytest

from db_migrate.cli.options import Call
from db_migrate.cli.watching import Lines
from db_migrate.execute.progress import ProgressEvent, ProgressKind


@pytest.mark.parametrize("columns", [20, 40, 61])
def test_the_line_that_changes_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that were broken could not be taken away again; also after the terminal has become narrower."""
    monkeypatch.delenv("COLUMNS", raising=False)
    sql = f"CREATE INDEX CONCURRENTLY ix ON public.invoices ({', '.join(f'column_{n}' for n in range(20))})"
    event = ProgressEvent(ProgressKind.PROGRESS, "", "0042", 0, sql, 10.0, phase="building index")
    terminal, ours = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as shown, os.fdopen(ours, "w", encoding="utf-8") as stream:
        lines = Lines(stream, Call())
        for width in (columns, columns - 7):
            termios.tcsetwinsize(ours, (24, width))
            lines.happened(event)
            line = shown.read(4096).decode().removeprefix("\r\x1b[K")
            assert len(line) == width - 1, line
            assert line.startswith("0042: CREATE"[: width - 2])
