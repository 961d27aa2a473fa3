"""Which statements of a revision are committed, as the schema tells, or the journal, or the order they were sent in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from db_migrate.catalog.comparing import chosen_not_null, comparable, loosely
from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject
from db_migrate.repair.way import Passed, Way
from db_migrate.trace.effects import Direction
from db_migrate.trace.resuming import Committed

_Value = object


@dataclass(frozen=True, slots=True)
class Partial:
    """A revision that is half-done. ``done`` has, for each statement of the way, whether it is committed.

    None where nothing tells. ``recorded``: the journal has it. ``claimed`` are the heads of the version table.
    """

    way: Way
    done: tuple[bool | None, ...]
    recorded: bool
    claimed: tuple[str, ...]

    @property
    def committed(self) -> tuple[Passed, ...]:
        """The statements that are committed."""
        return tuple(each for each, done in zip(self.way.statements, self.done, strict=True) if done)

    @property
    def open(self) -> tuple[Passed, ...]:
        """The statements that are not."""
        return tuple(each for each, done in zip(self.way.statements, self.done, strict=True) if done is False)

    @property
    def unclear(self) -> tuple[Passed, ...]:
        """The statements of which nothing tells."""
        return tuple(each for each, done in zip(self.way.statements, self.done, strict=True) if done is None)

    def decided(self, ran: int | None) -> tuple[tuple[Passed, bool], ...]:
        """Each statement with whether it is committed; of those of which nothing tells the first ``ran`` are."""
        left, found = ran or 0, []
        for each, done in zip(self.way.statements, self.done, strict=True):
            found.append((each, left > 0 if done is None else done))
            left -= done is None
        return tuple(found)

    def settled(self, ran: int | None) -> Committed:
        """What is to be left out when the revision is taken up again, see ``decided``.

        What can be run again is: the code around it may wait for its rows.
        """
        statements = tuple((each.key, done and not each.repeatable) for each, done in self.decided(ran))
        unforeseen = None if ran is None else ran >= max(len(self.unclear), 1)
        return Committed(self.way.revision, self.way.direction.value, statements, unforeseen)


def assess(way: Way, live: Catalog, recorded: Mapping[int, bool] | None = None) -> tuple[bool | None, ...] | None:
    """For each statement whether it is committed; None where the schema is not on this way.

    ``recorded`` is what the journal knows of statements, by their place.
    """
    histories = _histories(way)
    told = _told_by_schema(way, live, histories)
    if told is None:
        return None
    # One batch of many says nothing of the others, and running them again does no harm.
    batches = {each.place for each in way.statements if each.repeatable}
    recorded = {place: done for place, done in (recorded or {}).items() if place not in batches}
    if any(told[n] is False and recorded.get(each.place) for n, each in enumerate(way.statements)):
        recorded = {}  # it was undone since, by somebody who kept no journal
    known = [_either(told[n], recorded.get(each.place)) for n, each in enumerate(way.statements)]
    return tuple(_settled(way, _deduced(way, live, histories, known)))


def _either(first: bool | None, second: bool | None) -> bool | None:
    return second if first is None else first


_Histories = Mapping[Key, list[tuple[int, _Value]]]
"""The values of each object that a way touches: at its beginning (-1), and after each statement that changes it."""


def _histories(way: Way) -> _Histories:
    values: dict[Key, list[tuple[int, _Value]]] = {}
    for number, each in enumerate(way.statements):
        for key in _touched(each.before, each.after):
            history = values.setdefault(key, [(-1, _value(each.before, key))])
            history.append((number, _value(each.after, key)))
    return values


def _told_by_schema(way: Way, live: Catalog, histories: _Histories) -> list[bool | None] | None:
    """What each statement's own changes say; None when something is as no choice of statements leaves it."""
    told: list[bool | None] = [None] * len(way.statements)
    for key, history in histories.items():
        places = _places(history, _value(live, key))
        if not places:
            return None
        for number, verdict in _verdicts(history, places):
            if told[number] is not None and told[number] != verdict:
                return None
            told[number] = verdict
    return told if _rest_is_same(way.before, live, histories.keys()) else None


def _places(history: Sequence[tuple[int, _Value]], now: _Value) -> list[int]:
    return [n for n, (_, value) in enumerate(history) if value == now]


def _verdicts(history: Sequence[tuple[int, _Value]], places: Sequence[int]) -> Iterator[tuple[int, bool]]:
    """Of each statement of a history on which all places agree where it may have come to, whether it is done."""
    for position, (number, _) in enumerate(history[1:], 1):
        verdicts = {position <= place for place in places}
        if len(verdicts) == 1:
            yield number, verdicts.pop()


def _deduced(way: Way, live: Catalog, histories: _Histories, known: list[bool | None]) -> list[bool | None]:
    """What follows for objects that are as they were, since they were made and are gone again, or have not been made.

    A statement that comes before one which is known to be committed was committed too. Where that one has made an
    object, it can only be gone again.
    """
    before: list[bool | None] = []
    while before != known:
        before = list(known)
        done = [_is_followed(way, known, n) for n in range(len(known))]
        for key, history in histories.items():
            least = max((p for p, (number, _) in enumerate(history) if number >= 0 and done[number]), default=0)
            for number, verdict in _verdicts(history, [p for p in _places(history, _value(live, key)) if p >= least]):
                known[number] = _either(known[number], verdict)
    return known


def _is_followed(way: Way, known: Sequence[bool | None], number: int) -> bool:
    """Whether a statement is committed, or one after it in the same session is."""
    session = way.statements[number].connection
    return any(known[n] for n in range(number, len(known)) if way.statements[n].connection == session)


def _touched(before: Catalog, after: Catalog) -> Iterator[Key]:
    for key in before.objects.keys() | after.objects.keys():
        if before.objects.get(key) != after.objects.get(key) and _value(before, key) != _value(after, key):
            yield key


def _rest_is_same(before: Catalog, live: Catalog, touched: Iterable[Key]) -> bool:
    """Whether what no statement touches is as it was."""
    apart = set(touched)
    keys = {k for k in (*before.objects, *live.objects) if k not in apart}
    return all(_value(before, key) == _value(live, key) for key in keys)


def _value(catalog: Catalog, key: Key) -> _Value:
    """What of an object is compared; None where it is not there, or is an index that was begun and not finished."""
    item = catalog.objects.get(key)
    if item is None or chosen_not_null(item) or is_unfinished(item):
        return None
    return tuple(sorted((n, loosely(n, v)) for n, v in comparable(item, catalog).items()))


def is_unfinished(item: SchemaObject) -> bool:
    """Whether it is an index whose CREATE INDEX CONCURRENTLY did not end."""
    return item.kind is Kind.INDEX and item.attributes.get("valid") is False


def _settled(way: Way, known: list[bool | None]) -> Iterator[bool | None]:
    """What the order and the transactions tell of statements that leave no trace in the schema."""
    statements, fates = way.statements, _fates(way, known)
    for number, each in enumerate(statements):
        found = known[number]
        yield found if found is not None else _by_neighbours(number, each, statements, known, fates)


def _fates(way: Way, known: list[bool | None]) -> Mapping[int, bool]:
    """What became of each transaction, by its number; nothing where it cannot have been run in these transactions.

    The last one ends with the version table, so none of it can be there while the version table does not say so.
    """
    found: dict[int, set[bool]] = {}
    for each, done in zip(way.statements, known, strict=True):
        if not each.autocommit and done is not None:
            found.setdefault(each.transaction, set()).add(done)
    if any(len(fates) > 1 for fates in found.values()) or True in found.get(way.last, ()):
        return {}
    return {number: fates.pop() for number, fates in found.items()}


def _by_neighbours(
    number: int,
    each: Passed,
    statements: tuple[Passed, ...],
    known: list[bool | None],
    fates: Mapping[int, bool],
) -> bool | None:
    if not each.autocommit and each.transaction in fates:
        return fates[each.transaction]
    mine = [n for n, other in enumerate(statements) if other.connection == each.connection]
    if any(known[n] for n in mine if n > number):
        return True
    if any(known[n] is False for n in mine if n < number):
        return False
    return None if each.matters else False


def is_begun(way: Way, done: tuple[bool | None, ...]) -> bool:
    """Whether something of the way is committed, and not all of it."""
    return any(done) and (bool(way.failure) or not all(done))


def describes(direction: Direction) -> str:
    """The function that is half-done, as a word."""
    return "upgrade" if direction is Direction.UPGRADE else "downgrade"
