"""Consent grows with danger: safe needs nothing, a finding its intent, lost data and production the database's name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db_migrate.errors import Refused
from db_migrate.execute.consent import check_consent
from db_migrate.results import Fingerprints, KeptObject, Plan, PlannedRevision
from db_migrate.rules.finding import Allowed, Finding, Severity

REVISION = PlannedRevision("r1", (), "", "r1.py", "", "upgrade", (), None, "")
SAFE = Plan(
    fingerprint=Fingerprints("a", "b"),
    hash="",
    current=("r0",),
    destination=("r1",),
    direction="upgrade",
    proved_on="18.6",
    revisions=(REVISION,),
    findings=(),
    kept=(),
)


def finding(rule: str, *, severity: Severity = Severity.ERROR, allowed: bool = False) -> Finding:
    """A finding about a column."""
    intent = Allowed("it is empty", "revision") if allowed else None
    return Finding(rule, severity, "r1", 0, "public.a.n", "5 values", "why", "fix", "r1.py", 7, intent)


def refusal(plan: Plan, *, confirm: str | None = None, production: bool = False, verb: str = "apply") -> Refused:
    """What the plan is refused with."""
    with pytest.raises(Refused) as caught:
        check_consent(plan, confirm=confirm, production=production, database="shop", verb=verb)
    return caught.value


def test_a_safe_plan_needs_nothing() -> None:
    """Nothing stops it, nothing is asked for; notes and warnings do not either."""
    plan = replace(SAFE, findings=(finding("rename-table", severity=Severity.WARNING),))
    check_consent(plan, confirm=None, production=False, database="shop")


def test_a_finding_that_stops_needs_its_intent() -> None:
    """The refusal names the finding, its place, and the flag to paste; the database's name does not help."""
    plan = replace(SAFE, findings=(finding("drop-column"),))
    refused = refusal(plan, confirm="shop")
    assert (refused.code, refused.where) == ("plan.findings", "r1.py:7")
    assert "drop-column:public.a.n" in refused.message
    assert refused.next[-1] == "db-migrate apply r1 --allow drop-column:public.a.n"


def test_lost_data_needs_the_name_even_where_it_is_intended() -> None:
    """An intent allows the finding; that values are gone for ever still wants to be said."""
    plan = replace(SAFE, findings=(finding("drop-column", allowed=True), finding("loses-data", allowed=True)))
    refused = refusal(plan)
    assert (refused.code, refused.next) == ("consent.missing", ("db-migrate apply r1 --confirm shop",))
    assert "5 values" in refused.why
    check_consent(plan, confirm="shop", production=False, database="shop")


def test_what_is_kept_is_not_lost() -> None:
    """Data that a rollback can bring back needs no name."""
    lost = finding("loses-data", allowed=True)
    plan = replace(SAFE, findings=(lost,), kept=(KeptObject("public.a.n", "copy", 5, 100),))
    check_consent(plan, confirm=None, production=False, database="shop")


def test_production_always_needs_the_name() -> None:
    """Even for a plan that is safe; not for one that does nothing."""
    assert "production" in refusal(SAFE, production=True).why
    check_consent(replace(SAFE, revisions=()), confirm=None, production=True, database="shop")


def test_base_needs_the_name() -> None:
    """A rollback to base takes back everything."""
    assert "base" in refusal(replace(SAFE, direction="downgrade", destination=()), verb="rollback").why


def test_a_wrong_name_is_refused_even_where_none_is_needed() -> None:
    """Whoever names another database is about to do it in the wrong place."""
    assert refusal(SAFE, confirm="shop_staging").code == "consent.wrong-name"


def test_a_plan_whose_proof_failed_is_refused() -> None:
    """It would fail here too."""
    plan = replace(SAFE, revisions=(replace(REVISION, error="DuplicateTable: it exists"),))
    refused = refusal(plan, confirm="shop")
    assert (refused.code, refused.why) == ("plan.failed", "DuplicateTable: it exists")


def test_going_back_may_drop_what_the_revisions_made_once_the_name_is_given() -> None:
    """A rollback's drops need no intent of their own: the database's name is asked for, and is enough."""
    down = replace(SAFE, findings=(finding("drop-table"), finding("loses-data")))

    assert refusal(down, verb="rollback").code == "consent.missing"
    check_consent(down, confirm="shop", production=False, database="shop", verb="rollback")
    assert refusal(down, confirm="shop", verb="apply").code == "plan.findings"


def test_the_name_does_not_lift_what_would_fail() -> None:
    """A rollback that would fail on the rows that are there stays refused."""
    down = replace(SAFE, findings=(finding("would-fail-on-data"),))

    assert refusal(down, confirm="shop", verb="rollback").code == "plan.findings"


def test_a_downgrade_that_is_no_way_back_is_refused_with_the_command_that_goes_back_all_the_same() -> None:
    """Whether it leads elsewhere or fails; only where a derived one was proved, and nobody has allowed the own one."""
    down = replace(SAFE, direction="downgrade", findings=(finding("downgrade-not-inverse"),))
    failing = replace(down, revisions=(replace(REVISION, error="ValueError: no"),))
    offered = (replace(finding("downgrade-not-inverse"), fix="`db-migrate rollback r1 --derive`"),)

    for plan in (down, failing):
        assert not any("--derive" in each for each in refusal(plan, verb="rollback").next)
        refused = refusal(replace(plan, findings=offered), verb="rollback")
        assert "db-migrate rollback r1 --derive" in refused.next
    allowed = replace(down, findings=(finding("downgrade-not-inverse", allowed=True),))
    check_consent(allowed, confirm=None, production=False, database="shop", verb="rollback")
