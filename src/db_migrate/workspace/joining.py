"""What was said of several databases or schemas, each by itself, put into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from db_migrate.errors import DbMigrateError, ErrorReport
from db_migrate.results import Doctor, DriftCounts, Plan, RunResult, Status, Verify, VerifyOutcome
from db_migrate.rules.finding import Severity
from db_migrate.schemas.target import LiveState


def joined_status(parts: Sequence[Status]) -> Status:
    """What is pending or unknown anywhere; drift is added up."""
    if len(parts) == 1:
        return parts[0]
    from db_migrate.plan.several import common

    runs = [each.last_run for each in parts if each.last_run is not None]
    return replace(
        parts[0],
        target=common([each.target for each in parts]),
        current=_union(each.current for each in parts),
        pending=tuple(dict.fromkeys(pending for each in parts for pending in each.pending)),
        unknown=_union(each.unknown for each in parts),
        drift=DriftCounts(
            _sum([each.drift.history_models for each in parts]), _sum([each.drift.history_live for each in parts])
        ),
        last_run=max(runs, key=lambda run: run.started_at, default=None),
        warnings=tuple(dict.fromkeys(warning for each in parts for warning in each.warnings)),
        targets=tuple(parts),
    )


def joined_verify(parts: Sequence[Verify]) -> Verify:
    """All problems, each with the name of the database or schema that it was found in."""
    if len(parts) == 1:
        return parts[0]
    from db_migrate.plan.several import common, kind_of, labels

    names = labels([each.target for each in parts])
    return Verify(
        target=common([each.target for each in parts]),
        warnings=tuple(dict.fromkeys(warning for each in parts for warning in each.warnings)),
        problems=tuple(
            replace(problem, message=f"{problem.message} ({kind_of(parts).removesuffix('s')} {name})")
            for name, each in zip(names, parts, strict=True)
            for problem in each.problems
        ),
        targets=tuple(parts),
    )


def joined_doctor(parts: Sequence[Doctor]) -> Doctor:
    """All diagnoses; one that is not of all of them has the name of the database or schema that it is of."""
    if len(parts) == 1:
        return parts[0]
    from db_migrate.plan.several import common, kind_of, labels

    names = labels([each.target for each in parts])
    kind = kind_of(parts).removesuffix("s")
    everywhere = [each for each in parts[0].diagnoses if all(each in part.diagnoses for part in parts)]
    own = (
        replace(diagnosis, message=f"{diagnosis.message} ({kind} {name})")
        for name, part in zip(names, parts, strict=True)
        for diagnosis in part.diagnoses
        if diagnosis not in everywhere
    )
    order = list(Severity)
    return Doctor(
        target=common([each.target for each in parts]),
        warnings=tuple(dict.fromkeys(warning for each in parts for warning in each.warnings)),
        diagnoses=tuple(sorted((*everywhere, *own), key=lambda each: order.index(each.severity))),
    )


def joined_runs(parts: Sequence[RunResult], plan: Plan | None) -> RunResult:
    """The runs of several as one: its state and error are those of the one that stopped, if one did.

    The error's state says where each of them is.
    """
    from db_migrate.plan.several import common, labels

    failed = next((each for each in parts if each.error is not None), None)
    done = [each for each in parts if each.run]
    last = failed or (done or list(parts))[-1]
    names = labels([each.target for each in parts])
    where = "; ".join(f"{name}: {_where(each)}" for name, each in zip(names, parts, strict=True))
    checks = [each.verify for each in parts if each.verify is not None]
    return replace(
        last,
        target=common([each.target for each in parts]),
        warnings=tuple(dict.fromkeys(warning for each in parts for warning in each.warnings)),
        state=last.state if failed else "done" if any(each.state == "done" for each in parts) else "unchanged",
        from_=_union(each.from_ for each in parts),
        to=_union(each.to for each in parts),
        steps=tuple(step for each in parts for step in each.steps),
        kept=tuple(kept for each in parts for kept in each.kept),
        restored=tuple(restored for each in parts for restored in each.restored),
        verify=VerifyOutcome(all(c.ok for c in checks), tuple(p for c in checks for p in c.problems))
        if checks
        else None,
        plan=plan,
        error=replace(failed.error, state=f"{failed.error.state}. {where}") if failed and failed.error else None,
        targets=tuple(parts),
    )


def not_begun(plan: Plan, error: DbMigrateError | None = None) -> RunResult:
    """The run of one that was not come to, or that was refused when others had been executed already."""
    return RunResult(
        target=plan.target,
        run="",
        state="stopped" if plan.revisions else "unchanged",
        from_=plan.current,
        to=plan.current,
        steps=(),
        kept=(),
        restored=(),
        verify=None,
        plan=plan,
        error=_report(error) if error is not None else None,
        exit_code=_code(error) if error is not None else 0,
    )


def unverified(run: RunResult, error: DbMigrateError) -> RunResult:
    """A run that has come to its end, after which the target could not be looked at."""
    at = ", ".join(run.to) or "base"
    state = f"the run has ended, and the database is at {at}; whether it is what it should be was not seen"
    report = replace(error.report(), state=state, next=("db-migrate verify",))
    return replace(run, error=report, exit_code=_code(error))


def untouched(lives: Sequence[LiveState], plan: Plan | None) -> RunResult:
    """The run of ``plan``, or of a repair, that was refused before it began: where its targets are now."""
    from db_migrate.plan.several import common

    current = _union(each.current for each in lives)
    return RunResult(
        target=common([each.summary for each in lives]),
        run="",
        state="unchanged",
        from_=current,
        to=current,
        steps=(),
        kept=(),
        restored=(),
        verify=None,
        plan=plan,
    )


_REFUSED, _FAILED = 3, 4


def _code(error: DbMigrateError) -> int:
    """Refused means that nothing was changed, which is no longer so; nothing is half-done, however."""
    return _FAILED if error.exit_code == _REFUSED else error.exit_code


def _report(error: DbMigrateError) -> ErrorReport:
    return replace(error.report(), state="nothing is half-done")


def _where(run: RunResult) -> str:
    at = ", ".join(run.to) or "base"
    if run.state == "partial":
        return f"at {at}, and inside of a revision"
    if run.run or run.state == "unchanged":
        return f"at {at}"
    return f"not begun, at {at}"


def _union(several: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(sorted({name for each in several for name in each}))


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [each for each in counts if each is not None]
    return sum(known) if known else None
