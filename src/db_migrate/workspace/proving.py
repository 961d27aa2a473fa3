"""Proves what a verb is about to do, or to show: for one target, or for each of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self

from db_migrate.errors import DbMigrateError
from db_migrate.results import Plan
from db_migrate.schemas.target import LiveState, Target
from db_migrate.trace.effects import Direction
from db_migrate.workspace.comparing import Comparing

if TYPE_CHECKING:
    from db_migrate.catalog.objects import Catalog
    from db_migrate.plan.ahead import Ahead
    from db_migrate.plan.make import Proved


class Proving(Comparing):
    """Makes plans."""

    def _proved_before(
        self, named: str, allow: Sequence[str], *, values: bool = True, derive: bool = False
    ) -> tuple[Self, Proved]:
        """The way back to where the database was before a run, of the database or schema that the run was about."""
        from db_migrate.execute.before_run import the_run, word_for

        found = [(part, run) for part in self._parts for run in part._journal_runs(named)]
        run = the_run([each for _, each in found], named)
        part = next(part for part, each in found if each is run)
        current = part.live_state.current
        steps = partial(part.scratch.child.steps, Direction.DOWNGRADE.value, current=current)
        word = word_for(run, current, part.graph, steps)
        return part, part._proved(word, allow, Direction.DOWNGRADE, values=values, derive=derive)

    def _remember(self, proved: Proved) -> None:
        """Keep what a plan begins with, to say what was changed if that is not so any more when it is executed."""
        from db_migrate.catalog.store import dumps

        if self.scratch.cache is not None and proved.plan.revisions:
            self.scratch.cache.put(_began(proved.plan), dumps(proved.before))

    def _began_with(self, plan: Plan) -> Catalog | None:
        """What a plan began with: as it was kept here, else as the history says; None where neither is to be had."""
        from db_migrate.catalog.store import loads

        content = self.scratch.cache.get(_began(plan)) if self.scratch.cache is not None else None
        try:
            if content is not None:
                return loads(content)
            history, live = self._history(plan.current), self._read_live()
        except (DbMigrateError, ValueError):
            return None
        ours = (each for each in live if not self._hidden.isdisjoint((each.name, each.parent)))
        return live.where((*history, *ours))

    def _planned(self, proved: Sequence[tuple[Self, Proved]]) -> Plan:
        """The one plan, or those of several in one."""
        from db_migrate.plan.several import joined_plan

        plans = [each.plan for _, each in proved]
        return plans[0] if len(plans) == 1 else joined_plan(plans)

    def _proved_each(
        self, revision: str, allow: Sequence[str], direction: Direction, *, values: bool = True, derive: bool = False
    ) -> list[tuple[Self, Proved]]:
        """The way of each database and schema, proved where those before it will have been gone."""
        proved: list[tuple[Self, Proved]] = []
        for part in self._parts:
            before = [other for other in proved if _is_near(other[0].target, part.target) and _moves(other[1].plan)]
            ahead = tuple(_ahead(other.target, other.live_state, done.plan) for other, done in before)
            proved.append((part, part._proved(revision, allow, direction, values=values, derive=derive, ahead=ahead)))
        return proved

    def _proved(
        self,
        revision: str,
        allow: Sequence[str],
        direction: Direction,
        *,
        values: bool = True,
        derive: bool = False,
        ahead: tuple[Ahead, ...] = (),
    ) -> Proved:
        from db_migrate.plan.make import Request, make_plan
        from db_migrate.plan.running import mapped_in, relationships_in

        facts = self._facts_for_plan
        relationships, mapped = relationships_in(facts), mapped_in(facts)
        request = Request(revision, direction, self._intents(allow), relationships, mapped, values, ahead=ahead)
        make = partial(make_plan, self.scratch, self.graph, self.target, self.settings)
        if direction is Direction.UPGRADE:
            return make(request)
        from db_migrate.generate.way_back import Wish, find_way_back

        return find_way_back(
            lambda derived: make(replace(request, derived=derived, history=self._history)),
            self._history,
            Wish(revision, derive, self._hidden),
        )


def _began(plan: Plan) -> str:
    return f"{plan.fingerprint.from_}.began"


def _is_near(one: Target, other: Target) -> bool:
    """Whether two targets are schemas of the same database."""
    here, there = one.conninfo, other.conninfo
    return (here.host, here.port, here.dbname) == (there.host, there.port, there.dbname)


def _moves(plan: Plan) -> bool:
    return bool(plan.revisions) and all(each.error is None for each in plan.revisions)


def _ahead(target: Target, live: LiveState, plan: Plan) -> Ahead:
    from db_migrate.plan.ahead import Ahead

    name, schema, path = target.table or ("", None, "")
    derived = {each.revision: each.derived for each in plan.revisions if each.derived}
    return Ahead((name, schema or "", path), live.heads[0], derived)
