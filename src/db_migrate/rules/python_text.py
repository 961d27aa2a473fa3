"""Python as text: string literals, calls that break over lines, indentation that leaves long strings alone."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Sequence

WIDTH = 100
"""Lines are broken beyond this; where a word is longer they are not."""

_BIND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_ESCAPED = re.compile(r"\\(:[\w$]*)(?![:\w$])")


def string(text: str) -> str:
    """A Python string literal on one line, in double quotes where that needs no escapes."""
    plain = repr(text)
    if plain.startswith("'") and '"' not in plain:
        return f'"{plain[1:-1]}"'
    return plain


def comment(text: str) -> str:
    """A comment of one line: what would end it, or is not to be seen, is written as an escape."""
    return "# " + "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def sql_string(sql: str) -> str:
    """SQL as the argument of ``sa.text`` or ``op.execute``: what looks like a parameter there is escaped."""
    escaped = _BIND.sub(r"\\:\1", _ESCAPED.sub(r"\\\\\1", sql))
    if "\n" in escaped.strip("\n") and _fits_triple(escaped):
        return _triple(escaped)
    if len(escaped) <= WIDTH - 20:
        return string(escaped)
    return "\n".join(string(part) for part in _cut(escaped))


def _fits_triple(text: str) -> bool:
    printable = all(line.isprintable() for line in text.replace("\t", " ").split("\n"))
    return printable and '"""' not in text and not text.endswith(('"', "\\"))


def _triple(text: str) -> str:
    return f'{"r" if chr(92) in text else ""}"""{text}"""'


def _cut(text: str) -> list[str]:
    """The text in pieces that fit a line, cut after spaces."""
    parts, current = [], ""
    for word in re.findall(r"\S*\s*", text):
        if current and len(current) + len(word) > WIDTH - 20:
            parts.append(current)
            current = ""
        current += word
    return [*parts, current] if current else parts


def text_clause(sql: str) -> str:
    """``sa.text(…)``."""
    return call("sa.text", sql_string(sql))


def strings(values: Iterable[str]) -> str:
    """A list of string literals."""
    return f"[{', '.join(string(value) for value in values)}]"


def call(function: str, *arguments: str | None, **options: str | None) -> str:
    """A call with the arguments given, those that are None left out, on one line where it fits."""
    parts = [each for each in arguments if each is not None]
    parts += [f"{name}={value}" for name, value in options.items() if value is not None]
    line = f"{function}({', '.join(parts)})"
    if len(line) <= WIDTH - 8 and "\n" not in line:
        return line
    if len(parts) == 1 and parts[0].startswith(('"""', 'r"""')):
        return line
    joined = ",\n".join(parts)
    last = "" if len(parts) == 1 else ","
    return f"{function}(\n{indent(joined)}{last}\n)"


def indent(text: str, by: int = 4) -> str:
    """The text with every line moved to the right, except those inside of a triple-quoted string."""
    inside = _inside_strings(text) if '"""' in text or "'''" in text else frozenset()
    lines = enumerate(text.split("\n"), 1)
    return "\n".join(line if number in inside or not line else " " * by + line for number, line in lines)


def _inside_strings(text: str) -> frozenset[int]:
    """The lines, from 1, that begin within a string of several lines; the text is Python."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING:
            found |= set(range(token.start[0] + 1, token.end[0] + 1))
    return frozenset(found)


def block(head: str, lines: Sequence[str]) -> str:
    """A compound statement with its body."""
    return f"{head}:\n" + indent("\n".join(lines))
