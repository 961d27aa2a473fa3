"""What every result has."""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.schemas.outcome import TargetSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What every verb's result has: the target, or None, and warnings in plain sentences."""

    target: TargetSummary | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Help(Result):
    """What ``help`` says of a verb or a topic; of all of them where none is named."""

    topic: str = ""
    text: str = ""
