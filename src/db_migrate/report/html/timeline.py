"""What a transaction holds while it does what: for each relation from which statement on it is locked, and how hard."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from db_migrate.results import PlannedRevision, PlannedStatement

_SHORT = {
    "ACCESS SHARE": "AS",
    "ROW SHARE": "RS",
    "ROW EXCLUSIVE": "RX",
    "SHARE UPDATE EXCLUSIVE": "SUX",
    "SHARE": "S",
    "SHARE ROW EXCLUSIVE": "SRX",
    "EXCLUSIVE": "X",
    "ACCESS EXCLUSIVE": "AX",
}
_STRENGTH = {mode: strength for strength, mode in enumerate(_SHORT)}


@dataclass(frozen=True, slots=True)
class Held:
    """What is held on a relation while one statement runs; ``mode`` is empty when nothing is yet."""

    mode: str
    blocks: tuple[str, ...]
    taken: bool

    @property
    def short(self) -> str:
        """The mode in two or three letters."""
        return _SHORT.get(self.mode, self.mode)

    @property
    def level(self) -> str:
        """``reads`` when it makes readers wait, ``writes`` when writers, ``none`` when nobody, empty when not held."""
        if not self.mode:
            return ""
        return next((each for each in ("reads", "writes") if each in self.blocks), "none")


@dataclass(frozen=True, slots=True)
class Timeline:
    """One transaction: its statements with their numbers in the revision, and a row for each relation it locks.

    ``seconds`` is how long it is expected to take from its first blocking lock to its commit; None when not known.
    """

    number: int
    autocommit: bool
    statements: tuple[tuple[int, PlannedStatement], ...]
    rows: tuple[tuple[str, tuple[Held, ...]], ...]
    seconds: float | None


def timelines(revision: PlannedRevision) -> tuple[Timeline, ...]:
    """The transactions of a revision, in order; those that lock nothing that anybody would notice have no rows."""
    numbered = list(enumerate(revision.statements, 1))
    return tuple(
        _timeline(number, tuple(members)) for number, members in groupby(numbered, key=lambda each: each[1].transaction)
    )


def _timeline(number: int, members: tuple[tuple[int, PlannedStatement], ...]) -> Timeline:
    autocommit = members[0][1].autocommit
    relations = {lock.relation: None for _, each in members for lock in each.effects.locks if lock.blocks}
    rows = tuple((relation, _held(relation, members, keeps=not autocommit)) for relation in relations)
    return Timeline(number, autocommit, members, rows, _seconds(members))


def _held(relation: str, members: tuple[tuple[int, PlannedStatement], ...], *, keeps: bool) -> tuple[Held, ...]:
    """A lock is held to the end of its transaction, which for an autocommit statement is its own end."""
    held: list[Held] = []
    now = Held("", (), taken=False)
    for _, statement in members:
        here = [lock for lock in statement.effects.locks if lock.relation == relation]
        strongest = max(here, key=lambda lock: _STRENGTH.get(lock.mode, 0), default=None)
        before = now if keeps else Held("", (), taken=False)
        if strongest and (not before.mode or _STRENGTH.get(strongest.mode, 0) > _STRENGTH.get(before.mode, 0)):
            now = Held(strongest.mode, strongest.blocks, taken=True)
        else:
            now = Held(before.mode, before.blocks, taken=False)
        held.append(now)
    return tuple(held)


def _seconds(members: tuple[tuple[int, PlannedStatement], ...]) -> float | None:
    known: list[float] = []
    blocking = False
    for _, each in members:
        blocking = blocking or any(lock.blocks for lock in each.effects.locks)
        if blocking and each.estimate.seconds is not None:
            known.append(each.estimate.seconds)
    return sum(known) if known else None
