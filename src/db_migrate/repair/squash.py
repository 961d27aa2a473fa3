"""Revisions that were squashed into one while the target stands in the middle of them.

Their files are in git, or lie aside. What is left of them is run as it was written, from copies that only this sees;
then the version table says the revision that does what they did: of both histories the schema is compared.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import ConnectionLost, DbMigrateError, Refused
from db_migrate.execute.consent import FAILS_ON_ROWS
from db_migrate.execute.run import Order, execute_plan
from db_migrate.plan.make import Proved, Request, make_plan
from db_migrate.project.graph import reachable
from db_migrate.repair.finding import Found
from db_migrate.repair.lineage import Sibling, beside
from db_migrate.repair.others import lost_files, of_others
from db_migrate.repair.position import Place, all_states, locate
from db_migrate.repair.view import View
from db_migrate.repair.words import summary_of
from db_migrate.results import RunResult
from db_migrate.rules.intents import Intent
from db_migrate.schemas.states import State
from db_migrate.trace.effects import Direction


@dataclass(frozen=True, slots=True)
class Squash:
    """What became of a revision that the target is at. ``rest`` comes after it and has still to run, as it was.

    ``files`` are the former ones, by their names; ``into`` is whose schema that at the end of ``rest`` exactly is.
    ``drift``: what the target has otherwise than the former history; ``half_done``: the revision that it is within.
    """

    revision: str
    found: Found
    files: Mapping[str, bytes]
    rest: tuple[str, ...]
    into: tuple[str, ...]
    drift: tuple[Change, ...]
    half_done: str

    @property
    def end(self) -> str:
        """The last of the former revisions that have to have run."""
        return self.rest[-1] if self.rest else self.revision


def squashed(view: View) -> Squash | None:
    """What the recorded revision was squashed into, where more has to be done than to say so; else None."""
    files = view.once(lost_files)
    if len(view.current) != 1 or view.once(of_others):
        return None
    (revision,) = view.current
    found = files.get(revision)
    if found is None:
        return None
    siblings = _former(revision, beside(view.project.script_location, found))
    texts = {each.name: each.content for each in siblings.values()}
    view.once(all_states)  # as long as the child process sees the history as it is
    try:
        with former_view(view, texts) as former:
            squash = _looked_at(view, former, found, texts)
    except ConnectionLost:
        raise
    except DbMigrateError:
        return None  # it does not run any more: of the file by itself something can be said still
    return squash if squash and (squash.rest or squash.drift or squash.half_done) else None


def _former(revision: str, siblings: Mapping[str, Sibling]) -> Mapping[str, Sibling]:
    """Of the former files those of a revision, of what it came after, and of what came after it."""

    def parents(name: str) -> tuple[str, ...]:
        read = siblings[name].read
        return tuple(each for each in (*read.down_revision, *read.depends_on) if each in siblings)

    after = {name for name in siblings if revision in reachable([name], parents)}
    wanted = reachable(after, parents)
    return {name: each for name, each in siblings.items() if name in wanted}


@contextmanager
def former_view(view: View, texts: Mapping[str, bytes]) -> Iterator[View]:
    """The target seen with the former history; within the context the child process sees no other."""
    with TemporaryDirectory(prefix="db-migrate-former-") as folder:
        for name, content in texts.items():
            Path(folder, name).write_bytes(content)
        with view.scratch.child.seeing(Path(folder), instead=True):
            yield view.with_revisions(Path(folder))


def _looked_at(view: View, former: View, found: Found, texts: Mapping[str, bytes]) -> Squash | None:
    (revision,) = view.current
    position = former.once(locate)
    if position.place is Place.ELSEWHERE:
        return None
    end, into = _end(view, former, revision)
    if into is None:
        return None
    return Squash(
        revision,
        found,
        texts,
        former.graph.between((revision,), (end,)),
        into.heads,
        position.differences if position.place is Place.NEAR else (),
        position.partial.way.revision if position.partial else "",
    )


def _end(view: View, former: View, revision: str) -> tuple[str, State | None]:
    """The first former revision from this one on whose schema the history as it is has, and where it has that.

    What came next and left the schema as it was belongs to it, where it has no file either: it changed rows.
    """
    end, into = revision, None
    for state in former.once(all_states).states:
        if len(state.heads) != 1 or revision not in former.graph.ancestors(*state.heads):
            continue
        if into is None:
            end, into = state.revision, _the_same(view, former, state)
            continue
        there_still = state.revision in view.graph.revisions and state.heads != into.heads
        if there_still or view.differences(into.catalog, state.catalog):
            break
        end = state.revision
    return end, into


def _the_same(view: View, former: View, state: State) -> State | None:
    """The state of the history as it is now that a former one exactly is, that of its own id or of a new one first."""
    states = view.once(all_states).states
    same = [each for each in states if each.heads and not view.differences(each.catalog, state.catalog)]
    own = (each for each in same if each.heads == state.heads)
    new = (each for each in same if each.revision not in former.graph.revisions)
    return next(own, next(new, next(iter(same), None)))


def run_the_rest(former: View, squash: Squash, read_live: Callable[[], Catalog], confirm: str | None) -> RunResult:
    """Run what is left of the former history, proved on a copy of the target.

    Raises ``Refused``: ``repair.not-proved``, ``consent.missing`` and what executing a plan raises.
    """
    proved = _proved(former, squash, confirm)
    _check_end(former, squash, former.plain(proved.trace.after))
    order = Order(
        plan=proved.plan,
        project=former.project,
        target=former.target,
        settings=former.settings,
        read_live=read_live,
        verb="repair",
        confirm=confirm,
        read_expected=lambda: proved.before,
        instead=former.instead,
    )
    return execute_plan(order)


def _proved(former: View, squash: Squash, confirm: str | None) -> Proved:
    """The plan; what its findings stop is agreed to with the database's name: nobody can write it into the files."""

    def made(allow: Sequence[Intent] = ()) -> Proved:
        request = Request(squash.end, Direction.UPGRADE, tuple(allow))
        return make_plan(former.scratch, former.graph, former.target, former.settings, request)

    written = [Intent(name, reason, "settings") for name, reason in former.settings.allow.items()]
    proved = made(written)
    stopping = [each for each in proved.plan.findings if each.stops and each.rule != FAILS_ON_ROWS]
    if not stopping:
        return proved
    if confirm != former.database:
        raise Refused(
            "consent.missing",
            f"this needs the name of the database: --confirm {former.database}",
            why="; ".join(f"{each.name}: {each.message}" for each in stopping),
            where=squash.found.place,
            state="nothing was changed",
            next=[f"db-migrate repair --confirm {shlex.quote(former.database)}"],
        )
    names = dict.fromkeys(each.name for each in stopping)
    return made([*written, *(Intent(each, "the database's name was given", "flag") for each in names)])


def _check_end(former: View, squash: Squash, after: Catalog) -> None:
    """Raise where the rest would lead to another schema than that of its end, but for what is other here already."""
    differences = former.differences(former.history((squash.end,)), after)
    before = {(each.kind, each.object, each.action) for each in squash.drift}
    new = [each for each in differences if (each.kind, each.object, each.action) not in before]
    if new:
        raise Refused(
            "repair.not-proved",
            f"{', '.join(squash.rest)}, run on a copy of the target, lead to another schema than they did",
            why=summary_of(new),
            where=squash.found.place,
            state="nothing was changed",
            next=["db-migrate doctor"],
        )
