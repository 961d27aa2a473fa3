"""A file as psql reads it, in pieces: statements with their lines, and what psql does itself, which is not SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COPY_DATA = re.compile(r"^[ \t]*COPY\s[^;]*?\bFROM\s+STDIN\b[^;]*;[^\n]*\n(.*?^\\\.[ \t]*$)", re.I | re.M | re.S)
_COMMAND = re.compile(r"^[ \t]*\\([a-zA-Z!?]+|\.)[^\n]*$", re.MULTILINE)
_SPACE = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_HARMLESS = frozenset(
    {
        ".",
        "a",
        "echo",
        "encoding",
        "errverbose",
        "f",
        "H",
        "o",
        "pset",
        "q",
        "qecho",
        "r",
        "restrict",
        "set",
        "t",
        "timing",
    }
    | {"T", "unrestrict", "unset", "warn", "x"}
)
_SEMICOLON = ord(";")


_BEGINS = re.compile(r"(BEGIN|START\s+TRANSACTION)\b", re.IGNORECASE)
_ENDS = re.compile(r"(COMMIT|END|ROLLBACK|ABORT)\b(?!\s+(?:PREPARED|TO|(?:WORK|TRANSACTION)\s+TO)\b)", re.IGNORECASE)
_ROLLS_BACK = re.compile(r"(ROLLBACK|ABORT)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement without the semicolon after it and the comments before it; ``line`` is that of its first word."""

    sql: str
    line: int

    @property
    def begins(self) -> bool:
        """Whether it begins a transaction."""
        return _BEGINS.match(self.sql) is not None

    @property
    def ends(self) -> bool:
        """Whether it ends one, well or not."""
        return _ENDS.match(self.sql) is not None

    @property
    def rolls_back(self) -> bool:
        """Whether it ends one so that nothing of it stays."""
        return self.ends and _ROLLS_BACK.match(self.sql) is not None


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of a file, and the commands of psql in it that do something and were left out."""

    pieces: tuple[Piece, ...]
    left_out: tuple[Piece, ...]


def read_script(text: str) -> Script:
    """The file's statements by PostgreSQL's own grammar; where that cannot read the file, by its scanner alone."""
    plain = _blanked(text.replace("\r\n", "\n"))
    commands = tuple(
        Piece(found[0].strip(), _line(plain, found.start()))
        for found in _COMMAND.finditer(plain)
        if found[1] not in _HARMLESS
    )
    sql = _COMMAND.sub(lambda found: " " * len(found[0]), plain)
    pieces = (Piece(sql[start:end].strip(), _line(sql, start)) for start, end in _statements(sql))
    return Script(tuple(each for each in pieces if each.sql), commands)


def _blanked(text: str) -> str:
    """The text without the rows that COPY … FROM STDIN reads, line for line."""

    def without_rows(found: re.Match[str]) -> str:
        rows = found[1]
        return found[0][: -len(rows)] + "\n" * rows.count("\n")

    return _COPY_DATA.sub(without_rows, text)


def _statements(sql: str) -> Iterator[tuple[int, int]]:
    """Where each statement begins and ends, in characters."""
    position = 0
    for part in _parts(sql):
        begins = sql.index(part, position)
        position = begins + len(part)
        space = _SPACE.match(part)
        assert space is not None  # it matches the empty text too
        yield begins + space.end(), position


def _parts(sql: str) -> list[str]:
    import postgast

    try:
        return list(postgast.split(sql))
    except postgast.PgQueryError:
        return _at_semicolons(sql)


def _at_semicolons(sql: str) -> list[str]:
    """The text between semicolons that are neither quoted nor in comments; all of it where that cannot be told."""
    import postgast

    text = sql.encode()
    try:
        tokens = postgast.scan(sql).tokens
    except postgast.PgQueryError:
        return [sql]
    ends = [each.start for each in tokens if each.token == _SEMICOLON]
    begins = [0, *(each + 1 for each in ends)]
    return [text[begin:end].decode() for begin, end in zip(begins, [*ends, len(text)], strict=True)]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
