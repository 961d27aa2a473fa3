"""How a run is to behave, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.execute.discipline import Manners
from db_migrate.project import events


@dataclass(frozen=True, slots=True)
class Rules:
    """How the run is to behave. ``statement_timeout`` in seconds, None: none of ours."""

    manners: Manners
    statement_timeout: float | None


@dataclass(slots=True)
class Position:
    """How far the run has come. ``committed``: something of the revision ``at`` is, though it has not ended."""

    at: int = 0
    committed: bool = False
    attempt: int = 1
    last_failure: events.StatementFailed | None = None
    failed_sql: str = ""
    limit: str = ""
    """In words, the limit on time at which a statement was cancelled."""
