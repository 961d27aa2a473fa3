"""Relations that a text names where SQL names them, for texts that need not be SQL, or not all of it."""

from __future__ import annotations

import re

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_NAMED = re.compile(
    r"\b(?:from|join|into|update|only|table|using|copy|truncate|lock|call)\s+"
    rf"({_IDENTIFIER})(?:\s*\.\s*({_IDENTIFIER}))?",
    re.IGNORECASE,
)
_KEYWORDS = frozenset({"only", "table", "lateral", "select", "values", "where", "set", "if", "the", "a", "an"})

Relation = tuple[str, str]
"""Schema and name, unquoted; the schema is empty where the text leaves it to the search_path."""


def mentions(text: str) -> frozenset[Relation]:
    """The relations that follow ``FROM``, ``JOIN``, ``INTO``, ``UPDATE`` and their like in ``text``.

    It errs on the side of too many: prose with these words in it names relations too.
    """
    found = (_relation(match[1], match[2]) for match in _NAMED.finditer(text))
    return frozenset(relation for relation in found if relation[1] not in _KEYWORDS)


def _relation(first: str, second: str | None) -> Relation:
    return ("", plain(first)) if second is None else (plain(first), plain(second))


def plain(identifier: str) -> str:
    """An identifier of SQL as PostgreSQL stores it: unquoted, or folded to lower case."""
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier.lower()


def split(qualified: str) -> Relation:
    """``schema.name``, quoted where SQL needs it, as a relation; a function's arguments are left off."""
    parts = [plain(part) for part in re.findall(_IDENTIFIER, qualified.split("(", 1)[0])]
    return (".".join(parts[:-1]), parts[-1]) if parts else ("", "")


def same(one: Relation, other: Relation) -> bool:
    """Whether both can be one relation: a schema that is not given can be any."""
    return one[1] == other[1] and (one[0] == other[0] or not one[0] or not other[0])
