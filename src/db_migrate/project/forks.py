"""What the parent and the fork server (``child.serving``) say to each other, over a ``Channel``."""

from __future__ import annotations

from db_migrate.project.jobs import Message


class Fork(Message, frozen=True):
    """To the fork server: a child in ``directory``, with these variables and no others.

    Its descriptors come beside the message: to read from, to write to, of the control socket, and for what it prints.
    """

    directory: str
    environment: dict[str, str]


class Reap(Message, frozen=True):
    """To the fork server: wait for this child of yours."""

    pid: int


class Warm(Message, frozen=True):
    """The fork server has imported what every child needs, and has looked at these variables meanwhile."""

    variables: tuple[str, ...]


class Forked(Message, frozen=True):
    """The fork server's answer to ``Fork``."""

    pid: int


class Reaped(Message, frozen=True):
    """The fork server's answer to ``Reap``; ``status`` is minus the number of the signal that killed it, if one did."""

    status: int
