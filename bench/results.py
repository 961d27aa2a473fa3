"""What scenarios measured: kept as JSON in ``bench/results``, and shown all together in ``bench/RESULTS.md``."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.measure import Comparison, Result
from db_migrate.postgres import binaries

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parent / "RESULTS.md"

HOW_TO_READ = """\
# What was measured

Made by `make bench`, which runs everything again on your machine; `make bench NAME=drift` runs one scenario. Each
scenario's last run is in `bench/results` as JSON, with every single value.

- Every contestant runs once in each round, so all meet the same machine, and once for nothing before. Whole commands
  are measured, from start to exit.
- The **median** is over all rounds. **Ratio** is ours divided by what it is compared with: of the medians, and in
  brackets the smallest and largest of the single rounds. Below 1 is faster. Ratios can be compared between
  machines; seconds cannot.
- **CPU** is CPU time of the command and of all children that it waited for. A PostgreSQL server is none of them.
- The **load average** is that of the five minutes before the end. The scenarios keep one core busy, most of them not
  wholly: a load above 2 on two cores says that others were at work, so that seconds are more than they would be alone.
- No timing is ever a test.
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario's last run."""

    name: str
    title: str
    date: str
    versions: Mapping[str, str]
    comparisons: tuple[Comparison, ...]


def today() -> str:
    """The date, as the page shows it."""
    return datetime.datetime.now(tz=datetime.UTC).date().isoformat()


def versions() -> dict[str, str]:
    """What everything ran on."""
    packages = ("db-migrate", "alembic", "sqlalchemy", "psycopg")
    return {
        "Python": f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores",
        "PostgreSQL": _postgres(binaries.embedded().version),
        **{name: importlib.metadata.version(name) for name in packages},
        "load average": f"{os.getloadavg()[1]:.1f}",
    }


def _postgres(number: int) -> str:
    return f"{number // 10000}.{number % 10000}"


def keep(name: str, scenario: Scenario) -> None:
    """Write the scenario's file."""
    FOLDER.mkdir(exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(scenario), indent=1)
    (FOLDER / f"{name}.json").write_bytes(text + b"\n")


def page() -> str:
    """The page with the last run of every scenario."""
    kept = [msgspec.json.decode(file.read_bytes(), type=Scenario) for file in sorted(FOLDER.glob("*.json"))]
    return "\n".join([HOW_TO_READ, *(part for scenario in kept for part in _section(scenario))])


def _section(scenario: Scenario) -> Iterator[str]:
    yield f"## {scenario.name}\n\n{scenario.title}\n"
    for comparison in scenario.comparisons:
        yield f"{table(comparison)}\n"
    extra = {name: each for comparison in scenario.comparisons for name, each in comparison.versions.items()}
    shown = ", ".join(f"{name} {version}" for name, version in {**scenario.versions, **extra}.items())
    yield f"{scenario.date}: {shown}.\n"


def table(comparison: Comparison) -> str:
    """One comparison as Markdown."""
    goal = f" (goal: {comparison.goal:g})" if comparison.goal is not None else ""
    head = f"**{comparison.what}**{goal}\n\n| | median {comparison.unit} | CPU s | rounds | ratio |\n"
    rows = (_row(each, comparison.baseline) for each in comparison.results)
    return head + "| --- | ---: | ---: | ---: | ---: |\n" + "\n".join(rows)


def _row(result: Result, baseline: Result | None) -> str:
    cpu = _short(statistics.median(result.cpu)) if result.cpu else ""
    ratio = _ratio(result, baseline) if result.ours and baseline is not None else ""
    name = result.contestant.replace("|", "\\|")  # a cell ends at a bar, in code too
    return f"| `{name}` | {_short(result.median)} | {cpu} | {len(result.values)} | {ratio} |"


def _ratio(ours: Result, theirs: Result) -> str:
    if not theirs.median:
        return ""
    ratio = _short(ours.median / theirs.median)
    if len(ours.values) != len(theirs.values) or len(ours.values) < 2 or not all(theirs.values):
        return ratio
    rounds = [mine / its for mine, its in zip(ours.values, theirs.values, strict=True)]
    return f"{ratio} ({_short(min(rounds))} to {_short(max(rounds))})"


def _short(number: float) -> str:
    """Three significant digits."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
