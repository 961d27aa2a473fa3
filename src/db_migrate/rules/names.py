"""Qualified names as PostgreSQL prints them: taken apart, put together, and turned into Alembic's arguments."""

from __future__ import annotations

import re

_PART = re.compile(r'"((?:[^"]|"")*)"|([^".(]+)')
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


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
    """One part of a name, quoted only where SQL needs it (key words aside)."""
    return part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def last(name: str) -> str:
    """The unquoted last part: a column's, index's or constraint's own name."""
    return parts(name)[-1]


def tail(name: str) -> str:
    """The last part as SQL writes it."""
    return quote(last(name))


def schema_of(name: str) -> str:
    """The unquoted schema of a qualified name; empty when it has none."""
    found = parts(name)
    return found[0] if len(found) > 1 else ""


def owner_of(name: str) -> str:
    """A member's relation as SQL writes it: ``public.users.email`` -> ``public.users``."""
    return ".".join(quote(part) for part in parts(name)[:-1])


def rebase(member: str, old: str, new: str) -> str:
    """A member's name with its relation renamed from ``old`` to ``new``."""
    return new + member[len(old) :] if member.startswith(f"{old}.") else member


def py(text: str) -> str:
    """A text as a Python literal in double quotes, as formatters write it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def py_list(names: tuple[str, ...]) -> str:
    """Names as a Python list of unquoted names."""
    return "[" + ", ".join(py(last(name)) for name in names) + "]"


def schema_argument(name: str, keyword: str = "schema") -> str:
    """``, schema="app"`` for Alembic where the relation is not in ``public``."""
    schema = schema_of(name)
    return "" if schema in ("", "public") else f", {keyword}={py(schema)}"
