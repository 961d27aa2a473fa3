"""How text looks: colour, characters and width, decided once per stream; and names made safe to print."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from db_migrate.language import said

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters (C0, C1) and those that turn the direction of text around them."""

_FALLBACKS = str.maketrans(
    {"→": "->", "←": "<-", "✓": "ok", "✗": "x", "·": "-", "…": "...", "│": "|", "├": "+", "└": "+", "─": "-", "●": "*"}
    | {"○": "o", "⚠": "!"}
)


class When(StrEnum):
    """When to colour: as the stream suggests, never, or always."""

    AUTO = "auto"
    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Style:
    """What a stream can show. Meaning is never carried by colour alone."""

    colour: bool = False
    unicode: bool = True
    width: int = 100

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bold(self, text: str) -> str:
        """What to read first."""
        return self._sgr("1", text)

    def dim(self, text: str) -> str:
        """What can be skipped."""
        return self._sgr("2", text)

    def bad(self, text: str) -> str:
        """An error, something dropped or lost."""
        return self._sgr("1;31", text)

    def warn(self, text: str) -> str:
        """A warning, something changed."""
        return self._sgr("33", text)

    def good(self, text: str) -> str:
        """Something that is right, or new."""
        return self._sgr("32", text)

    def info(self, text: str) -> str:
        """A name that leads somewhere: a file, a command."""
        return self._sgr("36", text)

    def finish(self, text: str) -> str:
        """The whole text in characters that the stream's encoding has."""
        return text if self.unicode else text.translate(_FALLBACKS)

    def cut(self, text: str, room: int) -> str:
        """The text's first line, cut to ``room`` characters."""
        first, *rest = text.strip().split("\n", 1)
        first = name(first.rstrip())
        if len(first) > room:
            return first[: max(room - 1, 1)] + "…"
        return first + (" …" if rest else "")


def style_of(stream: TextIO, environ: Mapping[str, str], when: When = When.AUTO) -> Style:
    """What the stream can show, by ``--color``, NO_COLOR, FORCE_COLOR, TERM and whether it is a terminal."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
    return Style(_coloured(stream, environ, when), encoding.startswith("utf"), max(columns_of(stream, environ), 60))


def columns_of(stream: TextIO, environ: Mapping[str, str]) -> int:
    """How wide the terminal of the stream is at this moment, 100 where it is none; COLUMNS knows better."""
    if not stream.isatty():
        return 100
    given = environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 100
    except (OSError, ValueError):
        return 100


def _coloured(stream: TextIO, environ: Mapping[str, str], when: When) -> bool:
    if when is not When.AUTO:
        return when is When.ALWAYS
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0", "false"):
        return True
    return stream.isatty() and environ.get("TERM", "") != "dumb"


def name(text: str) -> str:
    """The text on one line, with what would steer a terminal shown as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def block(text: str) -> str:
    """Several lines, SQL for instance: newlines and tabs stay, all else that steers a terminal is escaped."""
    return "\n".join(name(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n"))


def indent(text: str, by: int, first: str | None = None) -> str:
    """Every line moved right by ``by`` columns; the first begins with ``first`` instead, where given."""
    lines = [" " * by + line if line else "" for line in text.split("\n")]
    if first is not None:
        lines[0] = first + lines[0][by:]
    return "\n".join(lines)


def count(number: int, what: str, many: str | None = None) -> str:
    """``1 revision``, ``2 revisions``, ``1,234 rows``."""
    return said(f"{number:,} {what if number == 1 else many or what + 's'}")


def size(number: int) -> str:
    """Bytes for people, in PostgreSQL's binary units: ``512 bytes``, ``48 GB``."""
    if number < 1024:
        return count(number, "byte")
    power = min((number.bit_length() - 1) // 10, 4)
    amount = number / 1024**power
    unit = ("kB", "MB", "GB", "TB")[power - 1]
    return f"{amount:,.0f} {said(unit)}" if amount >= 10 else f"{amount:.1f} {said(unit)}"


def seconds(amount: float) -> str:
    """A length of time for people: ``3 ms``, ``1.2 s``, ``4 min 10 s``, ``2 h 5 min``."""
    if amount < 1:
        return said(f"{amount * 1000:.0f} ms")
    if amount < 60:
        return said(f"{amount:.1f} s")
    whole = round(amount)
    if whole < 3600:
        return said(f"{whole // 60} min {whole % 60} s")
    return said(f"{whole // 3600} h {whole % 3600 // 60} min")
