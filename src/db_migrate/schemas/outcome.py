"""What looking at a target and comparing two sides gives, as values. Pure, so that reports can print them."""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.catalog.change import Change


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """The target that a command was about; never with a password.

    ``server_id`` is the number that its server, with all its physical standbys, got at initdb: two servers that look
    alike differ in it. Empty where the role may not see it. ``schema`` is that of the version table, where env.py
    migrates several schemas of the database; else empty. ``database_id`` is the number that the server gave to the
    database when it was created: one that was dropped and made again under its name has another.
    """

    name: str
    database: str
    server_version: str
    server_id: str = ""
    schema: str = ""
    database_id: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A change that the settings say is intended, and why."""

    change: Change
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides compared; the sides are named as on the command line: models, history, history@REV, live.

    ``at``: the revisions at which ``history`` was held against live, where live is not at the heads and no revision was
    named; ``base`` before any.
    """

    from_: str
    to: str
    changes: tuple[Change, ...]
    acknowledged: tuple[Acknowledged, ...] = ()
    at: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The first side as the command line names it, with its revisions."""
        return f"{self.from_}@{','.join(self.at)}" if self.at else self.from_
