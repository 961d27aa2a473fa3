"""SQL text that PostgreSQL printed, cut into tokens: names, quoted names, literals, white space and signs.

The text always comes from PostgreSQL's own deparser, so a few rules suffice; nothing here parses what people wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

_TOKEN = re.compile(
    r"""E'(?:[^'\\]|''|\\.)*'      # an escape string
      | '(?:[^']|'')*'             # a string
      | \$(\w*)\$.*?\$\1\$         # a dollar-quoted string
      | "(?:[^"]|"")*"             # a quoted name
      | [^\W\d][\w$]*              # a word
      | \s+
      | ::
      | .""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*\Z")
_SIMPLE = re.compile(r"[a-z0-9_.]*")
_OPEN, _CLOSE = frozenset("(["), frozenset(")]")


def tokens(text: str) -> list[str]:
    """The tokens of a text; joined they are the text again."""
    return [match[0] for match in _TOKEN.finditer(text)]


def split_name(name: str) -> list[str]:
    """The parts of a qualified name, each as SQL writes it; a function's argument list stays with its last part."""
    if _SIMPLE.fullmatch(name):
        return name.split(".")
    parts = [""]
    depth = 0
    for token in tokens(name):
        depth += (token in _OPEN) - (token in _CLOSE)
        if token == "." and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def last_part(name: str) -> str:
    """The unqualified name, as SQL writes it."""
    return split_name(name)[-1]


def without_last(name: str) -> str:
    """The qualified name of what contains the named object: a relation for a column, a schema for a relation."""
    return ".".join(split_name(name)[:-1])


def unquoted(name: str) -> str:
    """An identifier as PostgreSQL stores it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def plain(name: str) -> str:
    """A qualified name as programs write it: each part as PostgreSQL stores it, between dots."""
    return ".".join(map(unquoted, split_name(name))) if '"' in name else name


def quoted(name: str) -> str:
    """A stored identifier in double quotes, which is valid whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal, as ``quote_literal`` writes it."""
    doubled = text.replace("'", "''")
    return f"E'{doubled.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{doubled}'"


def split_list(text: str, separator: str = ",") -> list[str]:
    """The items of a list, split at the separators that no bracket or quote encloses, stripped."""
    items = [""]
    depth = 0
    for token in tokens(text):
        depth += (token in _OPEN) - (token in _CLOSE)
        if token == separator and depth == 0:
            items.append("")
        else:
            items[-1] += token
    stripped = [item.strip() for item in items]
    return [] if stripped == [""] else stripped


def reference(referenced: str) -> tuple[str, tuple[str, ...]]:
    """The relation and the columns of ``schema.table(column, …)``, which a foreign key refers to."""
    if '"' not in referenced:
        table, _, columns = referenced.rpartition("(")
        return table, tuple(columns.removesuffix(")").split(", "))
    found = tokens(referenced)
    place = found.index("(")
    return "".join(found[:place]), tuple(split_list("".join(found[place + 1 : -1])))


def top_level(text: str) -> Iterator[tuple[int, str]]:
    """Each word outside of brackets and quotes, with its offset in the text."""
    depth = offset = 0
    for token in tokens(text):
        if token in _OPEN:
            depth += 1
        elif token in _CLOSE:
            depth -= 1
        elif depth == 0 and (token[0].isalpha() or token[0] == "_"):
            yield offset, token
        offset += len(token)


def inside_brackets(text: str) -> str:
    """What the first pair of round brackets encloses; empty where there is none."""
    depth = 0
    found: list[str] = []
    for token in tokens(text):
        if token == ")":
            depth -= 1
            if depth == 0:
                return "".join(found)
        if depth:
            found.append(token)
        if token == "(":
            depth += 1
    return "".join(found)


def mentions(text: str, name: str) -> bool:
    """Whether an identifier (as SQL writes it) is one of the text's tokens."""
    return name in text and name in tokens(text)


def replace_names(text: str, names: Mapping[str, str]) -> str:
    """The text with identifiers replaced, token by token; literals are left as they are."""
    if not any(name in text for name in names):
        return text
    return "".join(names.get(token, token) for token in tokens(text))


def replace_literals(text: str, rewrite: Callable[[str, str], str]) -> str:
    """The text with each ``'literal'::type`` literal rewritten by a function of the literal and the text after it."""
    parts = tokens(text)
    for place, token in enumerate(parts):
        if token.startswith("'") and parts[place + 1 : place + 2] == ["::"]:
            parts[place] = rewrite(token, "".join(parts[place + 2 : place + 12]))
    return "".join(parts)


def without_casts(text: str) -> tuple[str, ...]:
    """What is left of an expression without its casts, brackets and white space, to be compared only."""
    kept: list[str] = []
    parts = [token for token in tokens(text) if not token.isspace()]
    place = 0
    while place < len(parts):
        if parts[place] == "::":
            place = _after_type(parts, place + 1)
        else:
            if parts[place] not in _OPEN and parts[place] not in _CLOSE:
                kept.append(parts[place])
            place += 1
    return tuple(kept)


_TYPE_WORDS = frozenset({"varying", "precision", "with", "without", "time", "zone", "to"})
_FIRST_TYPE_WORDS = frozenset({"character", "double", "timestamp", "time", "bit", "interval"})


def _after_type(parts: list[str], place: int) -> int:
    """The index after the type name that begins at ``place``."""
    first = parts[place] if place < len(parts) else ""
    place += 1
    while place + 1 < len(parts) and parts[place] == ".":
        place += 2
    place = _after_modifier(parts, place)
    while first in _FIRST_TYPE_WORDS and place < len(parts) and parts[place] in _TYPE_WORDS:
        place = _after_modifier(parts, place + 1)
    while parts[place : place + 2] == ["[", "]"]:
        place += 2
    return place


def _after_modifier(parts: list[str], place: int) -> int:
    if place < len(parts) and parts[place] == "(":
        while place < len(parts) and parts[place] != ")":
            place += 1
        place += 1
    return place


def is_plain(name: str) -> bool:
    """Whether a stored identifier needs no quotes for its characters; reserved words are not looked at."""
    return _PLAIN.match(name) is not None
