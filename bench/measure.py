"""Measuring whole commands: wall clock and CPU time of the command and its children."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Case:
    """One command to measure. ``expect`` are the exit codes that mean it did its work."""

    what: str
    shown: str
    command: tuple[str, ...]
    folder: Path
    expect: frozenset[int] = frozenset({0})
    environ: Mapping[str, str] = field(default_factory=dict)
    runs: int = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """The medians of a case, in seconds; ``cpu`` counts children that were waited for, a server is none."""

    case: Case
    median: float
    cpu: float


class WrongEnd(Exception):
    """A command that is measured ended otherwise than it should, so its time means nothing."""


def measure(case: Case) -> Measured:
    """Run the case once to warm up and then as often as it says. Raises WrongEnd."""
    _once(case)
    times = [_once(case) for _ in range(case.runs)]
    return Measured(case, statistics.median(t[0] for t in times), statistics.median(t[1] for t in times))


def _once(case: Case) -> tuple[float, float]:
    before, began = _cpu(), time.perf_counter()
    done = subprocess.run(
        case.command, cwd=case.folder, env={**os.environ, **case.environ}, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - began
    if done.returncode not in case.expect:
        raise WrongEnd(f"`{case.shown}` ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return took, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
