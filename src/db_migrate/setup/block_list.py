"""Adds an item to a list in a YAML file that people wrote, and changes no other byte of it.

Only the form that nearly everybody writes is understood: a top-level key with its items on lines of their own. For all
other forms the answer is None, and the file is left to its owner.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOP_LEVEL = re.compile(r"[^\s#-]")
_COMMENT = re.compile(r"(^|\s)#.*")
_ITEM = re.compile(r"( *)-(\s|$)")
_BREAKS = re.compile(r"[\r\n\x85\u2028\u2029]")
"""What else ends a line, for YAML 1.1 at least; a mixture of them is nobody's plain form."""
_KEEPING = re.compile(r"[|>]\d?\+\d?\s*(#.*)?$")
_CLIPPED = re.compile(r"[|>]\d?\s*(#.*)?$")
"""Begin a text whose last empty lines, or whose last end of line, are part of it."""
_DIRECTIVE = re.compile(r"(---|\.\.\.|%)")


def with_item(text: str, key: str, item: Sequence[str]) -> str | None:
    """The text with the lines of ``item`` at the end of the list ``key``; the list is made where there is none."""
    newline = "\r\n" if "\r\n" in text else "\n"
    if _BREAKS.search(text.replace(newline, "")):
        return None
    lines = text.removeprefix("\ufeff").split("\n")
    if lines[-1] == "":
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    if any(_KEEPING.search(line) or (_CLIPPED.search(line) and not text.endswith("\n")) for line in lines):
        return None
    head = f"""(["']?){re.escape(key)}\\1\\s*:(\\s|$)"""
    heads = [number for number, line in enumerate(lines) if re.match(head, line)]
    if not _is_plain(lines) or len(heads) > 1:
        return None
    place = _place(lines, heads[0]) if heads else _end(lines, key)
    if place is None:
        return None
    number, indent = place
    bom = text[: len(text) - len(text.removeprefix("\ufeff"))]
    whole = [*lines[:number], *(indent + line for line in item), *lines[number:]]
    return bom + newline.join(whole) + newline


def _is_plain(lines: Sequence[str]) -> bool:
    """Whether this is one document whose top level is a mapping in block style."""
    top = [line for line in lines if _TOP_LEVEL.match(line) or _DIRECTIVE.match(line)]
    if top and _COMMENT.sub("", top[0]).rstrip() == "---":
        top = top[1:]
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    if first[:1] == " " or _ITEM.match(first):
        return False
    return all(not _DIRECTIVE.match(line) and ":" in line and line[0] not in "{[&*!|>?" for line in top)


def _end(lines: list[str], key: str) -> tuple[int, str]:
    """The place after a new key at the end."""
    lines += [*([""] if lines and lines[-1].strip() else []), f"{key}:"]
    return len(lines), "  "


def _place(lines: list[str], head: int) -> tuple[int, str] | None:
    """The number of the line before which a new item goes, and its indentation; an empty list is opened for it."""
    name, _, rest = lines[head].partition(":")
    rest = _COMMENT.sub("", rest).strip()
    if rest not in ("", "[]", "~", "null"):
        return None
    end = next((number for number in range(head + 1, len(lines)) if _TOP_LEVEL.match(lines[number])), len(lines))
    block = [number for number in range(head + 1, end) if lines[number].strip() and not lines[number].startswith("#")]
    first = next((lines[number] for number in block if not lines[number].lstrip().startswith("#")), None)
    if rest:
        lines[head] = f"{name}:"
    if first is None:
        return (block[-1] + 1 if block else head + 1), "  "
    found = _ITEM.match(first)
    return None if found is None or rest else (block[-1] + 1, found[1])


def quoted(text: str) -> str:
    """A scalar of YAML in single quotes."""
    return "'" + text.replace("'", "''") + "'"
