"""Where a walk stands: its project, its target, what is known of both, and all that must hold after every step."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, invariant
from tests.conftest import TargetServer

from db_migrate.errors import DbMigrateError
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.request import Request
from db_migrate.results import Plan
from db_migrate.workspace import Workspace

from . import journal, oracle, refusals
from .checks import Seen, Step, check
from .oracle import differences
from .rows import Rows
from .spec import Models
from .world import World, ancestors, reduced

T = TypeVar("T")


class Author:
    """Answers what generate asks: nothing was renamed, and each row gets a value that no other has."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def renamed(self, what: str, old: str, new: str) -> bool | None:
        """No."""
        del what, old, new
        return False

    def fill(self, column: str, *, new: bool) -> Fill | None:
        """Something of the row's key."""
        del new
        *_, table, name = column.split(".")
        is_text = self._models.tables[table].columns[name].type == "text"
        return Fill(How.BACKFILL, "'filled ' || id" if is_text else "-id")


@dataclass(frozen=True)
class KeptPlan:
    """A plan, and what it was made for."""

    plan: Plan
    recorded: frozenset[str]
    live: oracle.Listing


class Standing(RuleBasedStateMachine):
    """One project and its target."""

    server: ClassVar[TargetServer]
    cache: ClassVar[Path]
    steps: ClassVar[int] = 0
    failure: ClassVar[Exception | None] = None
    """What has ended a walk. Hypothesis wants to see it again, and may then say only that it came otherwise."""

    def __init__(self) -> None:
        super().__init__()
        if type(self).failure is not None:
            raise type(self).failure
        folder = Path(tempfile.mkdtemp(prefix="walk-", dir=self.cache))
        self.world = World(folder / "project", self.server, self.server.new_database(), self.cache / "cache")
        self.world.lay_out()
        self.rows = Rows(self.world.session)
        self.models = Models()
        self.specs: dict[str, Models] = {}
        self.truth: frozenset[str] = frozenset()
        self.crashed = False
        self.left = False
        """Whether the crash has left something: what is otherwise after it may also have been done by hand since."""
        self.stamped = False
        self.around = False
        """Whether a stamp has passed what would have put back what is kept, or a column was dropped by hand that the
        table made again may ask for: that stays kept until somebody asks."""
        self.passed = ""
        """The run after which somebody went on with plain Alembic, of which the journal knows nothing."""
        self.plan: KeptPlan | None = None
        self.seen: tuple[str, str, bool] | None = None
        """What was there when all was last found to hold."""
        self.look()

    def teardown(self) -> None:
        """Leave nothing behind, and remember what ended the walk, if it did not just end."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, HypothesisException):
            type(self).failure = error
            if isinstance(error, DbMigrateError):
                error.add_note(f"{error.code}: {error.why} {error.where} {error.state}")
        self.world.close()

    # What is known of the world

    def look(self) -> None:
        """Read anew where everything is."""
        self.graph = self.world.graph()
        below = {each for parents in self.graph.values() for each in parents}
        self.heads = frozenset(self.graph.keys() - below)
        self.recorded = oracle.recorded(self.world.session)
        self.live = oracle.listing(self.world.session)
        if not self.stamped:
            self.truth = self.recorded
        self.history = self.world.reference(self.recorded, self.graph)
        self.own = self.world.reference(self.truth, self.graph)
        self.makers = self.world.makers(self.truth, self.graph)

    def believe(self) -> None:
        """Look after a new word on where the target stands: where its schema stays, so do its rows, whoever made it."""
        live, makers = self.live, self.makers
        self.look()
        if self.live == live:
            self.rows.hand_over(makers, self.makers)

    @property
    def edited(self) -> bool:
        """Whether somebody has changed the schema by hand, or a crash has left something."""
        return bool(differences(self.own, self.live))

    @property
    def broken(self) -> bool:
        """Whether a crash has left something."""
        return self.left and self.edited

    @property
    def clean(self) -> bool:
        """Whether all is as the revisions say, and a command has no reason to refuse."""
        return not self.edited and not self.stamped

    @invariant()
    def all_holds(self) -> None:
        """No row is lost, the journal agrees with the database, and doctor, drift and verify say exactly what is so.

        After a step that left everything as it was, which a refused one has to, that has been seen already.
        """
        type(self).steps += 1
        now = (oracle.fingerprint(self.world.session), self.world.files(), self.crashed)
        if now == self.seen:
            return
        self.seen = now
        self.look()
        seen = Seen(
            self.recorded,
            self.heads,
            self.live,
            self.history,
            tuple(self.step_of(each) for each in self.graph),
            self.world.reference(self.heads, self.graph),
            self.world.of_models(self.models),
            oracle.kept(self.world.session),
            crashed=self.crashed,
        )
        wrong = [
            *self.rows.lost(self.live, self.makers, around=self.around),
            *journal.wrong(self.world.session, self.recorded, crashed=self.crashed, passed=self.passed),
            *self.world.do(lambda workspace: check(workspace, seen)),
        ]
        assert not wrong, "\n".join(wrong)

    def step_of(self, revision: str) -> Step:
        """What a revision does."""
        parents = reduced(self.graph[revision], self.graph)
        before = self.world.reference(parents, self.graph)
        after = self.world.reference(frozenset({revision}), self.graph)
        return Step(revision, before, after, revision in ancestors(self.recorded, self.graph))

    # Commands

    def attempt(self, command: Callable[[Workspace], T]) -> T | DbMigrateError:
        """The result; or why it was refused, and then nothing is changed, but that a run that was killed is noted."""
        before = oracle.fingerprint(self.world.session, journal=not self.crashed)
        try:
            return self.world.do(command)
        except DbMigrateError as error:
            refusal = error
        now = oracle.fingerprint(self.world.session, journal=not self.crashed)
        assert now == before, f"refused, and yet changed: {refusals.said(refusal)}"
        return refusal

    def unchanged(self, command: Callable[[Workspace], T]) -> T:
        """The result of a command that only looks."""
        before = oracle.fingerprint(self.world.session)
        result = self.world.do(command)
        assert oracle.fingerprint(self.world.session) == before, "looking has changed something"
        return result

    def generate(self, request: Request, models: Models) -> tuple[str, ...]:
        """The new revisions; none where the models are the history already."""
        self.world.write(models)
        before = oracle.fingerprint(self.world.session)
        result = self.world.do(lambda workspace: workspace.generate(request, Author(models)))
        assert oracle.fingerprint(self.world.session) == before, "generate has changed the target"
        assert not result.revisions or result.exit_code == 0, f"not proved: {result.remaining} {result.proof}"
        assert bool(result.revisions) == result.written
        return tuple(each.revision for each in result.revisions)
