"""What each verb asks of the library, and the exit code that it makes of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.values import a_revision, a_statement

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.objects import Kind
from db_migrate.errors import ErrorReport, Refused
from db_migrate.execute.progress import Blocker, ProgressEvent, ProgressKind
from db_migrate.results import (
    Comparison,
    Drift,
    DriftCounts,
    Fingerprints,
    History,
    Lint,
    PendingRevision,
    Plan,
    Problem,
    Result,
    RunResult,
    Schema,
    Stamp,
    Status,
    TestRun,
    Verify,
    VerifyOutcome,
)
from db_migrate.rules.finding import Allowed, Finding, Severity

from .conftest import Recorder, Run

STATUS = Status(current=("1",), heads=("1",), pending=(), unknown=(), drift=DriftCounts(0, 0), last_run=None)
DRIFT = Drift(comparisons=(Comparison("history", "live", ()),))
PLAN = Plan(
    fingerprint=Fingerprints("a", "b"),
    hash="h",
    current=("1",),
    destination=("1",),
    direction="upgrade",
    proved_on="18.6",
    revisions=(),
    findings=(),
    kept=(),
)
LINT = Lint(
    fingerprint=Fingerprints("a", "b"),
    hash="h",
    current=(),
    destination=("1",),
    direction="upgrade",
    proved_on="18.6",
    revisions=(),
    findings=(),
    kept=(),
    fail_on="warning",
)
RUN = RunResult(
    run="r", state="done", from_=("1",), to=("2",), steps=(), kept=(), restored=(), verify=VerifyOutcome(True, ())
)
FINDING = Finding("drop-column", Severity.ERROR, "2", None, "public.t.c", "m", "w", "f", "", 0)
PROBLEM = Problem("index.invalid", "public.ix", "is invalid", "REINDEX INDEX public.ix")
CHANGE = Change(Kind.INDEX, "public.ix", Action.DROPPED)


@pytest.mark.parametrize(
    ("words", "answer", "call"),
    [
        (["status"], STATUS, ("status", (), {})),
        (["history"], History(revisions=()), ("history", (), {"runs": False, "changes": False})),
        (["history", "--runs"], History(revisions=()), ("history", (), {"runs": True, "changes": False})),
        (["schema"], Schema(side="live", objects=()), ("schema", ("live",), {})),
        (["schema", "history@0007"], Schema(side="history@0007", objects=()), ("schema", ("history@0007",), {})),
        (
            ["drift"],
            DRIFT,
            ("drift", (), {"from_": None, "to": None, "privileges": False, "cache": True}),
        ),
        (
            ["drift", "--from", "models", "--to", "live", "--strict", "--privileges", "--no-cache"],
            DRIFT,
            ("drift", (), {"from_": "models", "to": "live", "privileges": True, "cache": False}),
        ),
        (
            ["plan"],
            PLAN,
            ("plan", ("heads",), {"allow": (), "down": False, "values": True, "derive": False, "run": None}),
        ),
        (
            ["plan", "+2", "--allow", "a:b", "--allow", "c:d"],
            PLAN,
            ("plan", ("+2",), {"allow": ("a:b", "c:d"), "down": False, "values": True, "derive": False, "run": None}),
        ),
        (
            ["plan", "--down"],
            PLAN,
            ("plan", ("-1",), {"allow": (), "down": True, "values": True, "derive": False, "run": None}),
        ),
        (
            ["plan", "-12"],
            PLAN,
            ("plan", ("-12",), {"allow": (), "down": True, "values": True, "derive": False, "run": None}),
        ),
        (
            ["plan", "base", "--down"],
            PLAN,
            ("plan", ("base",), {"allow": (), "down": True, "values": True, "derive": False, "run": None}),
        ),
        (
            ["lint"],
            LINT,
            ("lint", (), {"since": None, "downgrades": None, "allow": (), "cache": True, "baseline": None}),
        ),
        (
            ["lint", "a1:", "--no-downgrades", "--since", "main", "--allow", "a:b", "--no-cache"],
            LINT,
            (
                "lint",
                ("a1:",),
                {"since": "main", "downgrades": False, "allow": ("a:b",), "cache": False, "baseline": None},
            ),
        ),
        (
            ["plan", "--no-data"],
            PLAN,
            ("plan", ("heads",), {"allow": (), "down": False, "values": False, "derive": False, "run": None}),
        ),
        (["apply"], RUN, ("apply", ("heads",), {"allow": (), "confirm": (), "backup": None, "rehearse": None})),
        (
            ["apply", "+1", "--allow", "a:b", "--confirm", "mesh"],
            RUN,
            ("apply", ("+1",), {"allow": ("a:b",), "confirm": ("mesh",), "backup": None, "rehearse": None}),
        ),
        (["verify"], Verify(problems=()), ("verify", (), {})),
        (["test"], TestRun(tables=(), selected=()), ("test", ((),), {"all": False})),
        (
            ["test", "--all", "--", "-k", "a", "--json"],
            TestRun(tables=(), selected=()),
            ("test", (("-k", "a", "--json"),), {"all": True}),
        ),
        (
            ["rollback"],
            RUN,
            ("rollback", ("-1",), {"allow": (), "confirm": (), "derive": False, "run": None, "rehearse": None}),
        ),
        (
            ["rollback", "-2", "--confirm", "mesh"],
            RUN,
            ("rollback", ("-2",), {"allow": (), "confirm": ("mesh",), "derive": False, "run": None, "rehearse": None}),
        ),
        (
            ["rollback", "--derive"],
            RUN,
            ("rollback", ("-1",), {"allow": (), "confirm": (), "derive": True, "run": None, "rehearse": None}),
        ),
        (
            ["rollback", "--confirm", "mesh", "base"],
            RUN,
            (
                "rollback",
                ("base",),
                {"allow": (), "confirm": ("mesh",), "derive": False, "run": None, "rehearse": None},
            ),
        ),
        (
            ["stamp", "0007"],
            Stamp(from_=(), to=("0007",), differences=()),
            ("stamp", ("0007",), {"force": False, "confirm": None}),
        ),
        (
            ["stamp", "heads", "--force", "--confirm", "mesh"],
            Stamp(from_=(), to=("1",), differences=()),
            ("stamp", ("heads",), {"force": True, "confirm": "mesh"}),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_verb_asks_for_what_was_typed(
    run: Run,
    library: Recorder,
    words: list[str],
    answer: Result,
    call: tuple[str, Sequence[object], Mapping[str, object]],
) -> None:
    """The library's method gets exactly what the words say, and the result ends 0 in text and in JSON."""
    library.answers = [answer, answer]
    outcome = run(*words)
    assert (outcome.code, outcome.err) == (0, "")
    assert library.calls == [call]
    position = words.index("--") if "--" in words else len(words)
    document = json.loads(run(*words[:position], "--json", *words[position:]).out)
    assert (document["verb"], document["ok"]) == (words[0], True)


@pytest.mark.parametrize(
    ("words", "answer", "code"),
    [
        ("status", replace(STATUS, pending=(PendingRevision("2", "m", "f"),)), 1),
        ("status", replace(STATUS, unknown=("x",)), 1),
        ("status", replace(STATUS, drift=DriftCounts(0, 1)), 1),
        ("status", replace(STATUS, drift=DriftCounts(None, None)), 0),
        ("drift", Drift(comparisons=(Comparison("history", "live", (CHANGE,)),)), 1),
        (
            "drift",
            Drift(comparisons=(Comparison("history", "live", (replace(CHANGE, class_=ChangeClass.NAME_ONLY),)),)),
            0,
        ),
        (
            "drift --strict",
            Drift(comparisons=(Comparison("history", "live", (replace(CHANGE, class_=ChangeClass.NAME_ONLY),)),)),
            1,
        ),
        ("plan", replace(PLAN, findings=(FINDING,)), 1),
        ("plan", replace(PLAN, findings=(replace(FINDING, severity=Severity.WARNING),)), 0),
        ("plan", replace(PLAN, findings=(replace(FINDING, allowed=Allowed("r", "flag")),)), 0),
        ("apply", replace(RUN, verify=VerifyOutcome(False, (PROBLEM,))), 1),
        ("apply", replace(RUN, verify=None), 0),
        ("apply", replace(RUN, state="stopped", exit_code=4, error=ErrorReport("e", "m", "", "", "", ())), 4),
        ("rollback", replace(RUN, state="partial", exit_code=5, error=ErrorReport("e", "m", "", "", "", ())), 5),
        ("verify", Verify(problems=(PROBLEM,)), 1),
        ("test", TestRun(tables=(), selected=("t.py",), failed=2, exit_code=1), 1),
        ("test", TestRun(tables=(), selected=("t.py",), exit_code=4), 1),
    ],
)
def test_the_answer_decides_the_exit_code(run: Run, library: Recorder, words: str, answer: Result, code: int) -> None:
    """Exit codes follow from the result alone, whatever the format; ``ok`` says the same."""
    library.answers = [answer, answer]
    assert run(*words.split()).code == code
    as_json = run(*words.split(), "--json")
    assert as_json.code == code
    assert json.loads(as_json.out)["ok"] is (code == 0)


def test_the_setting_is_as_strict_as_the_flag(run: Run, library: Recorder, tmp_path: Path) -> None:
    """`strict = true` in the settings makes another name drift, as --strict does."""
    (tmp_path / "db-migrate.toml").write_text("strict = true")
    library.answers = [
        Drift(comparisons=(Comparison("history", "live", (replace(CHANGE, class_=ChangeClass.NAME_ONLY),)),))
    ]
    assert run("drift").code == 1


def test_the_error_of_a_run_goes_to_standard_error(run: Run, library: Recorder) -> None:
    """What was done is on standard output, why it stopped on standard error; in JSON both are in the document."""
    library.answers = [
        replace(RUN, state="stopped", exit_code=6, error=ErrorReport("lock.budget", "no lock", "", "", "", ()))
    ] * 2
    outcome = run("apply")
    assert "stopped at a whole revision" in outcome.out
    assert outcome.err.startswith("error[lock.budget]: no lock")
    document = json.loads(run("apply", "--json").out)
    assert document["error"]["code"] == "lock.budget"
    assert document["to"] == ["2"]


def test_a_stream_ends_with_the_result(run: Run, library: Recorder) -> None:
    """``--format jsonl`` has one event a line, as they happen; the last one carries the document of ``--json``."""
    blocker = Blocker(7, "app", "web", 5.0, "idle", "SELECT 1", "public.a", "ACCESS SHARE")
    library.events = [
        ProgressEvent(ProgressKind.STEP_STARTED, "1", "r1", 0, "SELECT 1"),
        ProgressEvent(ProgressKind.LOCK_WAIT, "1", "r1", seconds=2.0, blockers=(blocker,)),
        ProgressEvent(ProgressKind.FINISHED, "1", message="done"),
    ]
    library.answers = [RUN, RUN, Refused("plan.stale", "it is stale")]
    lines = [json.loads(line) for line in run("apply", "--format", "jsonl").out.splitlines()]
    assert [each["event"] for each in lines] == ["step_started", "lock_wait", "finished"]
    assert lines[1]["blockers"][0]["application"] == "web"
    assert lines[2]["result"] == json.loads(run("apply", "--json").out)

    refused = run("apply", "--format", "jsonl")
    last = json.loads(refused.out.splitlines()[-1])
    assert (refused.code, last["event"], last["result"]["error"]["code"]) == (3, "finished", "plan.stale")


def test_who_waits_is_told_on_standard_error(run: Run, library: Recorder) -> None:
    """As text, standard output has the result alone; with --quiet standard error has nothing either."""
    blocker = Blocker(7, "app", "web", 5.0, "idle", "SELECT 1", "public.a", "ACCESS SHARE")
    library.events = [ProgressEvent(ProgressKind.LOCK_WAIT, "1", "r1", seconds=2.0, blockers=(blocker,))] * 3
    library.answers = [RUN, RUN]
    told = run("apply")
    assert told.err.count("waiting 2.0 s for process 7 of app (web)") == 1
    assert "waiting" not in told.out
    assert run("apply", "--quiet").err == ""


@pytest.mark.parametrize(
    "words",
    [
        [
            "-n",
            "other",
            "-x",
            "a=1",
            "--target",
            "live",
            "--url",
            "postgresql://h/d",
            "-c",
            "a.ini",
            "status",
            "-x",
            "b=2",
        ],
        [
            "status",
            "-n",
            "other",
            "-x",
            "a=1",
            "-x",
            "b=2",
            "--target",
            "live",
            "--url",
            "postgresql://h/d",
            "--config",
            "a.ini",
        ],
        [
            "-n",
            "first",
            "-x",
            "a=1",
            "-x",
            "b=2",
            "status",
            "--name",
            "other",
            "--target=live",
            "--url=postgresql://h/d",
            "-ca.ini",
        ],
    ],
)
def test_common_options_may_stand_on_either_side(run: Run, library: Recorder, tmp_path: Path, words: list[str]) -> None:
    """Before the verb or after it: the same settings; the later one wins, and -x adds up."""
    library.answers = [STATUS]
    assert run(*words).code == 0
    settings = library.settings
    assert settings is not None
    assert (settings.name, settings.x, settings.target) == ("other", ("a=1", "b=2"), "live")
    assert (settings.url, settings.config) == ("postgresql://h/d", tmp_path / "a.ini")


def test_a_verbs_own_flags_become_settings(run: Run, library: Recorder) -> None:
    """--lock-budget is the setting of that name, with the flag as its source."""
    library.answers = [RUN]
    assert run("apply", "--lock-budget", "90s").code == 0
    assert library.settings is not None
    assert library.settings.lock_budget == 90
    assert library.settings.sources["lock_budget"] == "flag: --lock-budget"


def test_a_bad_flag_value_is_reported_with_the_settings(run: Run, library: Recorder) -> None:
    """A duration without a unit is a usage error that names the flag."""
    outcome = run("apply", "--lock-budget", "90")
    assert outcome.code == 2
    assert "--lock-budget: must be a duration with its unit" in outcome.err
    assert library.calls == []


def test_a_plan_is_written_and_applied_as_the_same_value(run: Run, library: Recorder, tmp_path: Path) -> None:
    """`plan --out` writes what --json prints, and `apply FILE` hands the library an equal plan."""
    plan = replace(PLAN, findings=(FINDING,))
    library.answers = [plan, plan, RUN]
    assert run("plan", "--out", "plan.json", "--sql", "plan.sql").code == 1
    assert (tmp_path / "plan.json").read_text("utf-8") == run("plan", "--json").out
    assert (tmp_path / "plan.sql").read_text("utf-8").startswith("-- upgrade 1 -> 1\n")
    assert run("apply", "plan.json").code == 0
    assert library.calls[-1] == ("apply", (plan,), {"allow": (), "confirm": (), "backup": None, "rehearse": None})


@pytest.mark.parametrize(
    "words", [("--allow", "drop-column:public.users.email"), ("--release", "v1"), ("--sample", "9")]
)
def test_what_a_plan_has_settled_is_not_given_again(run: Run, library: Recorder, words: tuple[str, ...]) -> None:
    """It would be without effect: it is refused, with the command that makes such a plan."""
    library.answers = [PLAN]
    run("plan", "--out", "plan.json")
    outcome = run("apply", "plan.json", *words)
    assert outcome.code == 2
    assert f"error[plan.settled]: {' '.join(words)} comes too late for plan.json" in outcome.err
    assert f"db-migrate plan {' '.join(words)} --out plan.json" in outcome.err
    assert [name for name, *_ in library.calls] == ["plan"]


def test_the_script_has_the_lock_timeout_of_the_settings(run: Run, library: Recorder, tmp_path: Path) -> None:
    """The SQL that the command writes has the target's own lock timeout, in the file and on standard output."""
    (tmp_path / "db-migrate.toml").write_text('lock_timeout = "70ms"\n[targets.live.budgets]\nlock_timeout = "20ms"\n')
    plan = replace(PLAN, revisions=(a_revision("2", a_statement("SELECT 1")),))
    library.answers = [plan, plan]
    assert "SET LOCAL lock_timeout = '70ms';" in run("plan", "--format", "sql").out
    run("plan", "--target", "live", "--sql", "plan.sql")
    assert "SET LOCAL lock_timeout = '20ms';" in (tmp_path / "plan.sql").read_text("utf-8")


def test_a_plan_that_cannot_be_written_is_an_error(run: Run, library: Recorder, tmp_path: Path) -> None:
    """A folder that is not there ends 2, names the file and leaves nothing behind."""
    library.answers = [PLAN]
    outcome = run("plan", "--out", "missing/plan.json")
    assert outcome.code == 2
    assert "error[output.unwritable]: missing/plan.json cannot be written" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_is_not_there_is_an_error(run: Run, library: Recorder) -> None:
    """`apply FILE.json` without the file ends 2 and says how to make one."""
    outcome = run("apply", "plan.json")
    assert outcome.code == 2
    assert "error[plan.unreadable]" in outcome.err
    assert "db-migrate plan --out plan.json" in outcome.err
    assert library.calls == []


def test_nothing_is_asked_without_a_terminal(run: Run, library: Recorder) -> None:
    """A refusal for want of the database's name is passed on; nobody is there to answer."""
    library.answers = [Refused("consent.missing", "losing data needs the database's name")]
    outcome = run("apply")
    assert outcome.code == 3
    assert len(library.calls) == 1


def test_the_settings_are_listed_without_passwords(run: Run) -> None:
    """`config` shows every setting, with --sources where it came from, and never a password."""
    outcome = run("config", "--sources", "--url", "postgresql://u:s3cret@h/d")
    assert outcome.code == 0
    assert "s3cret" not in outcome.out
    assert "flag: --url" in outcome.out
    document = json.loads(run("config", "--json").out)
    assert {"key": "lock_timeout", "value": "50ms", "source": "default"} in document["settings"]


def test_the_threshold_of_lint(run: Run, library: Recorder) -> None:
    """A finding counts from `--fail-on` or the setting upward, by default from warning, unless something allows it."""
    note = replace(FINDING, severity=Severity.NOTE)
    allowed = replace(FINDING, allowed=Allowed("r", "baseline"))
    for words, findings, code in (
        (["lint"], (note,), 0),
        (["lint", "--fail-on", "note"], (note,), 1),
        (["lint"], (replace(note, severity=Severity.WARNING),), 1),
        (["lint", "--fail-on", "error"], (replace(note, severity=Severity.WARNING),), 0),
        (["lint", "--fail-on", "error"], (FINDING,), 1),
        (["lint", "--fail-on", "note"], (allowed,), 0),
    ):
        threshold = words[-1] if len(words) > 1 else "warning"
        library.answers = [replace(LINT, findings=findings, fail_on=threshold)]
        assert run(*words).code == code, words
        assert library.settings is not None
        assert library.settings.fail_on == threshold
    library.answers = [replace(LINT, revisions=(replace(a_revision("2"), error="it fails"),))]
    outcome = run("lint", "--fail-on", "error")
    assert (outcome.code, "2 fails on scratch: it fails" in outcome.out) == (1, True)


def test_a_baseline_is_written_and_read(run: Run, library: Recorder, tmp_path: Path) -> None:
    """`--write-baseline` writes what is found without it, keeps reasons, and needs a file to write."""
    warning = replace(FINDING, severity=Severity.WARNING)
    library.answers = [replace(LINT, findings=(warning,)), LINT]
    assert run("lint", "--baseline", "known.json", "--write-baseline").code == 0
    assert [call[2]["baseline"] for call in library.calls] == [None, tmp_path / "known.json"]
    known = json.loads((tmp_path / "known.json").read_text("utf-8"))
    assert [(each["rule"], each["object"], each["revision"]) for each in known["findings"]] == [
        ("drop-column", "public.t.c", "2")
    ]
    (tmp_path / "known.json").write_text((tmp_path / "known.json").read_text().replace("known when", "agreed when"))
    other = replace(warning, rule="drop-table")
    library.answers = [replace(LINT, findings=(warning, other)), LINT]
    (tmp_path / "db-migrate.toml").write_text('baseline = "known.json"')
    assert run("lint", "--write-baseline").code == 0
    reasons = [each["reason"] for each in json.loads((tmp_path / "known.json").read_text("utf-8"))["findings"]]
    assert [each.split()[0] for each in reasons] == ["agreed", "known"]
    (tmp_path / "db-migrate.toml").unlink()
    library.answers = []
    assert "error[baseline.missing]" in run("lint", "--write-baseline").err
