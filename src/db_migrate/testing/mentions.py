"""Relations that a text names where SQL names them, for texts that need not be SQL, or not all of it."""

from __future__ import annotations

import re

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_NAMED = re.compile(
    r"\b(?:from|join|into|update|only|table|using|copy|truncate|lock|call)\s+(?:(?:only|table|lateral)\s+)*"
    rf"({_IDENTIFIER})(?:\s*\.\s*({_IDENTIFIER}))?",
    re.IGNORECASE,
)
_QUALIFIED = re.compile(rf"({_IDENTIFIER})(?:\.({_IDENTIFIER}))?")
_KEYWORDS = frozenset({"select", "values", "where", "set"})

Relation = tuple[str, str]
"""Schema and name, unquoted; the schema is empty where the text leaves it to the search_path."""


def mentions(text: str) -> frozenset[Relation]:
    """The relations that follow ``FROM``, ``JOIN``, ``INTO``, ``UPDATE`` and their like in ``text``.

    It errs on the side of too many: prose with these words in it names relations too.
    """
    found = (match for match in _NAMED.finditer(text) if match[1].lower() not in _KEYWORDS)
    return frozenset(_relation(match[1], match[2]) for match in found)


def _relation(first: str, second: str | None) -> Relation:
    return ("", plain(first)) if second is None else (plain(first), plain(second))


def plain(identifier: str) -> str:
    """An identifier of SQL as PostgreSQL stores it: unquoted, or folded to lower case."""
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier.lower()


def split(qualified: str) -> Relation:
    """``schema.name``, quoted where SQL needs it, as a relation; a function's arguments are left off."""
    match = _QUALIFIED.match(qualified)
    return _relation(match[1], match[2]) if match else ("", qualified)


def same(one: Relation, other: Relation) -> bool:
    """Whether both can be one relation: a schema that is not given can be any."""
    return one[1] == other[1] and (one[0] == other[0] or not one[0] or not other[0])
