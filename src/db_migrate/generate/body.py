"""The body of ``upgrade()`` or ``downgrade()``: pieces, phase by phase, as Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from db_migrate.catalog.objects import Key, Kind
from db_migrate.catalog.sql.order import Verb
from db_migrate.catalog.sql.steps import Sides
from db_migrate.catalog.tokens import split_name, unquoted
from db_migrate.generate import columns, constraints, tables
from db_migrate.generate.home import at_home
from db_migrate.generate.naming import Names
from db_migrate.generate.pieces import AUTOCOMMIT, Form, Phase, Piece
from db_migrate.generate.types import Types, Written
from db_migrate.rules.python_text import block
from db_migrate.rules.python_text import comment as as_comment

_CONSTRAINTS = frozenset({Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.CHECK, Kind.FOREIGN_KEY, Kind.EXCLUSION})


@dataclass(frozen=True)
class Direction:
    """One way between two catalogs. ``types`` are those of the side that it begins at and of that where it ends.

    With ``plain_sql`` every statement is written as it is, whatever Alembic has a word for. Without ``commits`` all is
    one transaction.
    """

    sides: Sides
    types: tuple[Types, Types]
    names: Names = field(default_factory=Names)
    plain_sql: bool = False
    commits: bool = True


@dataclass(frozen=True)
class Block:
    """Some lines of Python for one change (``owner``) in one phase, and the SQL that they send."""

    owner: int
    phase: Phase
    python: str
    statements: tuple[str, ...]
    imports: frozenset[str]


@dataclass(frozen=True)
class Body:
    """A function's body, its imports, and what it is made of. Without ``commits`` it is one transaction."""

    blocks: tuple[Block, ...]
    commits: bool = True

    @property
    def text(self) -> str:
        """The body, without indentation; empty for nothing to do."""
        lines = []
        for alone, members in groupby(self.blocks, key=lambda b: self.commits and b.phase in AUTOCOMMIT):
            python = [b.python for b in members]
            lines += [block("with op.get_context().autocommit_block()", python)] if alone else python
        return "\n".join(lines)

    @property
    def imports(self) -> frozenset[str]:
        """The import lines that the body needs beside Alembic's own."""
        return frozenset(each for b in self.blocks for each in b.imports)

    @property
    def statements(self) -> tuple[str, ...]:
        """The SQL in order."""
        return tuple(statement for b in self.blocks for statement in b.statements)


def body(pieces: Sequence[Piece], way: Direction) -> Body:
    """The pieces as Python, in their phases."""
    ordered = sorted(pieces, key=lambda piece: piece.phase)
    existing = set(way.sides.before.objects)
    done: set[int] = set()
    blocks: dict[int, Block] = {}
    said: dict[Phase, str] = {}
    for place, piece in enumerate(ordered):
        if place in done:
            continue
        written, taken = _written(ordered, place, way, frozenset(existing))
        for at in taken:
            blocks.pop(at, None)
        done |= taken
        statements = tuple(s for at in sorted({place, *taken}) for s in ordered[at].statements)
        if piece.verb is Verb.CREATE:
            existing.add(piece.key)
        repeated = said.get(piece.phase) == piece.comment
        said[piece.phase] = piece.comment or said.get(piece.phase, "")
        comment = [as_comment(line) for line in piece.comment.split("\n") if line and not repeated]
        lines = "\n".join([*comment, *(at_home(each.python, way.names.default_schema) for each in written)])
        imports = frozenset(each for w in written for each in w.imports)
        if lines:
            blocks[place] = Block(piece.owner, piece.phase, lines, statements, imports)
    return Body(tuple(blocks.values()), way.commits)


def _written(
    pieces: Sequence[Piece], place: int, way: Direction, existing: frozenset[Key]
) -> tuple[list[Written], frozenset[int]]:
    """The piece at ``place`` as Python, and the places of others that are thereby written too."""
    piece = pieces[place]
    if piece.form is Form.PYTHON:
        return [Written(piece.python, piece.imports)], frozenset()
    if not way.plain_sql and piece.form is not Form.SQL and not _dotted(piece.key[1]):
        if piece.verb is Verb.CREATE and piece.key[0] is Kind.TABLE:
            gathered = tables.gather(pieces, place, way.sides.after, existing)
            made = tables.create(gathered, way.sides.after, way.types[1], way.names, piece)
            if made is not None:
                return made, gathered.taken
        else:
            idiom = _idiom(piece, way)
            if idiom is not None:
                return idiom, frozenset()
    return [way.names.execute(statement) for statement in piece.statements], frozenset()


def _dotted(name: str) -> bool:
    """Whether a part of the name holds a dot, which SQLAlchemy takes for the end of a name."""
    return any("." in unquoted(part) for part in split_name(name))


def _idiom(piece: Piece, way: Direction) -> list[Written] | None:
    """What Alembic has an operation for."""
    kind = piece.key[0]
    before, after = way.sides.before.objects.get(piece.key), way.sides.after.objects.get(piece.key)
    if piece.item is not None:
        before = after = piece.item
    match piece.verb:
        case Verb.RENAME:
            return tables.rename(piece, way.names)
        case Verb.CREATE if after is not None:
            if kind is Kind.COLUMN:
                return columns.add(after, way.sides.after, way.types[1], way.names, piece)
            if kind in _CONSTRAINTS:
                return constraints.create(after, way.names, piece)
            if kind is Kind.INDEX:
                return constraints.create_index(after, way.names, piece)
        case Verb.DROP if before is not None:
            if kind is Kind.COLUMN:
                return columns.drop(before, way.names, piece)
            if kind in _CONSTRAINTS:
                return constraints.drop(before, way.names, piece)
            if kind is Kind.INDEX:
                return constraints.drop_index(before, way.names, piece)
            if kind is Kind.TABLE:
                return tables.drop(before, way.names, piece)
        case Verb.ALTER if before is not None and after is not None:
            if kind is Kind.COLUMN:
                both = way.sides.before, way.sides.after
                if piece.item is not None:
                    return columns.alter(before, after, (both[1], both[1]), (way.types[1],) * 2, way.names, piece)
                return columns.alter(before, after, both, way.types, way.names, piece)
            if kind is Kind.TABLE:
                return tables.alter(after, before, way.names, piece)
        case Verb.RELEASE | Verb.FINISH if kind is Kind.COLUMN and before is not None and after is not None:
            both = way.sides.before, way.sides.after
            return columns.alter(before, after, both, way.types, way.names, piece)
    return None
