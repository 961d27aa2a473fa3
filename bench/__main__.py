"""``python -m bench [NAME ...]``: runs the scenarios of these names, or all, and keeps what they measured.

A scenario is a module in ``bench/scenarios``: its docstring says what it is about, and ``run(folder)`` yields one
``Comparison`` after the other, with a temporary folder to work in. Nothing has to be registered.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType

from bench import results, scenarios
from bench.measure import Comparison
from bench.workplace import workplace


def names() -> list[str]:
    """The scenarios there are."""
    return sorted(each.name for each in pkgutil.iter_modules(scenarios.__path__))


def main(asked: list[str]) -> int:
    """Run what was asked for; the exit code is 0 when every command ended as it should."""
    unknown = set(asked) - set(names())
    if unknown:
        print(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    for name in asked or names():
        scenario = importlib.import_module(f"bench.scenarios.{name}")
        results.keep(name, measured(name, scenario))
        results.PAGE.write_text(results.page(), encoding="utf-8")
    return 0


def measured(name: str, scenario: ModuleType) -> results.Scenario:
    """Run one scenario, printing each comparison as soon as it is known."""
    title = (scenario.__doc__ or name).strip()
    print(f"{name}: {title.splitlines()[0]}", flush=True)
    found: list[Comparison] = []
    with workplace() as folder:
        for comparison in scenario.run(folder):
            print(results.table(comparison), flush=True)
            found.append(comparison)
    return results.Scenario(name, title, results.today(), results.versions(), tuple(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
