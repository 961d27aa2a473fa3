"""The schema that the history has after each of its revisions: one replay in one child, each catalog kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import DbMigrateError
from db_migrate.project import events
from db_migrate.project.child_process import Link, Step
from db_migrate.project.graph import Graph
from db_migrate.schemas.history import Histories, upgrade
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import Scratch, read


@dataclass(frozen=True, slots=True)
class State:
    """The schema with the revisions ``heads``, none of them for an empty database; ``revision`` ran last."""

    heads: tuple[str, ...]
    revision: str
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Broken:
    """The revision at which the replay ended, and the words of whoever refused."""

    revision: str
    message: str
    where: str


@dataclass(frozen=True, slots=True)
class States:
    """The states that the history goes through, oldest first, and where it broke off, if it did."""

    states: tuple[State, ...]
    broken: Broken | None = None


def replay_all(scratch: Scratch, graph: Graph) -> States:
    """Every state of the history. What an earlier call, or a replay, has found for the same files is not run again."""
    try:
        steps = scratch.child.steps("upgrade", "heads", ())
    except DbMigrateError as error:
        return States((), Broken("", error.why or error.message, error.where))
    known = Histories(scratch, graph)
    cached = [known.catalog(_heads(step)) for step in steps]
    if all(each is not None for each in cached):
        return States(tuple(_state(s, c) for s, c in zip(steps, cached, strict=True) if c is not None))
    with scratch.database("the history, revision by revision") as database:
        walker = _Walker(lambda: read(database))
        outcome = upgrade(scratch, database, "heads", walker)
    states = tuple(_state(step, catalog) for step, catalog in zip(steps, walker.catalogs, strict=False))
    known.keep({state.heads: state.catalog for state in states})
    failure = outcome.failure
    if failure is None:
        return States(states)
    where = f"{failure.file}:{failure.line}" if failure.file else ""
    return States(states, Broken(walker.running, failure.message, where))


def known_catalog(scratch: Scratch, graph: Graph, revisions: tuple[str, ...]) -> Catalog | None:
    """The catalog that some replay has found at these revisions, while nothing that it depends on has changed."""
    return Histories(scratch, graph).catalog(tuple(sorted(revisions)))


def _heads(step: Step) -> tuple[str, ...]:
    return tuple(sorted(step.to_heads))


def _state(step: Step, catalog: Catalog) -> State:
    return State(_heads(step), step.revision, catalog)


class _Walker(Witness):
    """Reads the catalog after each revision; ``running`` is the one that was running last."""

    def __init__(self, look: Callable[[], Catalog]) -> None:
        super().__init__()
        self._look = look
        self.catalogs: list[Catalog] = []
        self.running = ""

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event of the child."""
        super().event(event, link)
        match event:
            case events.StepBegin(revision=revision):
                self.running = revision
            case events.StepEnd():
                self.catalogs.append(self._look())
            case _:
                pass
