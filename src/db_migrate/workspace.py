"""One project and one target, and everything that can be done with them: what the command line calls.

Nothing is started before it is needed, and what was started is stopped when the context of :func:`open_project` ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.sql import with_sql
from db_migrate.config import Settings
from db_migrate.config.writing import NEW_FILE, acknowledge
from db_migrate.errors import ConfigurationError, DbMigrateError, Failed, Refused, UsageError
from db_migrate.execute.progress import Unwatched, Watcher
from db_migrate.plan.make import Proved, Request, make_plan
from db_migrate.plan.running import facts_of_models, mapped_in, relationships_in
from db_migrate.postgres.server import scratch_server
from db_migrate.postgres.session import connect, read_only
from db_migrate.project.config import ProjectConfig, load_config
from db_migrate.project.graph import Graph, load_graph
from db_migrate.project.jobs import ModelFacts
from db_migrate.results import (
    Comparison,
    Doctor,
    Drift,
    DriftCounts,
    Generate,
    History,
    HistoryRevision,
    Lint,
    PendingRevision,
    Plan,
    Problem,
    ReportData,
    RunResult,
    RunSummary,
    Schema,
    SchemaEntry,
    Stamp,
    Status,
    TestRun,
    Verify,
    VerifyOutcome,
)
from db_migrate.rules.intents import Intent
from db_migrate.schemas.acknowledge import about_nothing, acknowledging, sort_out, unmatched
from db_migrate.schemas.compare import Side, compare, not_compared, parse_side, within
from db_migrate.schemas.history import replay, with_privileges, without_owners
from db_migrate.schemas.live import carried_over
from db_migrate.schemas.models import Models, materialise
from db_migrate.schemas.scratch import Scratch, like_the_target, open_scratch, read_through
from db_migrate.schemas.target import LiveState, Target, find_target, look_at, without_version_tables
from db_migrate.trace.effects import Direction

if TYPE_CHECKING:
    from db_migrate.execute.kept import KeptThere
    from db_migrate.generate.ground import Ground
    from db_migrate.generate.request import Questioner
    from db_migrate.generate.request import Request as NewRevisionRequest
    from db_migrate.repair.view import View

T = TypeVar("T")


@contextmanager
def open_project(settings: Settings) -> Iterator[Workspace]:
    """The workspace for these settings. Raises ``ConfigurationError`` when there is no Alembic project."""
    with ExitStack() as stack:
        yield Workspace(settings, stack)


class Workspace:
    """See the module. Made by :func:`open_project`."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self.settings = settings
        self._stack = stack
        self.watcher: Watcher = Unwatched()
        """Who is told of runs while they go on."""
        self._cached = True
        self._privileges = False

    @cached_property
    def project(self) -> ProjectConfig:
        """The Alembic project."""
        settings = self.settings
        return load_config(ini=settings.config, name=settings.name, x=settings.x, around=settings.around)

    @cached_property
    def graph(self) -> Graph:
        """The revisions, read from the files' syntax trees."""
        return load_graph(self.project)

    @cached_property
    def _first_scratch(self) -> Scratch:
        cache = self._cache if self._cached else None
        return self._stack.enter_context(open_scratch(self.project, cache, self.settings.scratch_major))

    @cached_property
    def scratch(self) -> Scratch:
        """Where schemas are made real: a server of the target's own major version where there is one."""
        version = self.live_state.server_version
        return self._stack.enter_context(like_the_target(self._first_scratch, version, self.settings.scratch_major))

    @property
    def notices(self) -> tuple[str, ...]:
        """What the project's code did that had to be done again, and why: nothing wrong, but slow."""
        return tuple(self._first_scratch.notices)

    @cached_property
    def target(self) -> Target:
        """The live database."""
        return self._stack.enter_context(find_target(self.settings, self._first_scratch))

    @cached_property
    def live_state(self) -> LiveState:
        """What the target says of itself."""
        with read_only(self.target.conninfo) as connection:
            return look_at(connection, self.target)

    @property
    def _cache(self) -> Path:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return self.settings.cache_dir or home / "db-migrate"

    def status(self) -> Status:
        """Where the database stands: revisions, pending ones, unknown ones, and how much drift there is."""
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
        for from_, to in (("history", "models"), (self._live_history(), "live")):
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
        from db_migrate.repair.states import replay_all

        states = replay_all(self.scratch, self.graph).states
        catalogs = (self._history(()), *(each.catalog for each in states))
        steps = zip(states, pairwise(catalogs), strict=True)
        return {state.revision: with_sql(diff(before, after), before, after) for state, (before, after) in steps}

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

    def _journal_runs(self) -> tuple[RunSummary, ...]:
        from db_migrate.execute.journal import Journal

        with closing(connect(self.target.conninfo)) as connection:
            return Journal(connection).runs()

    def schema(self, side: str = "live") -> Schema:
        """All objects of one side: models, live, history or history@REV."""
        found = self._side(side)
        hidden = self._hidden
        entries = tuple(
            SchemaEntry.of(o, found.catalog) for o in found.catalog if o.parent is None and o.name not in hidden
        )
        warnings = not_compared([found.catalog])
        return Schema(target=self.live_state.summary, side=found.name, objects=entries, warnings=warnings)

    def drift(
        self,
        *,
        from_: str | None = None,
        to: str | None = None,
        privileges: bool = False,
        cache: bool = True,
    ) -> Drift:
        """The sides compared: the two that are named, or history→models, history→live and models→live.

        ``privileges`` adds grants and default privileges; without ``cache`` every side is made anew.
        """
        if cache != self._cached:
            self._cached = cache
            self._forget("_first_scratch", "scratch", "target", "live_state", "_live_catalog", "_models", "_histories")
        self._privileges = privileges
        if (from_ is None) != (to is None):
            raise UsageError(
                "drift.side", "--from and --to go together", next=["db-migrate drift --from history --to live"]
            )
        pairs = [(from_, to)] if from_ and to else self._all_pairs()
        comparisons = tuple(self._compare(a, b) for a, b in pairs)
        without = (
            [] if from_ or len(pairs) > 1 else ["env.py gives Alembic no target_metadata, so no models are compared"]
        )
        warnings = [
            *without,
            *not_compared(self._side(name).catalog for name in sorted({name for pair in pairs for name in pair})),
        ]
        if self.live_state.unreadable and not from_:
            unread = ", ".join(self.live_state.unreadable)
            warnings.append(f"{unread} may not be read, so live is held against the history at its heads")
        if not from_:
            warnings += about_nothing(unmatched(comparisons, self.settings.drift.acknowledge))
        return Drift(target=self.live_state.summary, comparisons=comparisons, warnings=tuple(warnings))

    def accept(self, drift: Drift, reason: str) -> Drift:
        """Write down in the settings file that what is drift is intended, and why; the drift without that.

        Raises ``ConfigurationError`` (``settings.unwritable``).
        """
        new = acknowledging(drift.comparisons, reason, strict=self.settings.strict)
        if new:
            acknowledge(self.settings.file or self.settings.root / NEW_FILE, new)
        return replace(drift, comparisons=tuple(sort_out(each, new) for each in drift.comparisons))

    def _all_pairs(self) -> list[tuple[str, str]]:
        """The pairs that are compared when none is named; those with models only where the project has any."""
        history = (self._live_history(), "live")
        self._side("history")  # the ground that the models are made on
        return [("history", "models"), history, ("models", "live")] if self._has_models else [history]

    @property
    def _has_models(self) -> bool:
        try:
            return bool(self._models)
        except ConfigurationError as error:
            if error.code != "models.missing":
                raise
            return False

    def _compare(self, from_: str, to: str, *, sql: bool = True) -> Comparison:
        acknowledged = self.settings.drift.acknowledge
        before, after = (within(self._side(name), self.settings.exclude_schemas) for name in (from_, to))
        return compare(before, after, self._hidden, acknowledged, sql=sql)

    def _live_history(self) -> str:
        """The history that the live schema should be: that of the revisions it is at, as far as these may be read."""
        if self.live_state.unreadable:
            return "history"
        current = self.live_state.current
        if current == self.graph.heads:
            return "history"
        return "history@" + (",".join(current) if current else "base")

    def _side(self, name: str) -> Side:
        kind, revision = parse_side(name)
        if kind == "live":
            return Side(name, self._live_catalog)
        if kind == "models":
            return Side(name, self._models.catalog, self._models)
        wanted = (
            ()
            if revision == "base"
            else tuple(r for part in (revision or "heads").split(",") for r in self.graph.resolve(part))
        )
        return Side(name, self._history(wanted))

    def _history(self, revisions: tuple[str, ...]) -> Catalog:
        known = self._histories
        if revisions not in known:
            replayed = replay(self.scratch, self.graph, revisions, cached=self._cached)
            known[revisions] = with_privileges(self.scratch, replayed) if self._privileges else replayed.catalog
        return known[revisions]

    @cached_property
    def _histories(self) -> dict[tuple[str, ...], Catalog]:
        return {}

    @cached_property
    def _live_catalog(self) -> Catalog:
        """The live schema as the scratch server prints it."""
        if self.live_state.server_version // 10000 != self.scratch.major:
            catalog = carried_over(
                self.scratch,
                self.target,
                self.live_state,
                privileges=self._privileges,
                exclude_schemas=self.settings.exclude_schemas,
            )
            return without_owners(catalog) if self._privileges else catalog
        with read_only(self.target.conninfo) as connection:
            catalog = read_through(
                connection, privileges=self._privileges, exclude_schemas=self.settings.exclude_schemas
            )
        return without_owners(catalog) if self._privileges else catalog

    @cached_property
    def _models(self) -> Models:
        heads = self.graph.heads
        ground = self._histories.get(heads) or self._live_catalog
        return materialise(self.scratch, ground, (self._live_catalog,))

    @property
    def _hidden(self) -> frozenset[str]:
        """The relations of no side: version tables, and what the role may not read."""
        versions = without_version_tables(table for table, _ in self.live_state.heads)
        return versions | {each.name for each in self._live_catalog.not_covered if each.kind == "table"}

    def plan(
        self, revision: str = "heads", *, allow: Sequence[str] = (), down: bool = False, values: bool = True
    ) -> Plan:
        """What would happen on the target on the way to a revision; without ``values`` no row's keys are in it."""
        return self._proved(revision, allow, Direction.DOWNGRADE if down else Direction.UPGRADE, values=values).plan

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
        from db_migrate.plan.asked import asked, stretch_of
        from db_migrate.plan.lint import LintRequest, ground_of, lint_files, lint_history

        what = asked(words, since, Path.cwd())
        request = LintRequest(
            self.settings,
            self._intents(allow),
            lambda: relationships_in(facts_of_models(self._first_scratch)),
            baseline,
            cached=cache,
        )
        if what.files and not self._has_project:
            server = self._stack.enter_context(scratch_server(self.settings.scratch_major))
            return lint_files(server, what.files, (), None, request)
        scratch = self._first_scratch
        if what.files:
            return lint_files(scratch.server, what.files, *ground_of(scratch, self.graph), request)
        stretch = stretch_of(what, self.graph, self.project.version_locations)
        wanted = not stretch.whole if downgrades is None else downgrades
        lint = lint_history(scratch, self.graph, stretch, replace(request, downgrades=wanted))
        strays = (f"{each} is no revision of this project and was not linted" for each in what.strays(self.graph))
        return replace(lint, warnings=(*strays, *lint.warnings))

    @property
    def _has_project(self) -> bool:
        """Whether there is an Alembic project; one that was named has to be there."""
        try:
            return self.project is not None
        except ConfigurationError as error:
            if error.code != "project.not-found" or self.settings.config is not None:
                raise
            return False

    def apply(
        self,
        what: str | Plan = "heads",
        *,
        allow: Sequence[str] = (),
        confirm: str | None = None,
        backup: Path | None = None,
    ) -> RunResult:
        """Execute a proved plan, or prove the way to a revision and execute that; then verify.

        Into the folder ``backup`` the tables that it touches are dumped first. Raises ``Refused`` before anything is
        changed; what goes wrong later is in the result's ``error``.
        """
        if isinstance(what, Plan):
            return self._execute(what, None, "apply", confirm, backup)
        proved = self._proved(what, allow, Direction.UPGRADE)
        self.watcher.planned(proved.plan)
        return self._execute(proved.plan, proved, "apply", confirm, backup)

    def rollback(self, to: str = "-1", *, allow: Sequence[str] = (), confirm: str | None = None) -> RunResult:
        """Prove the way back and go it; then verify. Raises as ``apply`` does."""
        proved = self._proved(to, allow, Direction.DOWNGRADE)
        self.watcher.planned(proved.plan)
        return self._execute(proved.plan, proved, "rollback", confirm)

    def _execute(
        self, plan: Plan, proved: Proved | None, verb: str, confirm: str | None, backup: Path | None = None
    ) -> RunResult:
        from db_migrate.execute.run import Order, execute_plan

        order = Order(
            plan=plan,
            project=self.project,
            target=self.target,
            settings=self.settings,
            read_live=self._read_live,
            verb=verb,
            confirm=confirm,
            expected=proved.before if proved else None,
            observer=self.watcher.happened,
            backup=backup,
        )
        result = execute_plan(order)
        self._forget_live()
        if result.error is not None:
            return result
        return replace(result, verify=VerifyOutcome(*self._check(plan, proved)))

    def verify(self) -> Verify:
        """Whether the target is what its revisions say, with nothing left invalid or unvalidated."""
        _ok, problems = self._check(None, None)
        return Verify(target=self.live_state.summary, problems=problems)

    def _check(self, plan: Plan | None, proved: Proved | None) -> tuple[bool, tuple[Problem, ...]]:
        """What verify finds: against the plan after a run, else against the history at the live revisions."""
        from db_migrate.execute.verify import verify

        expected = proved.trace.after if proved and proved.plan.revisions else None
        unknown: tuple[Problem, ...] = ()
        if expected is None and set(self.live_state.current) <= set(self.graph.revisions):
            try:
                expected = self._history(self.live_state.current)
            except (
                DbMigrateError
            ) as error:  # the target is what it is, whether or not anybody can say what it should be
                message = f"what the schema should be cannot be said: {error.message}"
                unknown = (Problem(error.code, error.where, message, next(iter(error.next), "db-migrate doctor")),)
        outcome = verify(
            self.target,
            self._live_catalog,
            expected=expected,
            hidden=self._hidden,
            planned=plan.destination if plan else None,
            files={name: each.file for name, each in self.graph.revisions.items()},
        )
        return outcome.ok and not unknown, (*outcome.problems, *unknown)

    def _read_live(self) -> Catalog:
        with read_only(self.target.conninfo) as connection:
            return read_through(connection)

    def _forget_live(self) -> None:
        """What was read from the target before a run is no longer so."""
        self._forget("live_state", "_live_catalog")

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)

    def generate(self, request: NewRevisionRequest, questioner: Questioner | None = None) -> Generate:
        """A new revision that leads from the history to the models, proved in both directions.

        The target need not be there; where it is, the proof runs on its major version. Raises ``UsageError`` where
        something has to be answered first and the questioner does not.
        """
        from db_migrate.generate.verb import generate

        warnings: list[str] = []
        result = generate(self._ground(warnings), request, questioner)
        return replace(result, warnings=(*warnings, *result.warnings))

    def fix(self, revision: str, *, dry_run: bool = False, keep: bool = False) -> Generate:
        """The revision's unsafe steps rewritten into the safe form, proved to do the same.

        Raises ``Refused`` (``fix.applied``) where a target that can be reached has it already.
        """
        from db_migrate.generate.fix import fix
        from db_migrate.generate.seen import refuse_applied

        warnings: list[str] = []
        (name,) = self.graph.resolve(revision) or ("",)
        ground = self._ground(warnings, self.graph.parents(name))
        refuse_applied(self.settings, self.graph, self._first_scratch, name, warnings)
        result = fix(ground, name, dry_run=dry_run, keep=keep)
        return replace(result, warnings=(*dict.fromkeys(warnings), *result.warnings))

    def _ground(self, warnings: list[str], revisions: tuple[str, ...] | None = None) -> Ground:
        from db_migrate.generate.ground import Ground

        try:
            scratch = self.scratch
        except Failed as error:
            warnings.append(f"proved without the target: {error.message}")
            scratch = self._first_scratch
        return Ground(scratch, self.graph, self.settings, cached=self._cached, revisions=revisions)

    @property
    def kept(self) -> KeptThere:
        """What is kept of what migrations dropped, to be listed, put back or purged."""
        from db_migrate.execute.kept import KeptThere

        return KeptThere(self.target, self.settings, self.live_state.summary)

    def stamp(self, revision: str, *, force: bool = False, confirm: str | None = None) -> Stamp:
        """Set the version table, if the schema is that revision's.

        Raises ``Refused`` (``stamp.differs``) with the differences when it is not, unless ``force`` is given together
        with the database's name.
        """
        from db_migrate.execute.stamp import stamp_revisions

        wanted = self.graph.resolve(revision, self.live_state.current)
        comparison = self._compare("history@" + (",".join(wanted) or "base"), "live")
        differences = drifted(comparison.changes)
        name = self.live_state.summary.database
        if differences and not (force and confirm == name):
            raise Refused(
                "stamp.differs",
                f"the schema of {name} is not that of {revision}: {len(differences)} differences",
                why="; ".join(f"{c.kind} {c.object} {c.action}" for c in differences[:5]),
                state="nothing was changed",
                next=[
                    f"db-migrate drift --from history@{revision} --to live",
                    f"db-migrate stamp {revision} --force --confirm {name}",
                ],
            )
        before = self.live_state.current
        purge = bool(set(before) - set(self.graph.revisions))
        stamp_revisions(self.project, self.target, self.settings, wanted, purge=purge, observer=self.watcher.happened)
        self._forget_live()
        return Stamp(
            target=self.live_state.summary, from_=before, to=self.live_state.current, differences=comparison.changes
        )

    def doctor(self) -> Doctor:
        """Every diagnosis that applies, each with its cure. Changes nothing.

        What keeps it from looking (a server that cannot be reached, an env.py that raises) is a diagnosis too.
        """
        from db_migrate.repair.doctor import examine

        view = self._view()
        opinion = examine(view)
        summary = self.__dict__["live_state"].summary if "live_state" in self.__dict__ else None
        return Doctor(target=summary, warnings=opinion.warnings, diagnoses=opinion.diagnoses)

    def repair(self, *, back: bool = False, data: str | None = None, confirm: str | None = None) -> RunResult:
        """End what doctor has found, as far as it can be ended from here; then verify.

        A half-done revision is finished, or undone with ``back``; ``data`` (``ran`` or ``rerun``) says what to make of
        data statements of which nothing tells whether they have run. Raises ``Refused`` before anything is changed;
        what goes wrong later is in the result's ``error``.
        """
        from db_migrate.repair.mend import Data, Mending, Wish

        def look() -> View:
            self._forget_live()
            self.__dict__.pop("graph", None)
            return self._view()

        result = Mending(look, self._read_live, Wish(back, Data(data) if data else None, confirm)).mend()
        self._forget_live()
        if result.error is not None:
            return result
        return replace(result, verify=VerifyOutcome(*self._check(None, None)))

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
                history=self._history,
            )
        )

    def test(self, args: Sequence[str] = (), *, all: bool = False) -> TestRun:
        """Run the tests of the tables that the pending revisions, or else the last one, change."""
        from db_migrate.testing.run import run_tests
        from db_migrate.testing.select import select, tables_of

        facts = self._model_facts
        before, after = self._before_and_after()
        tables = tables_of(diff(before, after), after)
        chosen = select(self.settings.root, tables, facts.mapped, all=all)
        return run_tests(chosen, self.settings.test_command, args, root=self.settings.root)

    def _before_and_after(self) -> tuple[Catalog, Catalog]:
        """The history around the pending revisions; around the last one where none is pending."""
        current = tuple(r for r in self.live_state.current if r in self.graph.revisions)
        heads = self.graph.heads
        if set(current) != set(heads):
            return self._history(current), self._history(heads)
        parents = tuple(sorted({p for head in heads for p in self.graph.parents(head)}))
        return self._history(parents), self._history(heads)

    def _proved(self, revision: str, allow: Sequence[str], direction: Direction, *, values: bool = True) -> Proved:
        facts = self._model_facts
        relationships, mapped = relationships_in(facts), mapped_in(facts)
        request = Request(revision, direction, self._intents(allow), relationships, mapped, values)
        return make_plan(self.scratch, self.graph, self.target, self.settings, request)

    def _intents(self, allow: Sequence[str]) -> tuple[Intent, ...]:
        given = (Intent(name, "given on the command line", "flag") for name in allow)
        written = (Intent(name, reason, "settings") for name, reason in self.settings.allow.items())
        return (*given, *written)

    @cached_property
    def _model_facts(self) -> ModelFacts:
        """What the mappers say; nothing where env.py configures no models."""
        return facts_of_models(self.scratch)
