"""From what a file, a variable or a flag holds to a typed value. A parser raises Invalid with a plain reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from db_migrate.errors import UsageError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Parser = Callable[[object], T]

_UNITS: Mapping[str, float] = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 36500 * 86400.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|min|m|h|d)", re.ASCII)
_LEAST = 0.001
_SIZES: Mapping[str, int] = {"kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB|TB)", re.ASCII)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Invalid(Exception):
    """A value that cannot be used; the message continues a sentence that begins with the value's path."""


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str):
        raise Invalid(f"must be a text, not {_called(value)}")
    if not value.strip():
        raise Invalid("must not be empty")
    return value


def texts(value: object) -> tuple[str, ...]:
    """A list of texts; one text is read as a list separated by commas, for variables."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, list | tuple):
        raise Invalid(f"must be a list of texts, not {_called(value)}")
    return tuple(text(each) for each in value)


def commands(value: object) -> tuple[str, ...]:
    """A text or a list of them; a comma separates nothing."""
    return (text(value),) if isinstance(value, str) else texts(value)


def flag(value: object) -> bool:
    """True or false; as a text also 1/0, yes/no, on/off."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise Invalid("must be true or false (also: on, off)")


def whole(value: object) -> int:
    """A whole number above zero."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Invalid("must be a whole number above zero")
    return value


def duration(value: object) -> float:
    """Seconds, from a number with its unit: ``50ms``, ``1.5s``, ``10m``, ``2h``, ``1d``; a bare ``0`` is zero."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if isinstance(value, str):
        if value.strip() == "0":
            return 0.0
        found = _DURATION.fullmatch(value.strip())
        if found:
            seconds = round(float(found[1]) * _UNITS[found[2]], 9)
            if seconds > _LONGEST:
                raise Invalid("must be at most 36500d")
            return seconds
    raise Invalid("must be a duration with its unit, such as 50ms, 1s, 10m or 2h")


def timeout(value: object) -> float:
    """Seconds, as ``duration``, within what PostgreSQL takes for a timeout: milliseconds in 31 bits."""
    seconds = duration(value)
    if seconds * 1000 >= 1 << 31:
        raise Invalid("must be at most 24d, PostgreSQL's limit for a timeout; 0 is none at all")
    return seconds


def patience(value: object) -> float:
    """Seconds that others may wait for us: a ``timeout`` that PostgreSQL does not take for none at all."""
    seconds = timeout(value)
    if seconds < _LEAST:
        raise Invalid("must be at least 1ms: none at all would let others wait behind us without end")
    return seconds


def age(given: str) -> float:
    """Seconds, from a duration that was typed. Raises ``UsageError`` (``usage.age``)."""
    try:
        return duration(given)
    except Invalid as error:
        raise UsageError("usage.age", f"{given!r} {error}", state="nothing was changed") from None


def byte_size(value: object) -> int:
    """Bytes, from a number with its unit: ``512kB``, ``200MB``, ``10GB``; a unit is 1,024 of the one before."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise Invalid("must be a size with its unit, such as 200MB or 10GB")
    return int(float(found[1]) * _SIZES[found[2]])


def choice(enum: type[E]) -> Parser[E]:
    """One of the enum's values."""

    def parse(value: object) -> E:
        shown = text(value)
        try:
            return enum(shown)
        except ValueError:
            raise Invalid(f"must be one of: {', '.join(enum)}") from None

    return parse


def named(parse: Parser[T]) -> Parser[Mapping[str, T]]:
    """A table from names to values."""

    def parse_all(value: object) -> Mapping[str, T]:
        if not isinstance(value, Mapping):
            raise Invalid(f"must be a table, not {_called(value)}")
        found = {}
        for key, each in value.items():
            try:
                found[str(key)] = parse(each)
            except Invalid as error:
                raise Invalid(f"{key!r} {error}") from None
        return MappingProxyType(found)

    return parse_all


def name(value: object) -> str:
    """A name: letters, digits, ``_``, ``-`` and ``.``."""
    if not _NAME.fullmatch(text(value)):
        raise Invalid("must be a name of letters, digits, '_', '-' and '.'")
    return str(value)


def _called(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a {type(value).__name__}"
