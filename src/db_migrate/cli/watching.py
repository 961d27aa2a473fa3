"""What is shown of a run while it goes on: lines on standard error, or a stream of events on standard output."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from db_migrate.cli.options import Call
from db_migrate.cli.output import style_for, write, write_document
from db_migrate.report.style import columns_of

if TYPE_CHECKING:
    from db_migrate.execute.progress import ProgressEvent, Watcher
    from db_migrate.results import Plan

_EVERY_SECONDS = 3.0
"""Without a terminal, a line at most so often while one thing goes on."""


@contextlib.contextmanager
def watcher_for(call: Call) -> Iterator[Watcher]:
    """Events for ``--format jsonl``, nothing with ``--quiet``, else lines on standard error."""
    from db_migrate.execute.progress import Unwatched

    if call.format == "jsonl":
        yield Stream()
    elif call.flag("quiet"):
        yield Unwatched()
    else:
        lines = Lines(sys.stderr, call)
        try:
            yield lines
        finally:
            lines.close()


class Stream:
    """One line of JSON for each event. The last one, ``finished``, is written with the result."""

    def planned(self, plan: Plan) -> None:
        """Say which plan it is."""
        from db_migrate.report import json

        revisions = [each.revision for each in plan.revisions]
        write_document(json.line({"event": "planned", "plan": plan.hash, "revisions": revisions}))

    def happened(self, event: ProgressEvent) -> None:
        """Write the event, but for the last."""
        from db_migrate.execute.progress import ProgressKind
        from db_migrate.report import json
        from db_migrate.report.builtins import to_builtins

        if event.event is not ProgressKind.FINISHED:
            write_document(json.line(to_builtins(event) | {"rate": event.rate, "left": event.left}))


class Lines:
    """On a terminal one line that changes; elsewhere a line at a time, not more often than every few seconds."""

    def __init__(self, stream: TextIO, call: Call) -> None:
        self._stream = stream
        self._style = style_for(stream, call)
        self._terminal = stream.isatty()
        self._shown = False
        self._last: tuple[object, ...] = ()
        self._when = 0.0

    def planned(self, plan: Plan) -> None:
        """Show the plan before it is executed."""
        from db_migrate.report.source import source_line
        from db_migrate.report.text.plan import plan_text

        if plan.revisions:
            self._print(plan_text(plan, self._style, source_line))

    def happened(self, event: ProgressEvent) -> None:
        """Show what happens now."""
        from db_migrate.execute.progress import ProgressKind
        from db_migrate.report.text.progress import progress_line

        line = progress_line(event, self._style)
        if self._terminal:
            self._replace(line)
        elif line and event.event is not ProgressKind.STEP_STARTED and self._is_due(event):
            self._print(line + "\n")

    def close(self) -> None:
        """Take away the line that changes."""
        self._replace("")

    def _is_due(self, event: ProgressEvent) -> bool:
        """The first of a kind at once, the same thing again after a while."""
        what = (event.event, event.revision, event.statement, tuple(each.pid for each in event.blockers))
        now = time.monotonic()
        if what == self._last and now - self._when < _EVERY_SECONDS:
            return False
        self._last, self._when = what, now
        return True

    def _replace(self, line: str) -> None:
        if line or self._shown:
            self._shown = bool(line)
            room = columns_of(self._stream, os.environ) - 1  # a line that is broken cannot be taken away
            write(f"\r\x1b[K{self._style.cut(line, room) if line else ''}", self._stream)

    def _print(self, text: str) -> None:
        self._replace("")
        write(text, self._stream)
