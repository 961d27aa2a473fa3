"""A plan is run twice: where the runs part, a revision depends on chance, the clock, or the order of a set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from db_migrate.rules.facts import Difference
from db_migrate.rules.variation import differences, may_vary
from db_migrate.schemas.scratch import Scratch, hashing_otherwise
from db_migrate.trace.effects import Trace

_TIMES = 2
"""How often more: a set of two has the same order in every other process."""


def differing(scratch: Scratch, first: Trace, again: Callable[[Scratch], Trace]) -> Mapping[str, Difference]:
    """Where the revisions that may vary did so; nothing is run ``again`` where none may, or one has failed.

    ``again`` is given the same scratch with another child process, whose strings have other hashes.
    """
    suspects = {each.revision for each in first.revisions if may_vary(each.file)}
    if any(each.error is not None for each in first.revisions):
        return {}
    found: dict[str, Difference] = {}
    for seed in _seeds():
        if suspects <= found.keys():
            break
        with hashing_otherwise(scratch, seed) as other:
            found = {**differences(first, again(other)), **found}
    return found


def _seeds() -> Iterator[str]:
    """Values of ``PYTHONHASHSEED`` that this process and its forks do not have, but by a rare chance."""
    others = (str(each) for each in range(1, _TIMES + 2))
    return islice((each for each in others if each != os.environ.get("PYTHONHASHSEED")), _TIMES)
