"""The verbs that act: on the target, on the project's files, on its tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed, Interrupted, Refused
from db_migrate.results import Generate, Plan, RunResult, Stamp, TestRun, VerifyOutcome
from db_migrate.trace.effects import Direction
from db_migrate.workspace.looking import Looking

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

    def rollback(
        self, to: str = "-1", *, allow: Sequence[str] = (), confirm: str | None = None, derive: bool = False
    ) -> RunResult:
        """Prove the way back and go it; then verify. Raises as ``apply`` does.

        ``derive``: by downgrades derived from the catalogs where the project's own are not usable; ``Refused``
        (``rollback.not-derivable``) where none is proved.
        """
        proved = self._proved(to, allow, Direction.DOWNGRADE, derive=derive)
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
            result = generate(self._ground(warnings, start), request, questioner)
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

    def repair(
        self, *, back: bool = False, data: str | None = None, confirm: str | None = None, bridge: bool = False
    ) -> RunResult:
        """End what doctor has found, as far as it can be ended from here; then verify.

        A half-done revision is finished, or undone with ``back``; ``data`` says which of the data statements of which
        nothing tells have run: all (``ran``), none (``rerun``), or so many from the first on. With ``bridge`` a schema
        that is no revision's is taken into the history: a revision is written that leads to it from the nearest one.
        Raises ``Refused`` before anything is changed; what goes wrong later is in the result's ``error``.
        """
        from db_migrate.repair.mend import Mending, Wish, data_answer

        def look() -> View:
            self._forget_live()
            self.__dict__.pop("graph", None)
            return self._view()

        result = Mending(look, self._read_live, Wish(back, bridge, data_answer(data) if data else None, confirm)).mend()
        self._forget_live()
        if result.error is not None:
            return result
        return replace(result, verify=VerifyOutcome(*self._check(None, None)))

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
