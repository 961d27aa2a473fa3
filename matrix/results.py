"""What the matrix found: kept as JSON, and shown as the table of supported versions in README.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from matrix.cells import CELLS

FILE = Path(__file__).parent / "results.json"
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- supported versions: `make test-matrix` -->", "<!-- end of supported versions -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of one cell. ``not_run`` says why there was nothing to run it with; then the rest is empty.

    ``versions``: of Python, the packages and the older PostgreSQL. ``seconds``: of the tests alone.
    """

    cell: str
    date: str
    not_run: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    user: str = ""
    passed: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def green(self) -> bool:
        """It ran, and nothing failed."""
        return not self.not_run and self.failed == 0 and self.passed > 0


def kept() -> dict[str, Ran]:
    """The last result of each cell that there still is."""
    known = {cell.name for cell in CELLS}
    found = msgspec.json.decode(FILE.read_bytes(), type=list[Ran]) if FILE.exists() else []
    return {each.cell: each for each in found if each.cell in known}


def keep(ran: Ran) -> None:
    """Put the result in the place of the cell's last one."""
    everything = {**kept(), ran.cell: ran}
    ordered = [everything[cell.name] for cell in CELLS if cell.name in everything]
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def readme() -> str:
    """README.md with the table made anew."""
    text = README.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(kept())}\n{END}{after}"


def table(found: dict[str, Ran]) -> str:
    """The supported versions, each with the cells that say so, as Markdown."""
    green = [each for each in found.values() if each.green]
    lines = [
        "| | tested |",
        "| --- | --- |",
        f"| PostgreSQL, the target | {_listed(green, 'PostgreSQL')} |",
        f"| Python | {_listed(green, 'Python')} |",
        f"| SQLAlchemy | {_listed(green, 'sqlalchemy')} |",
        f"| Alembic | {_listed(green, 'alembic')} |",
        f"| drivers | {', '.join(f'{name} {_listed(green, name)}' for name in ('psycopg', 'psycopg2', 'asyncpg'))} |",
        f"| run by | {', '.join(sorted({each.user for each in green}, reverse=True))} |",
    ]
    return "\n".join([*lines, "", *_remarks(found)])


def _listed(green: list[Ran], name: str) -> str:
    versions = {each.versions[name] for each in green if name in each.versions}
    if name == "PostgreSQL":
        versions |= {each.versions["embedded"] for each in green if "embedded" in each.versions}
    return ", ".join(sorted(versions, key=_order)) or "none"


def _order(version: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", version)]


def _remarks(found: dict[str, Ran]) -> Iterator[str]:
    ran = [each for each in found.values() if not each.not_run]
    dates = sorted({each.date for each in ran})
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "never"
    passed = sum(each.passed for each in ran)
    yield f"{len(ran)} sets of versions, {passed:,} tests, {when}; every set is in `matrix/results.json`."
    for each in found.values():
        if each.not_run:
            yield f"Not run: {each.cell} ({each.not_run})."
        elif each.failed:
            yield f"Failed: {each.cell}, {each.failed} of {each.failed + each.passed}."
