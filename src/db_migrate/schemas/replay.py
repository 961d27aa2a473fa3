"""A handler that lets everything happen and remembers only where it is."""

from __future__ import annotations

from db_migrate.project import events
from db_migrate.project.child_process import Link


class Witness:
    """Watches revisions go by; ``revision`` is the one that was running last."""

    def __init__(self) -> None:
        self.revision: str | None = None
        self.refused: list[events.Refused] = []
        self.configured: list[events.Configure] = []

    def event(self, event: events.Event, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Take in one event."""
        match event:
            case events.StepBegin(revision=revision):
                self.revision = revision
            case events.Refused():
                self.refused.append(event)
            case events.Configure():
                self.configured.append(event)
            case _:
                pass
