"""Results as text: what a person has to be able to read off them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db_migrate.errors import ErrorReport
from db_migrate.report.style import Style
from db_migrate.report.text.changes import drift_text
from db_migrate.report.text.findings import finding_text
from db_migrate.report.text.outcomes import problems_text, selection_text, stamp_text
from db_migrate.report.text.parts import error_text
from db_migrate.report.text.plan import plan_text, stopped_by
from db_migrate.report.text.run import run_text
from db_migrate.report.text.schema import schema_text
from db_migrate.report.text.status import status_text
from db_migrate.results import (
    Acknowledged,
    DowngradeProof,
    DriftCounts,
    PendingRevision,
    Plan,
    Problem,
    RunResult,
    Schema,
    SchemaEntry,
    Stamp,
    Status,
    StepResult,
    TestRun,
    VerifyOutcome,
)
from db_migrate.rules.finding import Allowed, Severity

from .values import (
    COLUMN_DROPPED,
    DEFAULT_CHANGED,
    INDEX_RENAMED,
    TARGET,
    a_drift,
    a_finding,
    a_plan,
)

PLAIN = Style()


def source(file: str, line: int) -> str:
    """The line of the revision that the finding is about."""
    assert (file, line) == ("versions/0102_drop.py", 20)
    return '    op.drop_column("users", "legacy")'


def test_a_finding_looks_like_a_compilers() -> None:
    """Severity and rule, place, the line of Python, the SQL it ran, why, the replacement, and the intent's name."""
    assert finding_text(a_finding(), "ALTER TABLE users DROP COLUMN legacy", source, PLAIN) == "\n".join(
        [
            "error[drop-column]: public.users.legacy holds data in 48,213 rows",
            "  --> versions/0102_drop.py:20",
            "   │",
            '20 │     op.drop_column("users", "legacy")',
            "   │",
            "   = sql:   ALTER TABLE users DROP COLUMN legacy",
            "   = why:   what it holds is lost",
            '   = write: with op.batch_alter_table("users") as batch:',
            "                pass",
            '   = allow: db_migrate_allow = {"drop-column:public.users.legacy": "the reason"}  in the revision',
            "            or --allow 'drop-column:public.users.legacy'",
        ]
    )


def test_an_allowed_finding_says_why_and_by_whom() -> None:
    """A finding with its intent is shown with the reason and does not ask for one."""
    shown = finding_text(a_finding(allowed=Allowed("copied to contacts", "revision")), "", source, PLAIN)
    assert "(allowed)" in shown.splitlines()[0]
    assert shown.splitlines()[-1] == "   = allow: copied to contacts (in the revision)"
    assert "--allow" not in shown


def test_a_plan_says_what_it_blocks_drops_and_whether_it_can_be_applied() -> None:
    """The head sums up, each statement has its effects, the last lines are the verdict."""
    shown = plan_text(a_plan(), PLAIN, source)
    assert "upgrade 0101 → 0103: 2 revisions, 3 statements in 2 transactions" in shown
    assert "blocks        reads and writes of public.users" in shown
    assert "drops         public.users.legacy" in shown
    assert "locks public.users in ACCESS EXCLUSIVE: reads and writes wait" in shown
    assert "on the target: 48,213 rows, 12 MB, about 4 ms" in shown
    assert "builds index public.ix on public.users" in shown
    assert "in no transaction (autocommit)" in shown
    assert "downgrade gives back the schema that was there" in shown
    assert shown.rstrip().endswith("✗ refused: drop-column:public.users.legacy")


def test_a_plan_without_open_errors_names_the_next_command() -> None:
    """With the intent written the verdict is the command to type."""
    plan = replace(a_plan(), findings=(a_finding(allowed=Allowed("r", "flag")), a_finding(Severity.WARNING)))
    assert stopped_by(plan) == ()
    assert plan_text(plan, PLAIN, source).rstrip().endswith("next: db-migrate apply 0103")


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("plan.json", "apply plan.json"),
        ("/srv/the plans/1.json", "apply '/srv/the plans/1.json'"),
        ("-x.json", "apply ./-x.json"),
        ("plan.txt", "apply 0103"),  # apply takes what does not end in .json for a revision
    ],
)
def test_a_plan_that_was_written_is_what_is_executed_next(file: str, command: str) -> None:
    """The file is the approval, so the next command names it; of several targets there is one file."""
    plan = replace(a_plan(), findings=())
    assert plan_text(plan, PLAIN, source, file).rstrip().endswith(f"next: db-migrate {command}")
    of_each = replace(plan, targets=(plan, plan))
    assert plan_text(of_each, PLAIN, source, file).rstrip().endswith(f"next: db-migrate {command}")


def test_a_plan_shows_what_fails_on_scratch() -> None:
    """A revision that fails, and a downgrade that is not the inverse, are named with the reason."""
    first, second = a_plan().revisions
    proof = DowngradeProof(False, (COLUMN_DROPPED,), None)
    plan = replace(
        a_plan(), revisions=(replace(first, downgrade=proof), replace(second, error="Boom: no")), findings=()
    )
    shown = plan_text(plan, PLAIN, source)
    assert "downgrade leaves 1 difference" in shown
    assert "fails on scratch: Boom: no" in shown
    assert stopped_by(plan) == ("0103 fails",)


def test_an_empty_plan_is_nothing_to_do() -> None:
    """A plan without revisions is one sentence."""
    plan: Plan = replace(a_plan(), revisions=(), findings=())
    assert plan_text(plan, PLAIN, source).startswith("✓ nothing to do: the database is at 0101")


def test_drift_is_listed_table_by_table_with_both_values() -> None:
    """Each change has its sign, the short name under its table, both values and why it matters."""
    lines = drift_text(a_drift(DEFAULT_CHANGED, COLUMN_DROPPED), PLAIN).splitlines()
    assert lines[2] == "✗ history → live: 2 changes"
    assert lines[4:] == [
        "  public.users",
        "    ~ column role",
        "        default: 'member'::text → 'x'::text",
        "        new users get another role",
        "    - column legacy",
    ]


def test_differences_that_are_no_drift_are_said_to_be_none() -> None:
    """A name alone is shown with its class and does not turn the mark red."""
    shown = drift_text(a_drift(INDEX_RENAMED), PLAIN)
    assert "✓ history → live: 1 difference that is no drift" in shown
    assert "> index public.ix_old → public.ix_new (same thing, other name)" in shown


def test_no_drift_still_shows_what_is_acknowledged() -> None:
    """An acknowledged change is listed with its reason."""
    drift = a_drift()
    comparison = replace(drift.comparisons[0], acknowledged=(Acknowledged(INDEX_RENAMED, "made by hand"),))
    shown = drift_text(replace(drift, comparisons=(comparison,)), PLAIN)
    assert "✓ history → live: no difference" in shown
    assert "acknowledged: index public.ix_new (made by hand)" in shown


def test_drift_shows_sql_when_asked() -> None:
    """``--sql`` adds what would make the change."""
    assert "SET DEFAULT 'x'" not in drift_text(a_drift(DEFAULT_CHANGED), PLAIN)
    assert "SET DEFAULT 'x'" in drift_text(a_drift(DEFAULT_CHANGED), PLAIN, sql=True)


def test_the_first_line_of_status_is_the_answer() -> None:
    """Pending, drift and revisions without a file are summed up first; all well is one word."""
    well = Status(
        target=TARGET, current=("1",), heads=("1",), pending=(), unknown=(), drift=DriftCounts(0, 0), last_run=None
    )
    assert status_text(well, PLAIN).splitlines()[0] == "✓ up to date"
    worse = replace(
        well,
        pending=(PendingRevision("2", "more", "2.py"),),
        unknown=("x",),
        drift=DriftCounts(history_models=None, history_live=3),
    )
    shown = status_text(worse, PLAIN)
    assert (
        shown.splitlines()[0] == "● 1 revision in the database without a file, 1 revision pending, 3 changes of drift"
    )
    assert "history → models: not compared; history → live: 3 changes" in shown


def test_a_long_list_of_pending_revisions_is_cut() -> None:
    """The first and the last are listed, and how many are between them."""
    pending = tuple(PendingRevision(f"r{i:02}", "m", "f") for i in range(25))
    status = Status(
        target=None, current=(), heads=("r24",), pending=pending, unknown=(), drift=DriftCounts(0, 0), last_run=None
    )
    lines = status_text(status, PLAIN).splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("  r") or "…" in line]
    assert shown == ["r00", "r01", "r02", "r03", "r04", "…", "r20", "r21", "r22", "r23", "r24"]
    assert "  … 15 more" in lines


def test_status_after_a_run_that_was_cut_short_leads_to_doctor() -> None:
    """What stopped inside a revision, or crashed, comes first, and the next command looks at it before any plan."""
    from db_migrate.results import RunSummary

    pending = (PendingRevision("2", "b", "/p/2.py"),)
    for state, first in (("partial", "inside a revision"), ("crashed", "crashed"), ("done", "1 revision pending")):
        run = RunSummary("r", "apply", state, ("1",), ("1",), "2026-01-01T00:00:00Z", 1.5, "me", "")
        status = Status(
            current=("1",), heads=("2",), pending=pending, unknown=(), drift=DriftCounts(0, 0), last_run=run
        )
        lines = status_text(status, PLAIN).splitlines()
        assert first in lines[0]
        assert lines[-1] == f"next: db-migrate {'plan' if state == 'done' else 'doctor'}"


def test_a_run_shows_every_statement_with_its_waits() -> None:
    """Statements have their times, the wait for locks and the attempts where there were some."""
    steps = (
        StepResult("2", 0, "ALTER TABLE t ADD COLUMN a int", 0.004, 0.0, 1),
        StepResult("2", 1, "ALTER TABLE u\nADD COLUMN a int", 1.25, 3.0, 4),
    )
    run = RunResult(
        target=TARGET,
        run="r1",
        state="done",
        from_=("1",),
        to=("2",),
        steps=steps,
        kept=(),
        restored=(),
        verify=VerifyOutcome(True, ()),
    )
    shown = run_text(run, PLAIN)
    assert "4 ms  ALTER TABLE t ADD COLUMN a int" in shown
    assert "1.2 s  ALTER TABLE u …" in shown
    assert "waited 3.0 s for the lock, 4 attempts" in shown
    assert "✓ done: 1 → 2, 2 statements in 4.3 s (run r1)" in shown
    assert "✓ verified" in shown


def test_a_run_that_stopped_is_not_shown_as_done() -> None:
    """Where the run stopped is what the line says; the error itself is for standard error."""
    error = ErrorReport("x", "it broke", "", "", "", ())
    run = RunResult(
        run="r",
        state="partial",
        from_=(),
        to=("1",),
        steps=(),
        kept=(),
        restored=(),
        verify=None,
        error=error,
        exit_code=5,
    )
    shown = run_text(run, PLAIN)
    assert "✗ stopped inside a revision: base → 1" in shown
    assert "it broke" not in shown


def test_problems_name_the_command_that_ends_them() -> None:
    """Each problem has its code and the next command, and their number closes the list."""
    shown = problems_text((Problem("index.invalid", "public.ix", "is invalid", "REINDEX INDEX public.ix"),), PLAIN)
    assert shown.splitlines() == [
        "✗ public.ix: is invalid [index.invalid]",
        "    next: REINDEX INDEX public.ix",
        "",
        "1 problem",
    ]


def test_the_tests_that_ran_are_shown_with_their_reason() -> None:
    """Each selected path names the tables that chose it; no path at all is said to be none."""
    run = TestRun(
        tables=("public.t",),
        selected=("tests/a.py",),
        reason={"tests/a.py": ("public.t",)},
        passed=3,
        failed=1,
        command="pytest",
        exit_code=1,
    )
    shown = selection_text(run, PLAIN)
    assert "tests/a.py  because of public.t" in shown
    assert "✗ 3 passed, 1 failed" in shown
    assert "nothing was run" in selection_text(TestRun(tables=("public.t",), selected=()), PLAIN)


def test_a_forced_stamp_shows_what_differs() -> None:
    """The differences from the stamped revision's schema are listed."""
    shown = stamp_text(Stamp(from_=(), to=("2",), differences=(COLUMN_DROPPED,)), PLAIN)
    assert "✓ stamped base → 2" in shown
    assert "- column legacy" in shown


def test_the_schema_lists_tables_columns_and_what_belongs_to_them() -> None:
    """Columns are aligned with type, nullability and default; constraints and other kinds follow."""
    table = SchemaEntry(
        "table",
        "public.users",
        {},
        (
            SchemaEntry(
                "column", "public.users.id", {"type": "uuid", "nullable": False, "default": "gen_random_uuid()"}
            ),
            SchemaEntry("column", "public.users.nickname", {"type": "text", "nullable": True}),
            SchemaEntry("primary_key", "public.users.users_pkey", {"columns": ("id",)}),
        ),
    )
    extension = SchemaEntry("extension", "citext", {"version": "1.6"})
    view = SchemaEntry("view", "public.v", {}, (), "CREATE VIEW public.v AS\n SELECT 1")
    lines = schema_text(Schema(side="live", objects=(table, extension, view)), PLAIN).splitlines()
    assert lines == [
        "public.users  table",
        "  id        uuid  not null  default gen_random_uuid()",
        "  nickname  text",
        "  primary key users_pkey: columns (id)",
        "",
        "public.v  view",
        "  CREATE VIEW public.v AS SELECT 1",
        "",
        "extension",
        "  citext  version 1.6",
    ]


def test_an_error_says_what_why_where_and_what_next() -> None:
    """Every part of an error has its label, and the next commands are numbered."""
    error = ErrorReport(
        "plan.stale", "the plan is stale", "the schema changed\nsince", "plan.json", "nothing was done", ("a", "b")
    )
    assert error_text(error, PLAIN).splitlines() == [
        "error[plan.stale]: the plan is stale",
        "  why:   the schema changed",
        "         since",
        "  where: plan.json",
        "  state: nothing was done",
        "  next:  1. a",
        "         2. b",
    ]


def test_colour_changes_nothing_but_colour() -> None:
    """A coloured text without its colours is the plain text."""
    import re

    coloured = plan_text(a_plan(), Style(colour=True), source)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plan_text(a_plan(), PLAIN, source)


def test_ascii_is_enough() -> None:
    """Where the stream has no more than ASCII, nothing else is printed."""
    style = Style(unicode=False)
    assert plan_text(a_plan(), style, source).isascii()
    assert drift_text(a_drift(DEFAULT_CHANGED, INDEX_RENAMED), style).isascii()
