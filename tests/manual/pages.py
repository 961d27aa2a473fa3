"""What the manual says is typed, and what it says is printed then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

_UNITS = r"(?:ms|s|min|h|bytes|kB|MB|GB)"
_VARIES = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a run
    r"|\b[0-9a-f]{16}(?:_\d+)?\b"  # a plan, something kept
    r"|\d{4}-\d\d-\d\d[T ][\d:.+Z-]*"  # a time
    rf"|\b\d[\d,.]*[ ]?{_UNITS}\b"  # how long, how much
    r"|(?<=PostgreSQL )\d+\.\d+|(?<=proved on {5})\d+\.\d+"
)
_SHELL = {"", "sh", "bash"}
_EXIT = re.compile(r"\[exit code (\d+)\]")
LEFT_OUT = "…"


@dataclass(slots=True)
class Typed:
    """One command of a page: its text, the line it is in, what the page shows below it, and how it ends."""

    page: str
    line: int
    text: str
    shown: list[str] = field(default_factory=list)
    code: int = 0

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Every block of code: the number of its first line, its language, its lines.

    The language of a block that is indented is empty; ``text`` where a fence names none.
    """
    language: str | None = None
    first, lines = 0, list[str]()
    for number, line in enumerate([*page.read_text("utf-8").splitlines(), ""], 1):
        fence = re.fullmatch(r"\s*```(\w*)", line)
        indented = language is None and line.startswith("    ") and (bool(lines) or not line[4:].startswith(" "))
        if fence and language is None:
            language, first, lines = fence[1] or "text", number + 1, []
        elif language is not None and not fence:
            lines.append(line)
        elif indented:
            first = first if lines else number
            lines.append(line[4:])
        elif lines or fence:
            yield first, language or "", lines
            language, lines = None, []


def typed(page: Path) -> list[Typed]:
    """The commands of a page, in order: after ``$`` in a block of a console, else every line of one for a shell."""
    name = str(page.relative_to(ROOT))
    found: list[Typed] = []
    for first, language, lines in blocks(page):
        if language in _SHELL:
            found += [Typed(name, number, line.strip()) for number, line in enumerate(lines, first) if line.strip()]
        if language != "console":
            continue
        for number, line in enumerate(lines, first):
            if line.startswith("$ "):
                found.append(Typed(name, number, line[2:]))
            elif line.startswith("> "):
                found[-1].text += f"\n{line[2:]}"
            elif end := _EXIT.fullmatch(line):
                found[-1].code = int(end[1])
            else:
                found[-1].shown.append(line)
    return found


def missing(shown: list[str], printed: str) -> str | None:
    """The first line that is shown and not printed where it should be; lines left out are marked in what is shown."""
    real = [_same(line) for line in printed.splitlines() if line.strip()]
    at, anywhere = 0, False
    for line in shown:
        wanted = _same(line)
        if not wanted:
            continue
        if wanted == LEFT_OUT:
            anywhere = True
            continue
        after = real[at:] if anywhere else real[at : at + 1]
        found = next((n for n, each in enumerate(after) if _equal(wanted, each)), None)
        if found is None:
            return line
        at, anywhere = at + found + 1, False
    return None if anywhere or at == len(real) or not shown else "(nothing more)"


def _same(line: str) -> str:
    """The line without what varies: times, sizes, identifiers of runs, and the columns that follow from these."""
    return re.sub(r"\s+", " ", _VARIES.sub("#", line)).strip()


def _equal(wanted: str, line: str) -> bool:
    if wanted.endswith(LEFT_OUT) and not line.endswith(LEFT_OUT):
        return line.startswith(wanted.removesuffix(LEFT_OUT))
    return wanted == line
