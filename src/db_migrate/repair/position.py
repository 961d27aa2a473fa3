"""Where the target really is: its schema held against that of every revision, the nearest first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, islice

from db_migrate.catalog.change import Change
from db_migrate.catalog.comparing import comparable
from db_migrate.catalog.objects import TABLE_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.errors import ConnectionLost, DbMigrateError
from db_migrate.execute.verify import flaws
from db_migrate.repair.begun import begun_with, lost_and_begun
from db_migrate.repair.finding import Found, read_text
from db_migrate.repair.older import Older, Was, as_it_was
from db_migrate.repair.partial import Partial
from db_migrate.repair.search import find_partial
from db_migrate.repair.view import View, heads_of
from db_migrate.results import Problem
from db_migrate.schemas.states import State, States, replay_all

_COMPARED = 3
"""Of the states that look nearest, so many are compared in full to say what is nearest."""

_MOST_ASIDE = 16
"""So many states on other branches are replayed, of those that are more than one step from what is recorded."""

_STATES = frozenset({"valid", "validated", "enforced"})


class Place(Enum):
    """How the schema stands to what the version table says."""

    RIGHT = auto()
    """It is that revision's."""
    ELSEWHERE = auto()
    """It is exactly that of other revisions."""
    BETWEEN = auto()
    """A revision is half-done; ``Position.partial`` says how far."""
    NEAR = auto()
    """It is that of no revision; ``Position.nearest`` differs least."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the target is. ``matches`` are the states that its schema is exactly, oldest first.

    ``nearest`` is the state that it differs least from, and ``differences`` how: what the target has more, less or
    otherwise. Where the version table names revisions that have files, their state is the nearest. ``older``: the
    target was made by these texts of files that were edited since. ``lost`` is the file of the next revision, which is
    half-done and has none any more. ``begun``: with either, this revision is seen to be half-done.
    """

    place: Place
    matches: tuple[State, ...] = ()
    nearest: State | None = None
    differences: tuple[Change, ...] = ()
    partial: Partial | None = None
    older: tuple[Older, ...] = ()
    begun: str = ""
    lost: Found | None = None


def raw_flaws(view: View) -> tuple[Problem, ...]:
    """What PostgreSQL lets stand though it does not do its work, whoever wants it so."""
    with view.session() as connection:
        return tuple(flaws(connection, None))


def unlike(view: View, reference: Catalog) -> tuple[Change, ...]:
    """How the target differs from a catalog, but for what is only invalid, not validated or disabled: that is debris.

    An invalid index that the catalog does not have is debris, too.
    """
    flawed = {each.object for each in view.once(raw_flaws)}
    if not flawed:
        return view.differences(reference, view.live)
    tidied = (_tidied(each, reference) if each.name in flawed else each for each in view.live)
    return view.differences(reference, view.live.where(each for each in tidied if each is not None))


def _tidied(item: SchemaObject, reference: Catalog) -> SchemaObject | None:
    twin = reference.get(*item.key)
    if twin is None:
        return None if item.kind is Kind.INDEX and item.attributes.get("valid") is False else item
    return twin if _without_state(item) == _without_state(twin) else item


def _without_state(item: SchemaObject) -> dict[str, Value]:
    found = {name: value for name, value in item.attributes.items() if name not in _STATES}
    if item.kind is Kind.TRIGGER and isinstance(text := found.get("definition"), str):
        found["definition"] = text.split("\nALTER TABLE ")[0].rstrip(";")
    return found


def all_states(view: View) -> States:
    """Every state of the history, the empty one first."""
    found = replay_all(view.scratch, view.graph)
    states = (State(each.heads, each.revision, view.plain(each.catalog)) for each in found.states)
    return States((State((), "", view.history(())), *states), found.broken)


def locate(view: View) -> Position:
    """Compare the schema with what the version table says, and only where that differs with all else."""
    claimed = State(view.heads, "", view.history(view.heads)) if view.known else None
    differences = unlike(view, claimed.catalog) if claimed else ()
    if claimed is not None and not differences:
        partial = find_partial(view, only_recorded=True)
        place = Place.BETWEEN if partial else Place.RIGHT
        return Position(place, (claimed,), claimed, partial=partial)
    states = view.once(all_states).states
    matches = tuple(_exactly(view, states)) or tuple(_exactly(view, _aside(view, states)))
    if claimed is not None and (claimed.heads or not matches):
        partial = find_partial(view, matches=tuple(each.heads for each in matches))
        # What is recorded as done looks half-done as well where its file has got more to do since.
        if partial is not None and (partial.recorded or partial.way.start == claimed.heads):
            return Position(Place.BETWEEN, matches, claimed, differences, partial)
        was = (
            Was()
            if matches
            else as_it_was(
                view, lambda catalog: unlike(view, catalog), differences, lambda texts: begun_with(view, texts)
            )
        )
        if partial is not None and not was.texts:
            return Position(Place.BETWEEN, matches, claimed, differences, partial)
        if was.texts:
            return Position(Place.NEAR, (), claimed, differences, older=was.texts, begun=was.begun)
    if matches:
        return Position(Place.ELSEWHERE, matches, matches[-1])
    if claimed is not None and claimed.heads:
        lost = None if view.instead else lost_and_begun(view)
        (begun,) = {each.revision for each in (read_text(lost.content),) if each} if lost else ("",)
        return Position(Place.NEAR, (), claimed, differences, begun=begun, lost=lost)
    nearest, differences = _nearest(view, states)
    return Position(Place.NEAR, (), nearest, differences)


def _aside(view: View, states: Iterable[State]) -> Iterator[State]:
    """States on another branch than that which a replay of the whole history goes along first.

    Where recorded revisions have files: what may have run next, what of several may not have run at all, and what may
    have run since. Then revisions that are not recorded as done, with nothing but what they stand on.
    """
    known = {each.heads for each in states}
    since = (*_next(view), *_fewer(view)) if view.known else ()
    for revision, heads in chain(since, _first(_since(view), known), _first(_alone(view), known)):
        if heads in known:
            continue
        known.add(heads)
        try:
            catalog = view.history(heads)
        except ConnectionLost:
            raise
        except DbMigrateError:
            continue  # it does not run, so it has not
        yield State(heads, revision, catalog)


_Step = tuple[str, tuple[str, ...]]
"""A revision, and the heads that there are when it has run."""


def _first(steps: Iterable[_Step], known: Collection[tuple[str, ...]]) -> Iterator[_Step]:
    """So many of those that are not known as are replayed."""
    return islice((each for each in steps if each[1] not in known), _MOST_ASIDE)


def _waiting(view: View) -> list[str]:
    """The revisions that have not run as far as is recorded, parents first."""
    done = view.graph.ancestors(*view.heads) if view.known else frozenset()
    return [each for each in view.graph.ordered() if each not in done]


def _next(view: View) -> Iterator[_Step]:
    """The revisions that can run next."""
    done = view.graph.ancestors(*view.heads)
    return (_with(view, each) for each in _waiting(view) if view.heads and set(view.graph.parents(each)) <= done)


def _since(view: View) -> Iterator[_Step]:
    """Those that have not run, each with all that it stands on, beside what is recorded; the nearest first."""
    return (_with(view, each) for each in _waiting(view) if view.known and view.heads)


def _alone(view: View) -> Iterator[_Step]:
    """Those that have not run, each with all that it stands on and nothing else; the latest first."""
    return ((each, (each,)) for each in reversed(_waiting(view)))


def _with(view: View, revision: str) -> _Step:
    return revision, tuple(sorted(heads_of(view.graph, (*view.heads, revision))))


def _fewer(view: View) -> Iterator[_Step]:
    """Of several recorded revisions each, with the heads that there are without it, and without its whole branch."""
    if len(view.heads) < 2:
        return
    for revision in view.heads:
        others = tuple(each for each in view.heads if each != revision)
        yield revision, tuple(sorted(heads_of(view.graph, (*others, *view.graph.parents(revision)))))
        yield revision, tuple(sorted(others))


def is_foreign(view: View) -> bool:
    """Whether target and history have no table in common, though both have some."""
    tables = {each.name for each in view.live if each.kind in TABLE_KINDS}
    if not tables or view.once(locate).place is not Place.NEAR:
        return False
    states = view.once(all_states).states
    ours = {each.name for state in states for each in state.catalog if each.kind in TABLE_KINDS}
    return bool(ours) and not tables & ours


def _exactly(view: View, states: Iterable[State]) -> Iterator[State]:
    """The states that the schema is; those that it is but for debris only where there is none."""
    fingerprint = view.live.fingerprint
    same = [each for each in states if each.catalog.fingerprint == fingerprint]
    if same:
        yield from same
        return
    size = len(view.live)
    near = [each for each in states if abs(len(each.catalog) - size) <= _slack(view)]
    yield from (each for each in near if not unlike(view, each.catalog))


def _slack(view: View) -> int:
    """By how many objects a state may differ and yet be the same: by what is acknowledged, and what is equivalent."""
    return (50 if view.settings.drift.acknowledge else 2) + len(view.once(raw_flaws))


def _nearest(view: View, states: Iterable[State]) -> tuple[State, tuple[Change, ...]]:
    live = _digest(view.live)
    ranked = sorted(states, key=lambda each: len(live ^ _digest(each.catalog)))[:_COMPARED]
    compared = [(each, unlike(view, each.catalog)) for each in ranked]
    return min(compared, key=lambda pair: len(pair[1]))


def _digest(catalog: Catalog) -> frozenset[object]:
    return frozenset((each.key, tuple(sorted(comparable(each, catalog).items()))) for each in catalog)
