"""Handlers of runs on scratch: one that only remembers where it is, and one that makes room for roles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from db_migrate.postgres.redact import redact
from db_migrate.project import events
from db_migrate.project.child_process import Handler, Link


class Witness:
    """Watches revisions go by; ``revision`` is the one that was running last.

    ``swallowed``: env.py wants a transaction for each revision, and had begun one of its own with this by then.
    """

    def __init__(self) -> None:
        self.revision: str | None = None
        self.swallowed = ""
        self._began: dict[int, str] = {}
        self.refused: list[events.Refused] = []
        self.configured: list[events.Configure] = []

    def event(self, event: events.Event, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Take in one event."""
        match event:
            case events.StepBegin(revision=revision):
                self.revision = revision
            case events.Refused():
                self.refused.append(event)
            case events.Statement(connection=connection) if not event.internal and self.revision is None:
                place = f"{event.caller_file}:{event.caller_line}: " if event.caller_file else ""
                self._began.setdefault(connection, f"{place}{redact(event.sql)}")
            case events.Commit(connection=connection) | events.Rollback(connection=connection):
                self._began.pop(connection, None)
            case events.Configure():
                self.configured.append(event)
                if event.transaction_per_migration and event.external_transaction:
                    began = self._began.get(event.connection or 0, "")
                    self.swallowed = began or "env.py begins a transaction before context.configure"
            case _:
                pass


_NAME = r'("(?:[^"]|"")+"|[^\s";,()]+)'
_MAKES = re.compile(rf"\bCREATE\s+(?:ROLE|USER|GROUP)\s+(?!MAPPING\b){_NAME}", re.IGNORECASE)
_DROPS = re.compile(
    rf"\bDROP\s+(?:ROLE|USER|GROUP)\s+(?!MAPPING\b)(?:IF\s+EXISTS\s+)?({_NAME}(?:\s*,\s*{_NAME})*)", re.IGNORECASE
)


class Room(Protocol):
    """Makes room for statements that make and drop roles of these names."""

    def __call__(self, *, made: Sequence[str], dropped: Sequence[str]) -> None:
        """See ``postgres.scratch.free_roles``."""


class RoomForRoles:
    """Before a statement about roles, calls ``free``: none is to fail for what earlier runs have left on the server."""

    def __init__(self, handler: Handler, free: Room) -> None:
        self._handler = handler
        self._free = free

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event."""
        if isinstance(event, events.Statement):
            made = [_unquoted(each) for each in _MAKES.findall(event.sql)]
            dropped = [_unquoted(each) for names, *_ in _DROPS.findall(event.sql) for each in re.findall(_NAME, names)]
            if made or dropped:
                self._free(made=made, dropped=dropped)
        self._handler.event(event, link)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
