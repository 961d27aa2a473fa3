"""The verbs that look and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.errors import ConfigurationError, DbMigrateError
from db_migrate.postgres.server import scratch_server
from db_migrate.results import (
    Doctor,
    DriftCounts,
    History,
    HistoryRevision,
    Lint,
    PendingRevision,
    Plan,
    Problem,
    ReportData,
    Schema,
    SchemaEntry,
    Status,
    Verify,
)
from db_migrate.schemas.compare import in_schema, not_compared, without
from db_migrate.schemas.target import without_version_tables
from db_migrate.trace.effects import Direction
from db_migrate.workspace.joining import joined_doctor, joined_status, joined_verify
from db_migrate.workspace.proving import Proving

if TYPE_CHECKING:
    from db_migrate.plan.asked import Asked
    from db_migrate.plan.lint import LintRequest
    from db_migrate.plan.make import Proved
    from db_migrate.repair.view import View
    from db_migrate.trace.script import ScriptFile

T = TypeVar("T")


class Looking(Proving):
    """The verbs that look: at the target in read-only transactions, at everything else on scratch."""

    def status(self) -> Status:
        """Where the database stands: revisions, pending ones, unknown ones, and how much drift there is.

        Where env.py migrates several databases or schemas, the status of each is in ``targets``.
        """
        return joined_status([part._status() for part in self._parts])

    def _status(self) -> Status:
        state = self.live_state
        known = [r for r in state.current if r in self.graph.revisions]
        unknown = tuple(r for r in state.current if r not in self.graph.revisions)
        heads = self.graph.heads
        pending = [r for r in self.graph.between(known, heads) if r not in known]
        warnings: list[str] = []
        return Status(
            target=state.summary,
            current=state.current,
            heads=heads,
            pending=tuple(self._pending(r) for r in pending),
            unknown=unknown,
            drift=self._drift_counts(warnings),
            last_run=next(iter(self._journal_runs()), None),
            warnings=tuple(warnings),
        )

    def _pending(self, revision: str) -> PendingRevision:
        file = self.graph.revisions[revision]
        return PendingRevision(revision, file.message, str(file.file))

    def _drift_counts(self, warnings: list[str]) -> DriftCounts:
        counts: list[int | None] = []
        pairs = [("history", "models"), (self._live_history(), "live")]
        if self.target.schema:
            warnings.append("models are not compared where env.py migrates several schemas with them")
            counts.append(pairs.pop(0) and None)
        self._history_on_the_way()
        for from_, to in pairs:
            try:
                counts.append(len(drifted(self._compare(from_, to, sql=False).changes)))
            except DbMigrateError as error:
                warnings.append(f"{from_} and {to} could not be compared: {error.message}")
                counts.append(None)
        return DriftCounts(*counts)

    def history(self, *, runs: bool = False, changes: bool = False) -> History:
        """The revisions in the order in which they run, oldest first.

        ``runs`` adds the journal's latest runs, ``changes`` what each revision changed, found by replaying them.
        """
        heads = set(self.graph.heads)
        changed = self._changes_of_revisions() if changes else {}
        revisions = tuple(
            HistoryRevision(
                revision=name,
                down_revision=file.down_revision,
                branch_labels=file.branch_labels,
                depends_on=file.depends_on,
                message=file.message,
                file=str(file.file),
                is_head=name in heads,
                changes=changed.get(name),
            )
            for name in self.graph.ordered()
            for file in (self.graph.revisions[name],)
        )
        return History(
            target=self.live_state.summary if runs else None,
            revisions=revisions,
            runs=self._journal_runs() if runs else (),
        )

    def _changes_of_revisions(self) -> dict[str, tuple[Change, ...]]:
        """What each revision changed, as far as the history can be replayed."""
        from db_migrate.catalog.sql import with_sql
        from db_migrate.generate.dispose import in_words
        from db_migrate.schemas.states import replay_all

        states = replay_all(self.scratch, self.graph).states
        hidden = without_version_tables(table for table, _ in self.live_state.heads)
        catalogs = (without(each, hidden) for each in (self._history(()), *(each.catalog for each in states)))
        steps = zip(("base", *(each.revision for each in states)), pairwise(catalogs), states, strict=False)
        return {
            state.revision: tuple(
                in_words(each, state.revision, earlier) for each in with_sql(diff(before, after), before, after)
            )
            for earlier, (before, after), state in steps
        }

    def report(self) -> ReportData:
        """Everything that a report shows; what cannot be made is left out and named."""
        problems: list[str] = []

        def part(what: str, make: Callable[[], T]) -> T | None:
            try:
                return make()
            except DbMigrateError as error:
                problems.append(f"{what}: {error.message}")
                return None

        status = self.status()
        problems += status.warnings
        history = part("the changes of each revision", lambda: self.history(runs=True, changes=True))
        return ReportData(
            target=status.target,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            status=status,
            history=history or self.history(runs=True),
            drift=part("drift", self.drift),
            plan=part("plan", self.plan) if status.pending else None,
            schema=part("the live schema", self.schema),
            problems=tuple(problems),
        )

    def schema(self, side: str = "live") -> Schema:
        """All objects of one side: models, live, history or history@REV."""
        found = self._side(side)
        hidden = self._hidden
        entries = tuple(
            SchemaEntry.of(o, found.catalog) for o in found.catalog if o.parent is None and o.name not in hidden
        )
        warnings = not_compared([found.catalog])
        return Schema(target=self.live_state.summary, side=found.name, objects=entries, warnings=warnings)

    def plan(
        self,
        revision: str = "heads",
        *,
        allow: Sequence[str] = (),
        down: bool = False,
        values: bool = True,
        derive: bool = False,
        run: str | None = None,
    ) -> Plan:
        """What would happen on the target on the way to a revision; without ``values`` no row's keys are in it.

        ``derive`` and ``run``: see ``rollback``. Where env.py migrates several databases or schemas, the plan of each
        is in ``targets``.
        """
        if run is not None:
            proved = [self._proved_before(run, allow, values=values, derive=derive)]
        else:
            direction = Direction.DOWNGRADE if down else Direction.UPGRADE
            proved = self._proved_each(revision, allow, direction, values=values, derive=derive)
        for part, each in proved:
            part._remember(each)
        return self._planned(proved)

    def lint(
        self,
        *words: str,
        since: str | None = None,
        downgrades: bool | None = None,
        allow: Sequence[str] = (),
        baseline: Path | None = None,
        cache: bool = True,
    ) -> Lint:
        """Judge revisions or files of SQL without any target: nothing but scratch is connected to.

        ``words`` are a range (``REV``, ``A:B``; none for the whole history), files of SQL, or files of revisions;
        ``since`` chooses the revisions added since a git ref. ``downgrades`` runs the way back too, by default for less
        than the whole history. The findings of ``baseline`` are allowed.
        """
        from db_migrate.plan.asked import asked
        from db_migrate.plan.lint import LintRequest, with_baseline
        from db_migrate.plan.running import facts_of_models, relationships_in

        what = asked(words, since, Path.cwd())
        request = LintRequest(
            self.settings,
            self._intents(allow),
            lambda: relationships_in(facts_of_models(self._untargeted)),
            cached=cache,
        )
        lint = self._lint_files(what.files, request) if what.files else self._lint_history(what, request, downgrades)
        return with_baseline(lint, baseline)

    def _lint_files(self, files: Sequence[ScriptFile], request: LintRequest) -> Lint:
        from db_migrate.plan.lint import ground_of, lint_files
        from db_migrate.schemas.finding import each_migrated, several_databases

        if not self._has_project:
            server = self._stack.enter_context(scratch_server(self.settings.scratch_major))
            return lint_files(server, files, (), None, request)
        databases = each_migrated(self.settings, self._untargeted)
        if len(databases) > 1:
            words = " ".join(each.name for each in files)
            raise several_databases(tuple(databases), ", and which of them a file is for is not said", f"lint {words}")
        (scratch,) = databases.values()
        return lint_files(scratch.server, files, *ground_of(scratch, self.graph), request)

    def _lint_history(self, what: Asked, request: LintRequest, downgrades: bool | None) -> Lint:
        from db_migrate.plan.asked import stretch_of
        from db_migrate.plan.lint import lint_history

        stretch = stretch_of(what, self.graph, self.project.version_locations)
        request = replace(request, downgrades=not stretch.whole if downgrades is None else downgrades)
        lint = lint_history(self._untargeted, self.graph, stretch, request)
        strays = (f"{each} is no revision of this project and was not linted" for each in what.strays(self.graph))
        return replace(lint, warnings=(*strays, *lint.warnings))

    def verify(self) -> Verify:
        """Whether the target is what its revisions say, with nothing left invalid or unvalidated.

        Where env.py migrates several databases or schemas, what was found in each is in ``targets``.
        """
        return joined_verify([part._verify() for part in self._parts])

    def _verify(self) -> Verify:
        _ok, problems = self._check(None, None)
        return Verify(target=self.live_state.summary, problems=problems)

    def _check(self, plan: Plan | None, proved: Proved | None) -> tuple[bool, tuple[Problem, ...]]:
        """What verify finds: against the plan after a run, else against the history at the live revisions."""
        from db_migrate.execute.verify import verify

        expected = proved.trace.after if proved and proved.plan.revisions else None
        if plan is not None and plan.fingerprint.to == self._live_catalog.fingerprint:
            expected = self._live_catalog
        live, schema = self._live_catalog, self.target.schema if expected is None else ""
        unknown: tuple[Problem, ...] = ()
        if expected is None and set(self.live_state.current) <= set(self.graph.revisions):
            try:
                expected = self._history(self.live_state.current)
            except (
                DbMigrateError
            ) as error:  # the target is what it is, whether or not anybody can say what it should be
                message = f"what the schema should be cannot be said: {error.message}"
                unknown = (Problem(error.code, error.where, message, next(iter(error.next), "db-migrate doctor")),)
        lost = sorted(set(self.live_state.current) - set(self.graph.revisions))
        unknown += tuple(
            Problem("revision.lost", each, f"the database is at {each}, which has no file", "db-migrate doctor")
            for each in lost
        )
        if schema:
            expected, live = expected and in_schema(expected, schema), in_schema(live, schema)
        outcome = verify(
            self.target,
            live,
            expected=expected,
            hidden=self._hidden,
            planned=plan.destination if plan else None,
            files={name: each.file for name, each in self.graph.revisions.items()},
        )
        return outcome.ok and not unknown, (*outcome.problems, *unknown)

    def doctor(self) -> Doctor:
        """Every diagnosis that applies, each with its cure. Changes nothing.

        What keeps it from looking (a server that cannot be reached, an env.py that raises) is a diagnosis too. Where
        env.py migrates several databases or schemas, each is looked at by itself. Raises ``ConfigurationError``
        (``project.not-found``) where nothing says that there is a project.
        """
        return joined_doctor([part._doctor() for part in self._each()])

    def _each(self) -> tuple[Self, ...]:
        """The parts; this itself where nobody can tell which there are, which is what is to be told then."""
        try:
            return self._parts
        except DbMigrateError:
            return (self,)

    def _doctor(self) -> Doctor:
        from db_migrate.repair.doctor import examine
        from db_migrate.repair.no_project import no_project

        try:
            view = self._view()
        except ConfigurationError as error:
            if error.code == "project.not-found":
                raise
            return Doctor(target=None, warnings=(), diagnoses=(no_project(error, self.settings.name),))
        opinion = examine(view)
        summary = self.__dict__["live_state"].summary if "live_state" in self.__dict__ else None
        return Doctor(target=summary, warnings=opinion.warnings, diagnoses=opinion.diagnoses)

    def _view(self) -> View:
        from db_migrate.repair.view import Sources, View

        return View(
            Sources(
                settings=self.settings,
                project=self.project,
                target=lambda: self.target,
                live_state=lambda: self.live_state,
                live=lambda: self._live_catalog,
                scratch=lambda: self.scratch,
                newest=lambda: self._first_scratch,
                history=self._history,
                beside=self._beside,
            )
        )
