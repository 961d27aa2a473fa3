"""Statements that are sent behind SQLAlchemy's back, from the scratch server's log.

The server writes a statement to its log before it runs it. What stands there beside the statements that we were told
about was sent by a raw cursor of the driver, or over a connection that SQLAlchemy did not make.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from db_migrate.trace.grammar import sort_of
from db_migrate.trace.observation import SCRATCH_SCHEMA

LOG_SETTING = "ALTER DATABASE {} SET log_statement = 'all'"
"""Has every statement in a scratch database logged, for sessions that begin later."""

TELL_SETTING = "ALTER DATABASE {} SET client_min_messages = 'debug1'"
"""Has the server tell those sessions what it need not look at, and why."""

_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\] (\S*) (?:LOG|(\w+)):  (.*)$")
"""``log_line_prefix`` of the scratch server is ``%m [%p] %d``; further lines of an entry begin with a tab."""

_STATEMENT = re.compile(r"^(?:statement|execute [^:]*): ", re.DOTALL)


class ServerLog:
    """Reads what a scratch server logs about one database, from now on."""

    def __init__(self, path: Path, database: str) -> None:
        self._path = path
        self._database = database
        self._position = 0
        self.skip()

    def skip(self) -> None:
        """Take what is there as known."""
        self._position = self._path.stat().st_size

    def unseen(self) -> tuple[str, ...]:
        """The statements logged since the last call of this or ``skip`` that may have changed something."""
        with self._path.open("rb") as file:
            file.seek(self._position)
            added = file.read()
        added = added[: added.rfind(b"\n") + 1]  # another process may be in the middle of its line
        self._position += len(added)
        texts = self._statements(added.decode(errors="replace"))
        return tuple(text for text in texts if _may_change(text))

    def _statements(self, log: str) -> Iterator[str]:
        entry: list[str] = []
        for line in log.splitlines():
            found = _ENTRY.match(line)
            if found is None:
                if entry and line.startswith("\t"):
                    entry.append(line[1:])
                continue
            yield from _text(entry)
            entry = [found[3]] if found[1] == self._database and found[2] is None else []
        yield from _text(entry)


def _text(entry: list[str]) -> Iterator[str]:
    text = "\n".join(entry)
    if (start := _STATEMENT.match(text)) is not None:
        yield text[start.end() :]


def _may_change(text: str) -> bool:
    """Whether a statement is anything but a query, a setting, or the end of a transaction; and not a look of ours."""
    if text.startswith(f"SELECT {SCRATCH_SCHEMA}."):
        return False
    sort = sort_of(text)
    return sort.ddl or sort.writes
