"""How much work a statement means on the target, and for how long it would hold its locks.

Where the target's throughput is neither measured nor given, those are taken that were measured on the embedded
PostgreSQL 18 of one virtual machine (2 cores, NVMe behind a network, table of 10 M rows, data not in memory), halved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from db_migrate.rules.facts import Facts, Throughput
from db_migrate.trace.effects import Effects

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Work:
    """Rows and bytes that are gone through, and the seconds it may take; None where the facts are not known."""

    rows: int | None
    bytes: int | None
    seconds: float | None

    def __add__(self, other: Work) -> Work:
        return Work(_sum(self.rows, other.rows), _sum(self.bytes, other.bytes), _sum(self.seconds, other.seconds))


NOTHING = Work(0, 0, 0.0)
UNKNOWN = Work(None, None, None)


def estimate(
    effects: Effects,
    facts: Facts,
    *,
    origins: Mapping[str, str] | None = None,
    fresh: Container[str] = (),
) -> Work:
    """The work of one statement's rewrites, scans and index builds on the target that the facts are about.

    ``origins`` says what relations that were renamed in this run are called on the target; ``fresh`` are relations
    that this run created, which are empty. A rewrite rebuilds the indexes too: it is taken as of the whole relation.
    Building an index is itself the scan of its table, whose rows and bytes count once.
    """
    speed: Throughput = facts.throughput
    names, new = origins or {}, fresh
    rewritten = {each.relation for each in effects.rewrites}
    total = NOTHING
    for relation in sorted(rewritten):
        total += _part(relation, facts, speed.rewrite, names, new, whole=True)
    builds = Counter(each.relation for each in effects.index_builds if each.relation not in rewritten)
    for relation in sorted(set(effects.scans) - rewritten - builds.keys()):
        total += _part(relation, facts, speed.scan, names, new)
    for relation, times in sorted(builds.items()):
        once = _part(relation, facts, speed.index_build, names, new)
        total += replace(once, seconds=None if once.seconds is None else once.seconds * times)
    return total


def _part(
    relation: str,
    facts: Facts,
    bytes_per_second: float,
    origins: Mapping[str, str],
    fresh: Container[str],
    *,
    whole: bool = False,
) -> Work:
    if relation in fresh:
        return NOTHING
    table = facts.tables.get(origins.get(relation, relation))
    if not facts.known or table is None:
        return UNKNOWN
    size = table.bytes if whole else table.table_bytes
    return Work(table.rows, size, size / bytes_per_second)


def _sum(left: _Number | None, right: _Number | None) -> _Number | None:
    return None if left is None or right is None else left + right


def in_words(count: float) -> str:
    """A number of rows as a person says it: 950, 12.3 k, 92 M."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if count >= limit:
            scaled = count / (1e3 if unit == " k" else limit)
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:.0f}{unit}"
    return f"{count:.0f}"


def bytes_in_words(count: float) -> str:
    """A number of bytes as a person says it: 8 kB, 1.2 MB, 48 GB (powers of 1024, as ``pg_size_pretty``)."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        scaled = count / 1024**power
        if scaled >= 1:
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"
    return f"{count:.0f} bytes"


def seconds_in_words(seconds: float) -> str:
    """A time as a person says it: under 0.1 s, 4.2 s, 3 min, 2.5 h."""
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
