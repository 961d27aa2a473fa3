"""The way back from the heads: the first revision below them whose downgrade fails or does not undo its upgrade."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import Value
from db_migrate.errors import ConnectionLost, DbMigrateError
from db_migrate.project import events
from db_migrate.project.child_process import Link
from db_migrate.repair.position import all_states
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View
from db_migrate.repair.words import differences_in, summary_of
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity
from db_migrate.schemas.history import Histories, replay, template_of
from db_migrate.schemas.scratch import read
from db_migrate.schemas.states import State


class WayBack(msgspec.Struct, frozen=True):
    """Where it ends: at ``revision``, whose downgrade was refused (``error``, ``where``), or leaves ``differences``.

    No revision: it leads to base.
    """

    revision: str = ""
    error: str = ""
    where: str = ""
    differences: tuple[Change, ...] = ()


@diagnosis("downgrade.broken", Severity.NOTE, Need.HISTORY)
def broken(view: View) -> Iterator[Case]:
    """A downgrade below the heads is of no use. It harms nobody before it is wanted, so this is a note."""
    found = view.once(way_back)
    if not found.revision:
        return
    revision = view.graph.revisions[found.revision]
    what = f"fails: {found.error}" if found.error else f"leaves {summary_of(found.differences)}"
    cure = Cure(
        "db-migrate rollback --derive",
        "goes back by downgrades that are derived from the catalogs and proved; or mend the downgrade in the file",
    )
    evidence: dict[str, Value] = {"file": str(revision.file), "raised": found.error, "where": found.where}
    message = f"the way back ends at {found.revision}, the first from the heads whose downgrade is of no use: it {what}"
    yield Case(found.revision, message, cure, {**evidence, **differences_in(found.differences)})


def way_back(view: View) -> WayBack:
    """How far the downgrades lead from the heads; what is known of the same files is not run again."""
    heads = tuple(sorted(view.graph.effective_heads))
    key, cache = Histories(view.scratch, view.graph).key(heads), view.scratch.cache
    content = cache.get(f"{key}.way-back") if key is not None and cache is not None else None
    if content is not None:
        return msgspec.msgpack.decode(content, type=WayBack)
    try:
        found = _walk(view, heads)
    except ConnectionLost:
        raise
    except DbMigrateError:
        return WayBack()  # the history itself does not run, which is another diagnosis
    key = Histories(view.scratch, view.graph).key(heads)
    if cache is not None and key is not None:
        cache.put(f"{key}.way-back", msgspec.msgpack.encode(found))
    return found


def _walk(view: View, heads: tuple[str, ...]) -> WayBack:
    states = {each.heads: each for each in view.once(all_states).states}
    steps = view.scratch.child.steps("downgrade", "base", heads)
    reached = [states.get(tuple(sorted(each.to_heads))) for each in steps]
    begun = template_of(view.scratch, replay(view.scratch, view.graph, heads))
    with view.scratch.database("the way back", template=begun) as database:
        walker = _Walker(lambda expected: view.differences(expected.catalog, view.plain(read(database))), reached)
        outcome = view.scratch.migrate("downgrade", "base", database, walker)
    if outcome.failure is None:
        return walker.found
    failure = outcome.failure
    where = f"{failure.file}:{failure.line}" if failure.file else ""
    return WayBack(walker.running, failure.message.strip().partition("\n")[0], where)


class _Walker:
    """Holds the schema after each downgrade against the history there, and goes no further than the first difference.

    ``reached`` are the states that Alembic's steps should reach, in order; None where the history never was there.
    """

    def __init__(self, compare: Callable[[State], tuple[Change, ...]], reached: Sequence[State | None]) -> None:
        self._compare = compare
        self._reached = iter(reached)
        self.running = ""
        self.found = WayBack()

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event of the child."""
        match event:
            case events.StepBegin(revision=revision):
                self.running = revision
            case events.StepEnd():
                expected = next(self._reached, None)
                left = self._compare(expected) if expected is not None else ()
                if left:
                    self.found = WayBack(self.running, differences=left)
                    link.stop()
            case _:
                pass
