"""What a run has done to names and rows up to some point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import RELATION_KINDS, ROUTINE_KINDS, TYPE_KINDS, Kind
from db_migrate.rules.names import owner_of, rebase
from db_migrate.trace.effects import Effects

_MADE = RELATION_KINDS | ROUTINE_KINDS | TYPE_KINDS | {Kind.COLUMN, Kind.SEQUENCE}
"""What may be changed and dropped again at will by the run that made it."""


class Names(Collection[str]):
    """Names that only get more: what was there at one point of a list that is shared with all later points.

    A set of its own for each of 10,000 statements would take gigabytes.
    """

    def __init__(self, places: dict[str, int] | None = None, count: int = 0) -> None:
        self._places = {} if places is None else places
        self._count = count

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._places.get(name, self._count) < self._count

    def __iter__(self) -> Iterator[str]:
        return (name for name, place in self._places.items() if place < self._count)

    def __len__(self) -> int:
        return self._count

    def and_more(self, names: Iterable[str]) -> Names:
        """Those and these. What has been made of it before keeps what it had; only from the newest is more made."""
        for name in names:
            self._places.setdefault(name, len(self._places))
        return Names(self._places, len(self._places))


@dataclass(frozen=True, slots=True)
class Known:
    """What the run has done so far.

    ``created`` are relations, columns, sequences, types and routines of this run; ``origins`` says what a relation or
    column that was renamed is called on the target; ``written`` are relations that got, lost or changed rows.
    """

    created: Names = field(default_factory=Names)
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    written: frozenset[str] = frozenset()

    def after(self, effects: Effects) -> Known:
        """What is known after one more statement."""
        written = self.written if self.written >= set(effects.writes) else self.written | set(effects.writes)
        made = [*effects.created, *(c.object for c in effects.changes if _is_made(c))]
        renamed = [c for c in effects.changes if c.action is Action.RENAMED and c.from_object is not None]
        created = self.created.and_more(made)
        if not renamed:
            return Known(created, self.origins, written)
        origins = dict(self.origins)
        for change in renamed:
            created = _follow(change, created, origins)
        for change in renamed:
            if change.kind in RELATION_KINDS:
                created = _columns_follow(change, created, origins)
        return Known(created, MappingProxyType(origins), written)


def _is_made(change: Change) -> bool:
    return change.action is Action.CREATED and change.kind in _MADE


def _follow(change: Change, created: Names, origins: dict[str, str]) -> Names:
    old, new = change.from_object or "", change.object
    if change.kind not in RELATION_KINDS and change.kind is not Kind.COLUMN:
        return created
    if old in created:
        return created.and_more([new])
    if change.kind is Kind.COLUMN:
        relation = owner_of(new)
        origins[new] = origins.pop(old, rebase(old, relation, origins.get(relation, relation)))
    else:
        origins[new] = origins.pop(old, old)
    return created


def _columns_follow(change: Change, created: Names, origins: dict[str, str]) -> Names:
    """Columns keep their history when their table gets another name."""
    old = change.from_object or ""
    for name in [each for each in origins if each.startswith(f"{old}.")]:
        origins[rebase(name, old, change.object)] = origins.pop(name)
    return created.and_more([rebase(name, old, change.object) for name in created if name.startswith(f"{old}.")])
