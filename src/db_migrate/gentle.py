"""The site first: on a machine that it shares with its database, a command that changes a target keeps to half of it.

Python takes half a second of two cores to begin, and a kernel lets what has just begun keep a core for milliseconds
while others wait for it. That is most of what the site's requests feel of a migration that is otherwise well-mannered;
docs/performance.md has what it costs and what this saves. Where there are four cores or more it costs nothing.

What is said here holds for the thread that calls it, and for the threads and processes that this starts afterwards.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_everywhere: frozenset[int] = frozenset()
"""The cores that we may use, from when on we leave half of them to others."""


def begin() -> None:
    """From now on use half of the cores, and take none from what wakes up (``SCHED_BATCH``, see ``sched(7)``).

    Nothing happens where that cannot be had, or where somebody has given this process a scheduling policy.
    """
    global _everywhere
    if not hasattr(os, "SCHED_BATCH"):
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid any of it; then all is as it was
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            _everywhere = frozenset(cores)
            os.sched_setaffinity(0, cores[len(cores) // 2 :])


def end() -> None:
    """Be like any other process again: what this command does is waited for, and no site is concerned."""
    global _everywhere
    if _everywhere:
        _set((0,), os.SCHED_OTHER, _everywhere)
        _everywhere = frozenset()


@contextlib.contextmanager
def suspended(*processes: int) -> Iterator[None]:
    """Within the context this thread and the main threads of these processes are like any others.

    For what holds locks, which others wait for, and for starting what outlives us. Nothing where nothing has begun.
    """
    if not _everywhere:
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getaffinity(0)
    all_of_us = (0, *processes)
    _set(all_of_us, os.SCHED_OTHER, _everywhere)
    try:
        yield
    finally:
        _set(all_of_us, *before)


def _set(processes: tuple[int, ...], policy: int, cores: frozenset[int] | set[int]) -> None:
    for process in processes:
        with contextlib.suppress(OSError):  # killed meanwhile, as any process may be, or forbidden: then it is slower
            os.sched_setscheduler(process, policy, os.sched_param(0))
        with contextlib.suppress(OSError):
            os.sched_setaffinity(process, cores)
