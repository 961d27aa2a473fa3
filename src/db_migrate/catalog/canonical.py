"""Expressions in the one form that PostgreSQL's parser and deparser agree on.

PostgreSQL's deparsed text is a fixed point of parsing and deparsing again, with one family of exceptions: a cast of
a whole array constructor. ``status IN ('a', 'b')`` over a ``varchar`` column is stored, when first parsed, as a cast
of the constructor, ``(ARRAY['a'::character varying, 'b'::character varying])::text[]``; when that text is parsed
again the cast is pushed down to each element, ``ARRAY[('a'::character varying)::text, ...]``, and stays so
(``transformArrayExpr`` in ``parse_expr.c``: a cast over ``ARRAY[]`` is applied to its elements). Schemas that reach
us by a different number of dumps and loads would differ in nothing but that. So every expression is brought to the
second form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPEN = "ARRAY["
_SIMPLE = re.compile(r"(?:'(?:[^']|'')*'|[\w$.\"]+(?:\(.*\))?)(?:::[\w .\"]+(?:\(\d+\))?)*")
"""A literal, a name or a call, with its casts: what the deparser casts without brackets where it saves them."""
_BRACKETS = {"(": ")", "[": "]"}


def canonical_expression(text: str, *, bare: bool = False) -> str:
    """The expression with each cast of an array constructor pushed down to the elements, as a reload would do.

    ``bare``: it is printed with as few brackets as can be, as ``pg_get_statisticsobjdef`` does.
    """
    start = text.find(_OPEN)
    while start != -1:
        rewritten = _push_down(text, start, bare)
        if rewritten is not None:
            text = rewritten
        start = text.find(_OPEN, start + 1)
    return text


def _push_down(text: str, start: int, bare: bool) -> str | None:
    """The text with the cast after the array at ``start`` pushed down, or None where there is no such cast."""
    end = _closing(text, start + len(_OPEN) - 1)
    if end is None or end == start + len(_OPEN):
        return None
    if not text.startswith("::" if bare else ")::", end + 1) or not (bare or text.startswith("(", start - 1)):
        return None
    type_start = end + len("]::" if bare else "])::")
    type_end = text.find("[]", type_start)
    if type_end == -1:
        return None
    element_type = text[type_start:type_end]
    if not _is_type_name(element_type):
        return None
    elements = [
        f"{element}::{element_type}" if bare and _SIMPLE.fullmatch(element) else f"({element})::{element_type}"
        for element in _elements(text, start + len(_OPEN), end)
    ]
    return f"{text[: start - (not bare)]}ARRAY[{', '.join(elements)}]{text[type_end + 2 :]}"


def _is_type_name(text: str) -> bool:
    return bool(text) and all(c.isalnum() or c in '_. "(),' for c in text) and text.count("(") == text.count(")")


def _elements(text: str, start: int, end: int) -> Iterator[str]:
    """The elements of an array constructor between two offsets, split at its own commas."""
    begin = position = start
    while position < end:
        char = text[position]
        if char in "'\"":
            position = _after_quote(text, position)
        elif char in _BRACKETS:
            closing = _closing(text, position)
            position = end if closing is None else closing + 1
        elif text.startswith(", ", position):
            yield text[begin:position]
            position = begin = position + 2
        else:
            position += 1
    yield text[begin:end]


def _closing(text: str, opening: int) -> int | None:
    """The offset of the bracket that closes the one at ``opening``, or None when the text ends first."""
    wanted = [_BRACKETS[text[opening]]]
    position = opening + 1
    while position < len(text):
        char = text[position]
        if char in "'\"":
            position = _after_quote(text, position)
            continue
        if char in _BRACKETS:
            wanted.append(_BRACKETS[char])
        elif char == wanted[-1]:
            wanted.pop()
            if not wanted:
                return position
        position += 1
    return None


def _after_quote(text: str, start: int) -> int:
    """The offset after the quoted text that begins at ``start``; a doubled quote is part of it."""
    quote = text[start]
    escapes = quote == "'" and start > 0 and text[start - 1] == "E"
    position = start + 1
    while position < len(text):
        if escapes and text[position] == "\\":
            position += 2
        elif text[position] != quote:
            position += 1
        elif text.startswith(quote * 2, position):
            position += 2
        else:
            return position + 1
    return len(text)
