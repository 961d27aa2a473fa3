"""What the rows that are there are to have in a column that becomes NOT NULL."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class How(StrEnum):
    """The ways to fill a column."""

    DEFAULT = "default"
    BACKFILL = "backfill"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Fill:
    """How a column's rows get their values; ``expression`` is SQL over the row's other columns."""

    how: How
    expression: str = ""
    comment: str = ""
