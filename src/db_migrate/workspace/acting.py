"""The verbs that act: on the target, on the project's files, on its tests."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import DbMigrateError, Failed, Interrupted, LockBudgetExceeded, Refused
from db_migrate.execute.progress import Named
from db_migrate.results import Generate, Plan, RunResult, Stamp, TestRun, VerifyOutcome
from db_migrate.results.typed import command_of
from db_migrate.trace.effects import Direction
from db_migrate.workspace.joining import joined_runs, not_begun, untouched, unverified
from db_migrate.workspace.looking import Looking
from db_migrate.workspace.ordering import Ordered, check_names, name_of, other_targets
from db_migrate.workspace.rehearsing import Rehearse, rehearsed

if TYPE_CHECKING:
    from db_migrate.execute.kept import KeptThere
    from db_migrate.generate.ground import Ground
    from db_migrate.generate.request import Questioner
    from db_migrate.generate.request import Request as NewRevisionRequest
    from db_migrate.plan.make import Proved
    from db_migrate.repair.view import View


class Workspace(Looking):
    """One project and one target, and everything that can be done with them. Made by :func:`open_project`."""

    def apply(
        self,
        what: str | Plan = "heads",
        *,
        allow: Sequence[str] = (),
        confirm: str | Sequence[str] | None = None,
        backup: Path | None = None,
        rehearse: Rehearse | None = None,
    ) -> RunResult:
        """Execute a proved plan, or prove the way to a revision and execute that; then verify.

        With ``rehearse`` it is executed on full copies only, and the targets are not changed.
        Into the folder ``backup`` the tables that it touches are dumped first. Where env.py migrates several databases
        or schemas, they are migrated one after the other, up to the first that fails; ``confirm`` may then be several
        names. Raises ``Refused`` before anything is changed; what goes wrong later is in the result's ``error``.
        """
        if isinstance(what, Plan):
            return self._execute_each(what, self._parts_of(what), "apply", confirm, backup, rehearse)
        proved = self._proved_each(what, allow, Direction.UPGRADE)
        return self._execute_proved(proved, "apply", confirm, backup, rehearse)

    def rollback(
        self,
        to: str = "-1",
        *,
        allow: Sequence[str] = (),
        confirm: str | Sequence[str] | None = None,
        derive: bool = False,
        run: str | None = None,
        rehearse: Rehearse | None = None,
    ) -> RunResult:
        """Prove the way back and go it; then verify. Raises as ``apply`` does.

        ``run``: back to where the database was before the run whose id begins so, instead of ``to``; ``Refused``
        (``rollback.run-unknown``, ``rollback.run-ambiguous``, ``rollback.run-not-below``) where there is no such way.

        ``derive``: by downgrades derived from the catalogs where the project's own are not usable; ``Refused``
        (``rollback.not-derivable``) where none is proved.
        """
        proved = (
            self._proved_each(to, allow, Direction.DOWNGRADE, derive=derive)
            if run is None
            else [self._proved_before(run, allow, derive=derive)]
        )
        return self._execute_proved(proved, "rollback", confirm, rehearse=rehearse)

    def _parts_of(self, plan: Plan) -> list[Ordered[Self]]:
        """Each plan of a plan with the workspace that it is about."""
        parts = {name_of(part.live_state.summary): part for part in self._parts} if plan.targets else {}
        wanted = {name_of(each.target): each for each in plan.targets}
        if not plan.targets and len(self._parts) == 1:
            return [Ordered(self._parts[0], plan, None)]
        if wanted.keys() != parts.keys():
            raise other_targets(wanted.keys(), parts.keys())
        return [Ordered(parts[name], each, None) for name, each in wanted.items()]

    def _execute_proved(
        self,
        proved: Sequence[tuple[Self, Proved]],
        verb: str,
        confirm: str | Sequence[str] | None,
        backup: Path | None = None,
        rehearse: Rehearse | None = None,
    ) -> RunResult:
        plan = self._planned(proved)
        self.watcher.planned(plan)
        ordered = [Ordered(part, each.plan, each) for part, each in proved]
        return self._execute_each(plan, ordered, verb, confirm, backup, rehearse)

    def _execute_each(
        self,
        plan: Plan,
        ordered: Sequence[Ordered[Self]],
        verb: str,
        confirm: str | Sequence[str] | None,
        backup: Path | None = None,
        rehearse: Rehearse | None = None,
    ) -> RunResult:
        """Execute them; what is raised before the first has begun knows where they are."""
        try:
            return self._execute_in_order(plan, ordered, verb, confirm, backup, rehearse)
        except (Refused, Failed, LockBudgetExceeded) as error:
            error.knowing(self._as_it_is(plan))
            raise

    def _as_it_is(self, plan: Plan | None) -> RunResult | None:
        """A run that was not begun; None where the target cannot be asked where it is."""
        try:
            for part in self._parts:
                part._forget_live()
            return untouched([part.live_state for part in self._parts], plan)
        except DbMigrateError:
            return None

    def _execute_in_order(
        self,
        plan: Plan,
        ordered: Sequence[Ordered[Self]],
        verb: str,
        confirm: str | Sequence[str] | None,
        backup: Path | None = None,
        rehearse: Rehearse | None = None,
    ) -> RunResult:
        """One after the other, up to the first that fails; none where one of them may not be executed."""
        from db_migrate.execute.preflight import check_document
        from db_migrate.plan.several import labels

        names = (confirm,) if isinstance(confirm, str) else tuple(confirm or ())
        if rehearse is not None:
            check_document(plan)
            return rehearsed(ordered, plan, verb, rehearse.on, self.watcher.happened)
        if len(ordered) == 1:
            (one,) = ordered
            return one.part._execute(one.plan, one.proved, verb, next(iter(names), None), backup)
        check_document(plan)
        check_names(ordered, command_of(plan, verb), names)
        for each in ordered:
            each.check(verb, names)
        results: list[RunResult] = []
        follows: dict[tuple[str, int, str], str] = {}
        for name, each in zip(labels([each.plan.target for each in ordered]), ordered, strict=True):
            each.part.watcher = Named(self.watcher, name)
            results.append(self._execute_next(each, verb, names, backup, results, follows))
            if results[-1].error is not None:
                break
        results += [not_begun(each.plan) for each in ordered[len(results) :]]
        return joined_runs(results, plan)

    def _execute_next(
        self,
        each: Ordered[Self],
        verb: str,
        names: Sequence[str],
        backup: Path | None,
        before: Sequence[RunResult],
        follows: dict[tuple[str, int, str], str],
    ) -> RunResult:
        """One of several. ``follows`` has the fingerprint that was left behind in each database."""
        part, place = each.part, each.place
        try:
            confirm = each.confirmed(names)
            done = part._execute(each.plan, each.proved, verb, confirm, backup, follows.get(place, ""))
        except DbMigrateError as error:
            if not any(other.run for other in before):
                raise
            return not_begun(each.plan, error)
        if done.run:
            follows[place] = part._read_live().fingerprint
        return done

    def _execute(
        self,
        plan: Plan,
        proved: Proved | None,
        verb: str,
        confirm: str | None,
        backup: Path | None = None,
        follows: str = "",
    ) -> RunResult:
        from db_migrate.execute.run import Order, execute_plan
        from db_migrate.repair.after import showing_rows

        order = Order(
            plan=plan,
            project=self.project,
            target=self.target,
            settings=self.settings,
            read_live=self._read_live,
            verb=verb,
            confirm=confirm,
            read_expected=lambda: proved.before if proved else self._began_with(plan),
            observer=self.watcher.happened,
            backup=backup,
            follows=follows,
        )
        result = execute_plan(order)
        self._forget_live()
        if result.error is not None:
            return replace(result, error=showing_rows(self._view(), result.error))
        return self._verified(result, plan, proved)

    def generate(self, request: NewRevisionRequest, questioner: Questioner | None = None) -> Generate:
        """A new revision that leads from the history to the models, proved in both directions.

        The target need not be there; where it is, the proof runs on its major version. Raises ``UsageError`` where
        something has to be answered first and the questioner does not, ``Interrupted`` on Ctrl-C.
        """
        from db_migrate.generate.verb import generate

        warnings: list[str] = []
        named = (*request.head, *request.depends_on) if request.sql is not None and request.head else None
        start = None if named is None else tuple(each for name in named for each in self.graph.resolve(name))
        try:
            ground = self._ground(warnings, start, request.command())
            result = generate(ground, request, questioner)
        except KeyboardInterrupt as error:
            raise Interrupted(
                "interrupted", "interrupted", state="nothing was written", next=[request.command()]
            ) from error
        return replace(result, warnings=(*warnings, *result.warnings))

    def fix(self, revision: str, *, dry_run: bool = False, keep: bool = False) -> Generate:
        """The revision's unsafe steps rewritten into the safe form, proved to do the same.

        Raises ``Refused`` (``fix.applied``) where a target that can be reached has it already.
        """
        from db_migrate.generate.fix import fix
        from db_migrate.generate.seen import refuse_applied

        warnings: list[str] = []
        (name,) = self.graph.resolve(revision) or ("",)
        ground = self._ground(warnings, self.graph.parents(name), shlex.join(["db-migrate", "fix", revision]))
        refuse_applied(self.settings, self.graph, self._first_scratch, name, warnings)
        result = fix(ground, name, dry_run=dry_run, keep=keep)
        return replace(result, warnings=(*dict.fromkeys(warnings), *result.warnings))

    def _ground(self, warnings: list[str], revisions: tuple[str, ...] | None, command: str) -> Ground:
        """What a revision is made on. Raises ``ConfigurationError`` (``target.several``) with the command for each."""
        from db_migrate.generate.ground import Ground
        from db_migrate.schemas.finding import each_schema_alone, several_databases

        try:
            if len(self._databases) > 1:
                names = tuple(each.conninfo.redacted() for each in self._databases)
                raise several_databases(names, "", command.removeprefix("db-migrate "))
            self._mean(self.target)  # what is meant is known, whether or not it can be reached
            scratch, *others = (part.scratch for part in self._parts[:2])
        except Failed as error:
            warnings.append(f"proved without the target: {error.message}")
            scratch, *others = each_schema_alone(self._first_scratch)[:2]
        beside = others[0] if others else None
        return Ground(scratch, self.graph, self.settings, cached=self._cached, revisions=revisions, beside=beside)

    @property
    def kept(self) -> KeptThere:
        """What is kept of what migrations dropped, to be listed, put back or purged."""
        from db_migrate.execute.kept import KeptThere

        return KeptThere(self.target, self.settings, self.live_state.summary)

    def stamp(self, *revisions: str, force: bool = False, confirm: str | None = None) -> Stamp:
        """Set the version table, if the schema is theirs; what other branches are at stays, as in Alembic.

        Raises ``Refused`` (``stamp.differs``) with the differences when it is not, unless ``force`` is given together
        with the database's name; ``version.shared`` where the row of another project would go, whatever is given.
        """
        from db_migrate.execute.stamp import stamp_revisions
        from db_migrate.repair.others import check_rows_stay
        from db_migrate.repair.words import plural, summary_of

        name, before = self.live_state.summary.database, self.live_state.current
        purge = bool(set(before) - set(self.graph.revisions))
        named, then = self._stamped(revisions, before, () if purge else before)
        comparison = self._compare("history@" + (",".join(then) or "base"), "live")
        differences = drifted(comparison.changes)
        if purge:
            check_rows_stay(self._view(), name if differences else confirm)
        if differences and not (force and confirm == name):
            heads = ",".join(then) or "base"
            it = " ".join(revisions) if set(then) == set(named) else heads
            raise Refused(
                "stamp.differs",
                f"the schema of {name} is not that of {it}: {plural(len(differences), 'difference')}",
                why=summary_of(differences),
                state="nothing was changed",
                next=[
                    f"db-migrate drift --from history@{heads} --to live",
                    f"db-migrate stamp {shlex.join(revisions)} --force --confirm {shlex.quote(name)}",
                ],
            ).knowing(Stamp(target=self.live_state.summary, from_=before, to=before, differences=comparison.changes))
        stamp_revisions(self.project, self.target, self.settings, named, purge=purge, observer=self.watcher.happened)
        self._forget_live()
        return Stamp(
            target=self.live_state.summary, from_=before, to=self.live_state.current, differences=comparison.changes
        )

    def _stamped(
        self, texts: Sequence[str], current: tuple[str, ...], then: tuple[str, ...]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is to be stamped, one after the other, and what the version table then has that had ``then``."""
        named: list[str] = []
        for text in texts:
            revisions = self.graph.resolve(text, current)
            label = text.removesuffix("@base") if text.endswith("@base") else ""
            named += revisions or ((text,) if label else ("base",))
            then = self.graph.stamped(then, revisions, label)
        return tuple(named), then

    def repair(
        self, *, back: bool = False, data: str | None = None, confirm: str | None = None, bridge: bool = False
    ) -> RunResult:
        """End what doctor has found, as far as it can be ended from here; then verify.

        A half-done revision is finished, or undone with ``back``; ``data`` says which of the data statements of which
        nothing tells have run: all (``ran``), none (``rerun``), or so many from the first on. With ``bridge`` a schema
        that is no revision's is taken into the history: a revision is written that leads to it from the nearest one.
        Of several databases or schemas each is mended by itself, up to the first that cannot be. Raises ``Refused``
        before anything is changed; what goes wrong later is in the result's ``error``.
        """
        parts = self._each()
        results: list[RunResult] = []
        for part in parts:
            results.append(part._repair(back=back, data=data, confirm=confirm, bridge=bridge))
            if results[-1].error is not None:
                break
        return results[0] if len(parts) == 1 else joined_runs(results, None)

    def _repair(self, *, back: bool, data: str | None, confirm: str | None, bridge: bool) -> RunResult:
        from db_migrate.repair.mend import Mending, Wish, data_answer

        def look() -> View:
            self._forget_live()
            for name in ("graph", "_histories"):  # a cure may have written files
                self.__dict__.pop(name, None)
            return self._view()

        wish = Wish(back, bridge, data_answer(data) if data else None, confirm)
        try:
            result = Mending(look, self._read_live, wish).mend()
        except (Refused, LockBudgetExceeded) as error:
            error.knowing(self._as_it_is(None))
            raise
        self._forget_live()
        if result.error is not None:
            return result
        return self._verified(result, None, None)

    def _verified(self, run: RunResult, plan: Plan | None, proved: Proved | None) -> RunResult:
        """The run with what is seen afterwards; it is done, whatever keeps us from looking."""
        try:
            return replace(run, verify=VerifyOutcome(*self._check(plan, proved)))
        except DbMigrateError as error:
            return unverified(run, error)

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
