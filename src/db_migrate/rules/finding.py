"""A judgement over trace and facts, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; ``ERROR`` refuses an apply until its intent is written."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The written intent that allows a finding, and where: ``revision``, ``flag``, ``settings`` or ``baseline``."""

    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement. ``statement`` is the index within the revision's statements, None for the revision itself.

    ``message`` carries the measured fact; ``why`` why it matters; ``fix`` a complete replacement to paste.
    """

    rule: str
    severity: Severity
    revision: str
    statement: int | None
    object: str
    message: str
    why: str
    fix: str
    file: str
    line: int
    allowed: Allowed | None = None

    @property
    def name(self) -> str:
        """What an intent has to name: ``rule:object``."""
        return f"{self.rule}:{self.object}"

    @property
    def stops(self) -> bool:
        """Whether this finding alone refuses an apply."""
        return self.severity is Severity.ERROR and self.allowed is None
