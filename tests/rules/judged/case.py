"""One revision that was judged by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judged:
    """A body of ``upgrade()`` and the names of the rules that have something to say about it."""

    body: str
    rules: frozenset[str]


def judged(rules: str, body: str) -> Judged:
    """One of them; the names stand in one string."""
    return Judged(body, frozenset(rules.split()))


NEW_KEY = "create-table-with-foreign-key"
KEY = "add-foreign-key-validating foreign-key-locks-referenced"
