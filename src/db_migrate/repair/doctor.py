"""Runs every diagnosis that applies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from db_migrate.errors import ConnectionLost, DbMigrateError, Failed, LockBudgetExceeded
from db_migrate.repair import (
    around,
    back,
    debris,
    folders,
    graph_trouble,
    halfway,
    lost,
    others,
    pending,
    strange,
    unready,
    where,
)
from db_migrate.repair.obstacle import LOCKED, as_diagnosis
from db_migrate.repair.registry import KINDS, Need
from db_migrate.repair.view import View
from db_migrate.results import Diagnosis
from db_migrate.rules.finding import Severity

MODULES = (folders, graph_trouble, around, others, lost, where, strange, halfway, pending, unready, debris, back)
"""Where diagnoses are written: importing them registers theirs."""

_LOCKING = frozenset({"session.idle", "transaction.prepared"})
"""Diagnoses that name who has locked what could not be read."""

_GONE = frozenset({"connect.failed", "connect.too-many", "target.canceled"})
"""Where it had let us in before; a look that is refused from the first on is told by itself."""

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was found, and what could not be looked at. ``cut``: what broke the looking off, so that it is not all."""

    diagnoses: tuple[Diagnosis, ...]
    warnings: tuple[str, ...]
    cut: DbMigrateError | None = None


def examine(view: View, only: Collection[str] | None = None) -> Opinion:
    """Every diagnosis that applies to the view, the gravest first; with ``only`` those of other codes are not tried."""
    found: list[Diagnosis] = []
    warnings: list[str] = []
    lacking: dict[Need, DbMigrateError] = {}
    cut: DbMigrateError | None = None
    for need in Need:
        blocked = next((lacking[each] for each in _BEFORE[need] if each in lacking), None) or _try(need, view)
        if blocked is not None:
            lacking[need] = blocked
            continue
        for kind in KINDS.values():
            if kind.need is need and (only is None or kind.code in only) and cut is None:
                try:
                    found += kind.look(view)
                except LockBudgetExceeded as locked:
                    lacking.setdefault(need, locked)
                except Failed as failed:
                    if not _is_gone(failed):
                        raise
                    lacking[need] = cut = failed
    known = {each.code for each in found}
    for need, error in lacking.items():
        if error.code == LOCKED and known & _LOCKING:
            warnings.append(f"{need} could not be looked at: {error.message}")
            continue
        if need is not Need.GRAPH and error not in [lacking.get(each) for each in _BEFORE[need]]:
            found.append(as_diagnosis(error, view))
        warnings.append(f"{need} could not be looked at: {error.message}")
    if Need.GRAPH in lacking and not any(code.startswith(("graph.", "file.")) for code in known):
        found.append(as_diagnosis(lacking[Need.GRAPH], view))
    found.sort(key=lambda each: _ORDER.index(each.severity))
    cut = cut or next((each for each in lacking.values() if _is_gone(each)), None)
    return Opinion(tuple(found), tuple(dict.fromkeys(warnings)), cut)


def _is_gone(error: DbMigrateError) -> bool:
    """Whether a server has gone, or has gone away from us, while it was looked at."""
    return isinstance(error, ConnectionLost) or error.code in _GONE


_BEFORE: Mapping[Need, tuple[Need, ...]] = MappingProxyType(
    {
        Need.FILES: (),
        Need.GRAPH: (Need.FILES,),
        Need.TARGET: (Need.FILES, Need.GRAPH),
        Need.HISTORY: (Need.FILES, Need.GRAPH, Need.TARGET),
    }
)

_LOOKS: Mapping[Need, Callable[[View], object]] = MappingProxyType(
    {
        Need.FILES: lambda view: view.reading,
        Need.GRAPH: lambda view: view.graph,
        Need.TARGET: lambda view: view.live_state,
        Need.HISTORY: lambda view: (view.live, view.known and view.history(view.heads)),
    }
)


def _try(need: Need, view: View) -> DbMigrateError | None:
    """What stops us from looking at ``need``; None where it can be looked at."""
    try:
        _LOOKS[need](view)
    except DbMigrateError as error:
        return error
    return None
