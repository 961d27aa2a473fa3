"""Which table locks stop which, and which of them hurt while one waits for them.

The matrix is the documentation's "Conflicting Lock Modes" (13.3.1. Table-Level Locks).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from db_migrate.results import StatementEffects
from db_migrate.trace.effects import Lock, LockMode

_M = LockMode
_FROM_ROW_EXCLUSIVE = frozenset({_M.SHARE, _M.SHARE_ROW_EXCLUSIVE, _M.EXCLUSIVE, _M.ACCESS_EXCLUSIVE})

CONFLICTS: Mapping[LockMode, frozenset[LockMode]] = {
    _M.ACCESS_SHARE: frozenset({_M.ACCESS_EXCLUSIVE}),
    _M.ROW_SHARE: frozenset({_M.EXCLUSIVE, _M.ACCESS_EXCLUSIVE}),
    _M.ROW_EXCLUSIVE: _FROM_ROW_EXCLUSIVE,
    _M.SHARE_UPDATE_EXCLUSIVE: _FROM_ROW_EXCLUSIVE | {_M.SHARE_UPDATE_EXCLUSIVE},
    _M.SHARE: frozenset(_M) - {_M.ACCESS_SHARE, _M.ROW_SHARE, _M.SHARE},
    _M.SHARE_ROW_EXCLUSIVE: frozenset(_M) - {_M.ACCESS_SHARE, _M.ROW_SHARE},
    _M.EXCLUSIVE: frozenset(_M) - {_M.ACCESS_SHARE},
    _M.ACCESS_EXCLUSIVE: frozenset(_M),
}


def conflict(one: LockMode, other: LockMode) -> bool:
    """Whether two sessions cannot hold these modes on one table at once."""
    return other in CONFLICTS[one]


def is_strong(mode: LockMode) -> bool:
    """Whether ordinary reads or writes queue up behind somebody who waits for this mode."""
    return bool(mode.blocks)


def strong(effects: StatementEffects) -> tuple[Lock, ...]:
    """The strong locks that others may have to wait for while the statement waits.

    One that commits in between and is weak at each such moment, as DROP INDEX CONCURRENTLY, waits until nobody uses
    what it locks in the end.
    """
    waits = (lock for phase in effects.phases for lock in (*phase.locks, phase.awaits) if lock is not None)
    if effects.phases and not any(is_strong(LockMode(each.mode)) for each in waits):
        return ()
    locks = (Lock(each.relation, LockMode(each.mode)) for each in effects.locks)
    return tuple(lock for lock in locks if is_strong(lock.mode))


def strongest(locks: Iterable[Lock]) -> tuple[Lock, ...]:
    """One lock for each relation, the strongest, in the order of first appearance."""
    found: dict[str, LockMode] = {}
    for lock in locks:
        known = found.get(lock.relation)
        if known is None or lock.mode.strength > known.strength:
            found[lock.relation] = lock.mode
    return tuple(Lock(relation, mode) for relation, mode in found.items())
