"""Qualified names as PostgreSQL prints them: taken apart, put together, and turned into Alembic's arguments."""

from __future__ import annotations

import re
from functools import lru_cache

from db_migrate.catalog.tokens import is_plain, last_part, quoted, tokens, unquoted, without_last
from db_migrate.rules.python_text import string

_PART = re.compile(r'"((?:[^"]|"")*)"|([^".(]+)')
LONGEST_NAME = 63
"""``NAMEDATALEN - 1``, in bytes: PostgreSQL cuts longer names without asking (documentation: "4.1.1. Identifiers")."""


def parts(name: str) -> tuple[str, ...]:
    """The unquoted parts of a qualified name; a function's argument list stays with its last part."""
    found: list[str] = []
    position = 0
    while position < len(name):
        match = _PART.match(name, position)
        if match is None:
            break
        found.append(match[1].replace('""', '"') if match[1] is not None else match[2])
        position = match.end()
        if name.startswith("(", position):
            found[-1] += name[position:]
            break
        if not name.startswith(".", position):
            break
        position += 1
    return tuple(found)


def quote(part: str) -> str:
    """One part of a name as ``quote_ident`` writes it: in quotes where characters or key words need them."""
    return part if is_plain(part) and not _is_key_word(part) else quoted(part)


_UNRESERVED = 1


@lru_cache(maxsize=1024)
def _is_key_word(word: str) -> bool:
    """Whether PostgreSQL takes the word for more than a name."""
    import postgast

    return any(token.keyword_kind > _UNRESERVED for token in postgast.scan(word).tokens)


def made(*words: str) -> str:
    """A new name of words, cut to what PostgreSQL keeps of it; unquoted."""
    whole = "_".join(words).encode()
    return whole[:LONGEST_NAME].decode("utf-8", "ignore")


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def last(name: str) -> str:
    """The unquoted last part: a column's, index's or constraint's own name."""
    return parts(name)[-1]


def plain_name(routine: str) -> str:
    """The unquoted name of a function, without its arguments."""
    return unquoted(tokens(last_part(routine))[0])


def tail(name: str) -> str:
    """The last part as SQL writes it."""
    return last_part(name)


def schema_of(name: str) -> str:
    """The unquoted schema of a qualified name; empty when it has none."""
    found = parts(name)
    return found[0] if len(found) > 1 else ""


def owner_of(name: str) -> str:
    """A member's relation as SQL writes it: ``public.users.email`` -> ``public.users``."""
    return without_last(name)


def beside(name: str, *words: str) -> str:
    """A new name, of words, in the same schema as another object: ``beside(public.users, "ix")`` -> ``public.ix``."""
    schema = schema_of(name)
    return ".".join(quote(part) for part in (*([schema] if schema else []), made(*words)))


def rebase(member: str, old: str, new: str) -> str:
    """A member's name with its relation renamed from ``old`` to ``new``."""
    return new + member[len(old) :] if member.startswith(f"{old}.") else member


def py(text: str) -> str:
    """A text as a Python literal, as formatters write it."""
    return string(text)


def py_list(names: tuple[str, ...]) -> str:
    """Names as a Python list of unquoted names."""
    return "[" + ", ".join(py(last(name)) for name in names) + "]"


def schema_argument(name: str, keyword: str = "schema") -> str:
    """``, schema="app"`` for Alembic where the relation is not in ``public``."""
    schema = schema_of(name)
    return "" if schema in ("", "public") else f", {keyword}={py(schema)}"


def is_version_table(relation: str) -> bool:
    """Whether it is Alembic's own table, by its usual name: what is done to it is no part of a revision."""
    return last(relation) == "alembic_version"
