"""Measuring whole commands, one contestant after the other in every round: time, CPU time, and their medians."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """What one contestant took: a value for each round, in the comparison's unit, the less the better.

    ``ours``: it is ours, or is held against what ours are compared with, as they are. ``cpu``: seconds of CPU time of
    the command and all children that it waited for; a server is none of them. Empty where it was not measured.
    """

    contestant: str
    values: tuple[float, ...]
    ours: bool = False
    cpu: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """The middle of all rounds."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Contestants that did the same work. The first that is not ours is what ours are compared with.

    ``goal``: the ratio of ours to that one that is aimed at. ``versions``: of what was installed only for this.
    """

    what: str
    results: tuple[Result, ...]
    unit: str = "s"
    goal: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def baseline(self) -> Result | None:
        """What ours are compared with; None where there is nothing like it."""
        return next((each for each in self.results if not each.ours), None)


@dataclass(frozen=True, slots=True)
class Case:
    """One contestant's command. ``expect`` are the exit codes that mean it did its work.

    ``before`` is called before every run, and is not measured. ``says`` has to be in its output too.
    """

    shown: str
    command: tuple[str, ...]
    folder: Path
    ours: bool = False
    expect: frozenset[int] = frozenset({0})
    environ: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] | None = None
    says: str = ""


class WrongEnd(Exception):
    """A command that is measured ended otherwise than it should, so its time means nothing."""


def interleaved(
    what: str,
    cases: Sequence[Case],
    *,
    rounds: int = 5,
    warm_up: bool = True,
    goal: float | None = None,
    versions: Mapping[str, str] | None = None,
) -> Comparison:
    """Run every case once in each round, after once for nothing, so that all meet the same machine. Raises WrongEnd."""
    if warm_up:
        for case in cases:
            run(case)
    taken = [[run(case) for case in cases] for _ in range(rounds)]
    results = tuple(
        Result(case.shown, tuple(row[place][0] for row in taken), case.ours, cpu=tuple(row[place][1] for row in taken))
        for place, case in enumerate(cases)
    )
    return Comparison(what, results, goal=goal, versions=versions or {})


def run(case: Case) -> tuple[float, float]:
    """Run the case once: seconds, and seconds of CPU time. Raises WrongEnd.

    Python may write its bytecode, as it does for everybody, whatever this process was told.
    """
    if case.before is not None:
        case.before()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, began = cpu_time(), time.perf_counter()
    done = subprocess.run(
        case.command, cwd=case.folder, env={**environ, **case.environ}, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - began
    if done.returncode not in case.expect or case.says not in done.stdout + done.stderr:
        raise WrongEnd(f"`{case.shown}` ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return took, cpu_time() - before


def cpu_time() -> float:
    """Seconds of CPU time of all children that were waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
