"""Ends what doctor has found, one diagnosis after the other; after each, all is looked at anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Refused, UsageError
from db_migrate.execute.run import Order, execute_plan
from db_migrate.execute.stamp import stamp_revisions
from db_migrate.repair.after import showing_rows
from db_migrate.repair.bridge import write_bridge
from db_migrate.repair.doctor import examine
from db_migrate.repair.finish import Proof, plan_of, prove
from db_migrate.repair.folders import copied_aside, write_whole
from db_migrate.repair.graph_trouble import ignored_files
from db_migrate.repair.lost import find_missing, in_its_place, place_for
from db_migrate.repair.others import check_rows_stay
from db_migrate.repair.partial import Partial
from db_migrate.repair.pending import as_applied
from db_migrate.repair.position import Place, locate
from db_migrate.repair.rows import in_the_way, shows
from db_migrate.repair.squash import Squash, former_view, run_the_rest, squashed
from db_migrate.repair.statements import journalled
from db_migrate.repair.undo import undo
from db_migrate.repair.view import View
from db_migrate.results import Diagnosis, RunResult, StepResult
from db_migrate.rules.finding import Severity
from db_migrate.trace.effects import Direction
from db_migrate.trace.resuming import UNFORESEEN

RAN, RERUN = "ran", "rerun"
_EVERY = 1 << 30


def data_answer(text: str) -> int:
    """How many of the statements of which nothing tells have run, the first of them first: all, none, or a number.

    Raises ``UsageError`` (``repair.answer``).
    """
    if text in (RAN, RERUN):
        return _EVERY if text == RAN else 0
    if not text.isdecimal():
        raise UsageError(
            "repair.answer",
            f"{text!r} does not say what has run",
            why=f"it is {RAN} (all that is unclear has run), {RERUN} (none), or how many have, from the first on",
            state="nothing was changed",
            next=["db-migrate doctor"],
        )
    return int(text)


@dataclass(frozen=True, slots=True)
class Wish:
    """What repair is to do. ``confirm`` is the database's name.

    ``back`` undoes a half-done revision; ``bridge`` takes a schema that is no revision's into the history. ``ran``: of
    the data statements of which nothing tells whether they have run, so many have, see ``data_answer``.
    """

    back: bool = False
    bridge: bool = False
    ran: int | None = None
    confirm: str | None = None


@dataclass(slots=True)
class Mending:
    """Goes on until nothing is left that can be ended. ``look`` gives a fresh view, ``read_live`` the live catalog."""

    look: Callable[[], View]
    read_live: Callable[[], Catalog]
    wish: Wish

    def mend(self) -> RunResult:
        """End all that can be; the result is that of the last run, with the statements of all."""
        done: list[RunResult] = []
        tried: set[tuple[str, str]] = set()
        while True:
            view = self.look()
            cures = _CURES | (_BRIDGED if self.wish.bridge else {})
            opinion = examine(view, cures)
            next_one = next((d for d in opinion.diagnoses if d.code in cures and (d.code, d.object) not in tried), None)
            if next_one is None:
                if opinion.cut is not None:
                    raise opinion.cut
                return replace(_together(view, done), to=view.current)
            tried.add((next_one.code, next_one.object))
            result = cures[next_one.code](self, view, next_one)
            if result is None:
                continue
            done.append(result)
            if done[-1].error is not None:
                return _together(view, done)

    def half_done(self, view: View, diagnosis: Diagnosis) -> RunResult:
        """Finish or undo a revision."""
        partial = view.once(locate).partial
        assert partial is not None, diagnosis
        return self._undo(view, partial) if self.wish.back else self._finish(view, partial)

    def _finish(self, view: View, partial: Partial) -> RunResult:
        if partial.unclear and self.wish.ran is None:
            raise _asks(partial)
        proof = prove(view, partial, self.wish.ran)
        plan = plan_of(view, partial, proof, self.wish.ran)
        if not any(each.statements for each in proof.trace.revisions):
            return _stamped(view, partial.way.end)
        _check_rows(view, partial, proof)
        if view.heads != partial.way.start:
            _stamp(view, partial.way.start)
        result = execute_plan(
            Order(
                plan=plan,
                project=view.project,
                target=view.target,
                settings=view.settings,
                read_live=self.read_live,
                verb="repair",
                confirm=self.wish.confirm,
                read_expected=lambda: proof.live,
                resuming=partial.settled(self.wish.ran),
                instead=view.instead,
            )
        )
        error = result.error
        if error is None:
            return result
        if not error.why.startswith(UNFORESEEN):
            return replace(result, error=showing_rows(self.look(), error))
        return replace(result, error=replace(error, code="repair.data", next=_ANSWERS))

    def _undo(self, view: View, partial: Partial) -> RunResult:
        run, steps, kept = undo(view, partial, accept=bool(self.wish.ran), confirm=self.wish.confirm)
        if view.heads != partial.way.start:
            _stamp(view, partial.way.start)
        return replace(_result(view, run, partial.way.start, steps), kept=kept)

    def elsewhere(self, view: View, diagnosis: Diagnosis) -> RunResult:
        """Let the version table say what the schema is."""
        del diagnosis
        return _stamped(view, view.once(locate).matches[-1].heads)

    def one_row(self, view: View, diagnosis: Diagnosis) -> RunResult:
        """Let the version table have the heads alone."""
        del diagnosis
        _stamp(view, view.heads, purge=True)
        return _result(view, "", view.heads, ())

    def restore(self, view: View, diagnosis: Diagnosis) -> RunResult | None:
        """Write the file of a revision that has none; None where nobody has it."""
        found = find_missing(view, diagnosis.object)
        if found is None:
            if view.once(locate).place is Place.ELSEWHERE:
                return self.elsewhere(view, diagnosis)
            return self.across(view, diagnosis) if self.wish.bridge and diagnosis.code == "revision.lost" else None
        if diagnosis.code == "revision.lost" and (squash := view.once(squashed)):
            return self.through(view, squash)
        if diagnosis.code == "revision.lost" and (instead := in_its_place(view, found)):
            return _stamped(view, instead)
        file = place_for(view, found)
        write_whole(file, found.content)
        return _wrote(f"{file} was written as it is in {found.place}")

    def through(self, view: View, squash: Squash) -> RunResult:
        """Run what is left of revisions that were squashed, and let the version table say what they became."""
        with former_view(view, squash.files) as former:
            partial = former.once(locate).partial
            if partial is not None:
                return self._undo(former, partial) if self.wish.back else self._finish(former, partial)
            result = run_the_rest(former, squash, self.read_live, self.wish.confirm)
        if result.error is not None:
            return result
        fresh = self.look()
        if fresh.current != squash.into:
            _stamp(fresh, squash.into)
        else:  # its file was written anew: it is no edited one
            for name in squash.into:
                with journalled(fresh, fresh.current, name) as run:
                    run.stands(fresh.graph.revisions[name].file, "upgrade")
        return replace(result, to=squash.into)

    def across(self, view: View, diagnosis: Diagnosis) -> RunResult:
        """Take what is here into the history: a revision that leads to it from the nearest, and the stamp."""
        del diagnosis
        check_rows_stay(view, self.wish.confirm)
        before = view.current
        made = write_bridge(view)
        fresh = self.look()
        _stamp(fresh, (made[0].revision,), purge=True, asked=True)
        told = [f"{made[0].place} was written: it leads from the nearest revision to what is here"]
        told += [f"{each.place} was written: it joins that and what is pending" for each in made[1:]]
        return replace(_result(fresh, "", (made[0].revision,), ()), from_=before, warnings=tuple(told))

    def shared(self, view: View, diagnosis: Diagnosis) -> None:
        """Say what has to be done first: a bridge would take the other project's row away, and its tables over."""
        del diagnosis
        check_rows_stay(view)

    def across_edited(self, view: View, diagnosis: Diagnosis) -> RunResult | None:
        """Leave an edited file as it is, and lead from what it makes to what is here."""
        return None if diagnosis.severity is Severity.NOTE else self.across(view, diagnosis)

    def as_applied(self, view: View, diagnosis: Diagnosis) -> RunResult | None:
        """Write an edited file as it was applied, and keep the edited one beside it."""
        if diagnosis.severity is Severity.NOTE:
            return None
        found = as_applied(view, diagnosis.object)
        if found is None:
            return None
        file, data = found
        kept = copied_aside(file)
        write_whole(file, data)
        return _wrote(f"{file} was written as it was applied; the edited one is {kept.name}")

    def seen(self, view: View, diagnosis: Diagnosis) -> RunResult | None:
        """Put the file of a revision where Alembic sees it, where something needs it."""
        found = {str(path): (path, folder) for path, folder in view.once(ignored_files).items()}
        path, folder = found[diagnosis.object]
        if diagnosis.severity is not Severity.ERROR or (folder / path.name).exists():
            return None
        path.rename(folder / path.name)
        return _wrote(f"{path} was moved to {folder}")

    def settled(self, view: View, diagnosis: Diagnosis) -> RunResult:
        """Note what became of runs that ended without a word; whatever takes the lock does that first."""
        del diagnosis
        with journalled(view, view.current, "") as run:
            return _result(view, run.run, view.current, ())

    def statement(self, view: View, diagnosis: Diagnosis) -> RunResult | None:
        """Run the one statement that ends a flaw, where there is one."""
        if "statement" not in diagnosis.evidence:
            return None
        with journalled(view, view.current, "") as run:
            run.alone([str(diagnosis.evidence["statement"])])
            return _result(view, run.run, view.current, tuple(run.steps))


def _check_rows(view: View, partial: Partial, proof: Proof) -> None:
    """Raise where rows of the target keep what is left of a revision from running there."""
    offending = in_the_way(view, proof.trace) if partial.way.direction is Direction.UPGRADE else ()
    if offending:
        raise Refused(
            "repair.rows",
            f"what is left of revision {partial.way.revision} would fail on rows of the target",
            why="\n".join(each.message for each in offending),
            where=partial.way.file,
            state="nothing was changed",
            next=[*(shows(view, each) for each in offending), "db-migrate repair", "db-migrate repair --back"],
        )


_ANSWERS = ("db-migrate repair --data ran", "db-migrate repair --data rerun", "db-migrate repair --back")

_Cure = Callable[[Mending, View, Diagnosis], RunResult | None]

_CURES: dict[str, _Cure] = {
    "graph.ignored-file": Mending.seen,
    "graph.missing-parent": Mending.restore,
    "revision.lost": Mending.restore,
    "revision.edited": Mending.as_applied,
    "version.elsewhere": Mending.statement,
    "version.rows": Mending.one_row,
    "version.missing": Mending.elsewhere,
    "version.wrong": Mending.elsewhere,
    "revision.partial": Mending.half_done,
    "run.unfinished": Mending.settled,
    "partition.detach-pending": Mending.statement,
    "partition.detached": Mending.statement,
    "index.invalid": Mending.statement,
    "constraint.not-validated": Mending.statement,
    "trigger.disabled": Mending.statement,
    "foreign-key.disabled": Mending.statement,
    "sequence.behind": Mending.statement,
}


_BRIDGED: dict[str, _Cure] = {
    "version.shared": Mending.shared,
    "schema.differs": Mending.across,
    "revision.skipped": Mending.across,
    "revision.ahead": Mending.across,
    "revision.edited": Mending.across_edited,
}


def _stamp(view: View, heads: Sequence[str], *, purge: bool = False, asked: bool = False) -> None:
    """Set the version table; ``asked``: that a row goes which may be another project's is agreed to."""
    purge = purge or view.heads != view.current or not set(view.current) <= set(view.graph.revisions)
    purge = purge or set(view.graph.stamped(view.current, heads)) != set(heads)
    if purge:
        check_rows_stay(view, view.database if asked else None)
    stamp_revisions(view.project, view.target, view.settings, heads, purge=purge)


def _stamped(view: View, heads: tuple[str, ...]) -> RunResult:
    _stamp(view, heads)
    return _result(view, "", heads, ())


def _wrote(what: str) -> RunResult:
    """A file was written; nothing was done to the target."""
    return RunResult(
        warnings=(what,), run="", state="done", from_=(), to=(), steps=(), kept=(), restored=(), verify=None
    )


def _result(view: View, run: str, heads: tuple[str, ...], steps: tuple[StepResult, ...]) -> RunResult:
    return RunResult(
        target=view.live_state.summary,
        run=run,
        state="done",
        from_=view.current,
        to=heads,
        steps=steps,
        kept=(),
        restored=(),
        verify=None,
    )


def _together(view: View, done: Sequence[RunResult]) -> RunResult:
    if not done:
        return replace(_result(view, "", view.current, ()), state="unchanged")
    runs = [each for each in done if each.target is not None]
    last = runs[-1] if runs else replace(_result(view, "", view.current, ()), from_=view.current)
    return replace(
        last,
        from_=runs[0].from_ if runs else last.from_,
        steps=tuple(step for each in done for step in each.steps),
        warnings=tuple(dict.fromkeys(w for each in done for w in each.warnings)),
        kept=tuple(kept for each in done for kept in each.kept),
        restored=tuple(back for each in done for back in each.restored),
    )


def _asks(partial: Partial) -> Refused:
    number = len(partial.unclear)
    lines = "\n".join(f"{n}. line {each.line}: {each.sql}" for n, each in enumerate(partial.unclear, 1))
    return Refused(
        "repair.data",
        f"nothing tells whether {number} of the statements of {partial.way.revision} have run",
        why=lines,
        where=partial.way.file,
        state="nothing was changed",
        next=_ANSWERS if number == 1 else (*_ANSWERS[:2], "db-migrate repair --data 1", *_ANSWERS[2:]),
    )
