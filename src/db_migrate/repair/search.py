"""Looks for the revision that is half-done: the next ones, those that led here, and the way back from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from db_migrate.execute.journal import AppliedScript, Journal, LooseStep
from db_migrate.postgres.redact import redact
from db_migrate.repair.partial import Partial, assess, is_begun
from db_migrate.repair.view import View
from db_migrate.repair.way import Leg, Way, follow, legs

_LONGEST_SQL = 20_000


def loose_steps(view: View) -> tuple[LooseStep, ...]:
    """What the journal knows of revisions that did not run to their end."""
    with view.session() as connection:
        return Journal(connection, view.target.schema).loose_steps()


def applied_scripts(view: View) -> tuple[AppliedScript, ...]:
    """The scripts of the journal."""
    with view.session() as connection:
        return Journal(connection, view.target.schema).applied()


def find_partial(view: View, *, only_recorded: bool = False, matches: Sequence[tuple[str, ...]] = ()) -> Partial | None:
    """The revision that is half-done, if there is one.

    ``only_recorded``: the schema is as the version table says, so only the journal can tell of one. ``matches`` are the
    heads of the states that the schema is exactly: a revision is then half-done only if nothing tells whether its data
    was written.
    """
    committed = {(s.revision, s.direction) for s in view.once(loose_steps) if s.state == "committed"}
    if only_recorded and not committed:
        return None
    # A schema in the middle of a downgrade may be in the middle of the upgrade too: the journal knows which it was.
    for leg in sorted(legs(view), key=lambda each: (each.revision, each.direction.value) not in committed):
        recorded = (leg.revision, leg.direction.value) in committed
        if only_recorded and not recorded:
            continue
        if matches and not (leg.end in matches and leg.start == view.heads):
            continue
        found = _half_done(view, leg, recorded=recorded)
        if found is not None:
            return found
    return None


def _half_done(view: View, leg: Leg, *, recorded: bool) -> Partial | None:
    way = follow(view, leg)
    if way is None:
        return None
    done = assess(way, view.live, _recorded(view, way) if recorded else None)
    if done is None or not is_begun(way, done):
        return None
    return Partial(way, done, recorded, view.current)


def _recorded(view: View, way: Way) -> Mapping[int, bool]:
    """What the journal knows of the statements of a way, by their place."""
    steps = [s for s in view.once(loose_steps) if (s.revision, s.direction) == (way.revision, way.direction.value)]
    committed = Counter(s.sql for s in steps if s.state == "committed")
    doubtful = {s.sql for s in steps if s.state == "started"}
    found: dict[int, bool] = {}
    for each in way.statements:
        text = redact(each.key)[:_LONGEST_SQL]
        if committed[text] > 0:
            committed[text] -= 1
            found[each.place] = True
        elif text not in doubtful:
            found[each.place] = False
    return found
