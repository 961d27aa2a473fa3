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

    def flags(self, column: str) -> tuple[str, ...]:
        """The words of the command line that say so."""
        if self.how is How.NOTHING:
            return ("--filled", column)
        return (f"--{self.how.value}", f"{column}={self.expression}")
