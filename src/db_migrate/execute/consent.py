"""Whether the user has agreed to a plan; consent grows with danger (``ux.md``, 6)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from db_migrate.errors import Refused
from db_migrate.results import Plan
from db_migrate.results.typed import DERIVE, command_of, plan_command
from db_migrate.rules.finding import Finding

LOSS = frozenset({"loses-data", "truncate", "truncate-cascade"})
"""The rules that say that rows or values are gone afterwards."""

FAILS_ON_ROWS = "would-fail-on-data"
"""The rule that says that the target's rows make a statement fail."""

NO_WAY_BACK = "downgrade-not-inverse"
"""The rule that says that a downgrade does not give back what was there."""


def check_consent(plan: Plan, *, confirm: str | None, production: bool, database: str, verb: str = "apply") -> None:
    """Return if the plan may be executed; raise ``Refused`` (exit code 3) with what has to be said first.

    ``plan.findings`` when a finding stops it, ``plan.failed`` when the proof failed, ``consent.missing`` when the
    database's name has to be given and is not, ``consent.wrong-name`` when another one was given.
    """
    _check_proved(plan, verb)
    _check_findings(plan, verb)
    reasons = tuple(_reasons(plan, production=production, verb=verb))
    if confirm is not None and confirm != database:
        raise Refused(
            "consent.wrong-name",
            f"--confirm names {confirm!r}, the target is {database!r}",
            state="nothing was changed",
            next=[f"{command_of(plan, verb)} --confirm {shlex.quote(database)}"],
        )
    if reasons and confirm is None:
        raise Refused(
            "consent.missing",
            f"this needs the name of the database: --confirm {database}",
            why="; ".join(reasons),
            state="nothing was changed",
            next=[f"{command_of(plan, verb)} --confirm {shlex.quote(database)}"],
        )


def _check_proved(plan: Plan, verb: str) -> None:
    failed = next((each for each in plan.revisions if each.error is not None), None)
    if failed is not None:
        derived = [*_deriving(plan, verb)]
        raise Refused(
            "plan.failed",
            f"revision {failed.revision} fails on a copy of the schema",
            why=failed.error or "",
            where=failed.file,
            state="nothing was changed",
            next=derived or [plan_command(plan), "db-migrate doctor"],
        )


def _deriving(plan: Plan, verb: str) -> Iterator[str]:
    """The command that goes back by derived downgrades, where those were proved instead of the project's own."""
    found = (each for each in plan.findings if each.rule == NO_WAY_BACK and each.stops)
    if verb == "rollback" and any(DERIVE in each.fix for each in found):
        yield f"{command_of(plan, verb).removesuffix(DERIVE).rstrip()} {DERIVE}"


def _check_findings(plan: Plan, verb: str) -> None:
    stopping = [each for each in plan.findings if each.stops and not _lifted_by_name(each, verb)]
    if not stopping:
        return
    first = stopping[0]
    raise Refused(
        "plan.findings",
        f"{len(stopping)} finding{'s' if len(stopping) > 1 else ''} must be allowed first: "
        + ", ".join(dict.fromkeys(each.name for each in stopping)),
        why=first.message,
        where=f"{first.file}:{first.line}" if first.line else first.file,
        state="nothing was changed",
        next=[
            plan_command(plan),
            *_deriving(plan, verb),
            " ".join((command_of(plan, verb), *(f"--allow {name}" for name in _allowable(stopping)))),
        ],
    )


def _allowable(stopping: Sequence[Finding]) -> Iterator[str]:
    """The findings that it helps to allow: rows that make a statement fail do so whatever is allowed."""
    yield from dict.fromkeys(each.name for each in stopping if each.rule != FAILS_ON_ROWS)


def _lifted_by_name(finding: Finding, verb: str) -> bool:
    """Whether the database's name is consent enough: going back means to drop what the revisions made."""
    return verb in ("rollback", "repair") and (finding.rule.startswith("drop-") or finding.rule in LOSS)


def _reasons(plan: Plan, *, production: bool, verb: str) -> Iterator[str]:
    """Why the database's name is needed, if it is."""
    if production and plan.revisions:
        yield "the target is marked production"
    if verb == "rollback" and not plan.destination and plan.revisions:
        yield "a rollback to base takes back everything that migrations ever made"
    lost = tuple(dict.fromkeys(each.message for each in _losing(plan)))
    if lost:
        yield "data is lost: " + "; ".join(lost)
    elif dropped := [each.object for each in _not_kept(plan) if each.stops and _lifted_by_name(each, verb)]:
        yield "it drops " + ", ".join(dict.fromkeys(dropped))


def _losing(plan: Plan) -> Iterator[Finding]:
    """The findings that say that rows or values are gone afterwards, but for what is kept."""
    return (each for each in _not_kept(plan) if each.rule == "loses-data")


def _not_kept(plan: Plan) -> Iterator[Finding]:
    kept = {each.object for each in plan.kept}
    return (each for each in plan.findings if each.object not in kept)
