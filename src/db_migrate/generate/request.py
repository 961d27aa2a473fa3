"""What a caller of ``generate`` asks for, and who answers what only a person knows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from db_migrate.generate.filling import Fill


@dataclass(frozen=True, slots=True)
class Request:
    """The flags of ``generate``; those of ``alembic revision`` mean what they mean there.

    ``renames`` are pairs of names, ``fills`` are by column. Without ``safe`` the revision is what plain Alembic would
    write. ``keep``: a revision that is not proved is written all the same. At most one of ``empty``, ``sql`` (the text
    of a file) and ``merge`` asks for another revision than the one that leads to the models.
    """

    message: str | None = None
    revision: str | None = None
    head: tuple[str, ...] = ()
    splice: bool = False
    branch_label: str | None = None
    version_path: str | None = None
    depends_on: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    no_rename: bool = False
    fills: Mapping[str, Fill] = field(default_factory=lambda: MappingProxyType({}))
    safe: bool = True
    dry_run: bool = False
    keep: bool = False
    empty: bool = False
    merge: bool = False
    sql: str | None = None

    def command(self, *flags: str) -> str:
        """The command that asks for the same with more ``flags``, as a shell reads it."""
        given = [
            *(["-m", self.message] if self.message else []),
            *(word for old, new in self.renames for word in ("--rename", f"{old}={new}")),
            *(word for column, fill in self.fills.items() for word in fill.flags(column)),
            *(word for head in self.head for word in ("--head", head)),
            *(word for revision in self.depends_on for word in ("--depends-on", revision)),
            *(word for flag, value in self._values() if value is not None for word in (flag, value)),
            *(flag for flag, given in self._switches() if given),
        ]
        return shlex.join(["db-migrate", "generate", *given, *flags])

    def _values(self) -> tuple[tuple[str, str | None], ...]:
        return (
            ("--branch-label", self.branch_label),
            ("--version-path", self.version_path),
            ("--rev-id", self.revision),
        )

    def _switches(self) -> tuple[tuple[str, bool], ...]:
        return (
            ("--splice", self.splice),
            ("--no-rename", self.no_rename),
            ("--empty", self.empty),
            ("--no-safe", not self.safe),
            ("--dry-run", self.dry_run),
            ("--keep", self.keep),
        )


class Questioner(Protocol):
    """Answers what the catalogs do not tell. None: nobody is there to answer."""

    def renamed(self, what: str, old: str, new: str) -> bool | None:
        """Whether ``old``, a table or whatever it is, is now called ``new``."""

    def fill(self, column: str, *, new: bool) -> Fill | None:
        """What rows that are there get in a column that becomes NOT NULL; ``new``: the column does."""


class Nobody:
    """The questioner where nobody can be asked."""

    def renamed(self, what: str, old: str, new: str) -> bool | None:
        """No answer."""
        del what, old, new
        return None

    def fill(self, column: str, *, new: bool) -> Fill | None:
        """No answer."""
        del column, new
        return None
