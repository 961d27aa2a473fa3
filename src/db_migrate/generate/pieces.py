"""What a revision's function is made of: pieces in phases, each with the SQL that it sends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from db_migrate.catalog.objects import Key, SchemaObject
from db_migrate.catalog.sql.order import Verb


class Phase(IntEnum):
    """When a piece runs. Those of ``AUTOCOMMIT`` run outside of any transaction, the others in one for each phase."""

    LABELS = 0
    """Labels of enums, which may be used only after they are committed."""
    MAIN = 1
    """All that is short: what the running release does not feel, in one transaction."""
    BUILD = 2
    """What takes long and lets everybody work meanwhile: indexes, backfills."""
    USE = 3
    """What uses that."""
    VALIDATE = 4
    """Looking through the rows that were there before a constraint."""
    FINISH = 5
    """What rests on that."""
    CONFIRM = 6
    """Looking through the rows once more, for a foreign key to a key that was not there before."""


AUTOCOMMIT = frozenset({Phase.LABELS, Phase.BUILD, Phase.VALIDATE, Phase.CONFIRM})


class Form(StrEnum):
    """How a piece is done where there is more than one way."""

    PLAIN = "plain"
    CONCURRENTLY = "concurrently"
    NOT_VALID = "not valid"
    SQL = "sql"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Piece:
    """Statements that belong together, for an object (``key``) and what is done with it (``verb``).

    ``owner`` is the place of the change that it is part of. ``item`` is the object that the piece makes, changes or
    drops where neither side has it like that. ``python`` is set where the piece is no list of statements; ``comment``
    is the reason, where it is not obvious.
    """

    verb: Verb
    key: Key
    statements: tuple[str, ...]
    owner: int
    phase: Phase = Phase.MAIN
    form: Form = Form.PLAIN
    item: SchemaObject | None = None
    python: str = ""
    imports: frozenset[str] = frozenset()
    comment: str = ""
