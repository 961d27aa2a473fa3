"""What work costs on every machine alike: how many functions are called, and how many lines are run."""

from __future__ import annotations

import sys
from collections.abc import Callable


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python and of its extensions the work calls."""
    number = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return number


def lines(work: Callable[[], object]) -> int:
    """How many lines of Python are run: a loop that calls nothing counts as well, by its turns."""
    number = 0

    def count(_frame: object, event: str, _argument: object) -> object:
        nonlocal number
        number += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return number
