"""Which values a change of type would refuse, and which it would quietly change: predicates for a question.

The rules of what fits are PostgreSQL's assignment casts (documentation: chapter 8, "Data Types"); what only the
input function of a type can tell is asked through ``pg_input_is_valid``, which 16 and later have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_INTEGERS = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
_TEXTS = ("text", "character varying", "character", "name")
_FRACTIONS = ("numeric", "real", "double precision")
_PARSED = frozenset(
    {
        *_INTEGERS,
        *_FRACTIONS,
        "boolean",
        "date",
        "timestamp without time zone",
        "timestamp with time zone",
        "time without time zone",
        "time with time zone",
        "interval",
        "uuid",
        "json",
        "jsonb",
        "inet",
        "cidr",
        "macaddr",
        "bytea",
        "xml",
    }
)
_OLD_PATTERNS = {
    **dict.fromkeys(_INTEGERS, r"^\s*[-+]?[0-9]+\s*$"),
    "numeric": r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$",
    "uuid": r"^\{?[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}\}?$",
}


@dataclass(frozen=True, slots=True)
class Misfits:
    """Predicates over one column; empty where no value can be such.

    ``refused`` is true of values that make the statement fail, ``changed`` of those that would lose something.
    ``unknown`` says why the refused ones cannot be asked for.
    """

    refused: str = ""
    changed: str = ""
    unknown: str = ""


def base_of(type_: str) -> tuple[str, tuple[int, ...]]:
    """A type's name and its modifiers: ``numeric(10,2)`` -> ``numeric``, (10, 2)."""
    match = re.fullmatch(r"([^(]+?)\s*\((\d+(?:,-?\d+)*)\)(.*)", type_)
    if match is None:
        return type_, ()
    return match[1] + match[3], tuple(int(each) for each in match[2].split(","))


def misfits(column: str, old: str, new: str, labels: tuple[str, ...] | None, major: int) -> Misfits:
    """What of ``column`` (as SQL) does not fit when its type ``old`` becomes ``new``, on that major version.

    ``labels`` are those of ``new`` where it is an enum.
    """
    (old_base, old_size), (new_base, new_size) = base_of(old), base_of(new)
    if labels is not None:
        allowed = ", ".join("'" + label.replace("'", "''") + "'" for label in labels)
        return Misfits(refused=f"{column}::text NOT IN ({allowed})" if labels else "true")
    if new_base in ("character varying", "character") and new_size:
        return _length(column, old_base, old_size, new_size[0])
    if new_base in _INTEGERS and (old_base in _INTEGERS or old_base in _FRACTIONS):
        return _integer(column, old_base, new_base)
    if new_base == "numeric" and new_size and (old_base in _INTEGERS or old_base in _FRACTIONS):
        return _numeric(column, old_base, old_size, new_size)
    if new_base == "date" and old_base.startswith("timestamp"):
        return Misfits(changed=f"{column}::time <> time '00:00'")
    if old_base in _TEXTS and new_base in _PARSED:
        return _parsed(column, new, new_base, major)
    return Misfits()


def _length(column: str, old_base: str, old_size: tuple[int, ...], length: int) -> Misfits:
    if old_base in ("character varying", "character") and old_size and old_size[0] <= length:
        return Misfits()
    return Misfits(refused=f"length(rtrim({column}::text)) > {length}")


def _integer(column: str, old_base: str, new_base: str) -> Misfits:
    low, high = _INTEGERS[new_base]
    if old_base in _INTEGERS and _INTEGERS[old_base][1] <= high:
        return Misfits()
    whole = column if old_base in _INTEGERS else f"round({column}::numeric)"
    changed = "" if old_base in _INTEGERS else f"{column}::numeric <> {whole}"
    return Misfits(f"{whole} NOT BETWEEN {low} AND {high}", changed)


def _numeric(column: str, old_base: str, old_size: tuple[int, ...], new_size: tuple[int, ...]) -> Misfits:
    precision, scale = new_size[0], (new_size[1] if len(new_size) > 1 else 0)
    before = precision - scale
    if old_base == "numeric" and old_size:
        old_scale = old_size[1] if len(old_size) > 1 else 0
        if old_size[0] - old_scale <= before and old_scale <= scale:
            return Misfits()
    rounded = f"round({column}::numeric, {scale})"
    return Misfits(f"abs({rounded}) >= power(10::numeric, {before})", f"{column}::numeric <> {rounded}")


def _parsed(column: str, new: str, new_base: str, major: int) -> Misfits:
    if major >= 16:
        return Misfits(refused=f"NOT pg_input_is_valid({column}::text, '{new}')")
    if new_base in _OLD_PATTERNS:
        return Misfits(refused=f"{column}::text !~ '{_OLD_PATTERNS[new_base]}'")
    return Misfits(unknown=f"before PostgreSQL 16 nothing can say which texts are a {new} without failing")
