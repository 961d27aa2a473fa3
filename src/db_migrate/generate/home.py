"""Names as they are written in a schema of one's own: where env.py goes through the schemas of tenants, none is named.

What a revision makes for one of them is made for each, since env.py sets the search_path, or a map of schemas, before
it runs the revisions. What was read from the catalogs has the schema of the one that it was proved on.
"""

from __future__ import annotations

import io
import re
import tokenize

from db_migrate.catalog.tokens import is_plain, quoted, tokens

USUAL = "public"
"""Where names without a schema are unless env.py says otherwise. It is always there, and is written."""

_OPENING = re.compile(r"""r?(\"{3}|'{3}|\"|')""")
"""How a string of Python begins, of those that are written here."""

_RELATIONS = frozenset({"nextval", "currval", "setval", "to_regclass", "pg_relation_size", "pg_partition_tree"})
"""Functions of PostgreSQL whose argument is the name of a relation."""


def at_home(python: str, home: str) -> str:
    """Python in whose strings SQL names nothing by the schema ``home``, as long as that is not the usual one."""
    if home == USUAL or home not in python:
        return python
    lines = python.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    written, at = "", 0
    for token in tokenize.generate_tokens(io.StringIO(python).readline):
        if token.type == tokenize.STRING:
            start, end = (offsets[row - 1] + column for row, column in (token.start, token.end))
            written += python[at:start] + sql_at_home(python[start:end], home)
            at = end
    return written + python[at:]


def sql_at_home(sql: str, home: str) -> str:
    """SQL, or Python's literal of it, without the schema before what is in it."""
    if home == USUAL:
        return sql
    opening = _OPENING.match(sql)
    mark = opening[0] if opening else ""
    inner = sql[len(mark) :]
    spelled = {home if is_plain(home) else quoted(home), quoted(home), quoted(home).replace('"', '\\"')}
    parts = tokens(inner)
    kept: list[str] = []
    place = 0
    while place < len(parts):
        token = parts[place]
        qualifies = token in spelled and parts[place + 1 : place + 2] == ["."] and parts[place - 1 : place] != ["."]
        if qualifies:
            place += 2
            continue
        kept.append(_relation(token, spelled) if _names_relation(parts, place) else token)
        place += 1
    return mark + "".join(kept)


def _names_relation(parts: list[str], place: int) -> bool:
    """Whether a literal is the name of a relation: it is cast to one, or the argument of what takes one."""
    if not parts[place].startswith("'"):
        return False
    cast = parts[place + 1 : place + 3] == ["::", "regclass"]
    return cast or (parts[max(place - 1, 0)] == "(" and parts[max(place - 2, 0)].lower() in _RELATIONS)


def _relation(literal: str, spelled: set[str]) -> str:
    for each in spelled:
        if literal.startswith(f"'{each}."):
            return f"'{literal[len(each) + 2 :]}"
    return literal
