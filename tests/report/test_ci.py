"""Findings for machines: each format is read back by its own rules, with names that were made to break it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from db_migrate.report.ci import annotated, github, gitlab, jsonl, sarif
from db_migrate.report.junit import junit
from db_migrate.report.markdown import code, lint_markdown, plan_markdown
from db_migrate.report.style import Style
from db_migrate.report.text.plan import revision_text
from db_migrate.report.timeline import gantt, held_text, timeline
from db_migrate.results import Fingerprints, Lint, LockEffect, Plan, WayBack
from db_migrate.rules.finding import Allowed, Finding, Severity

from .values import a_finding, a_plan, a_revision, a_statement

PLAIN = Style()
HOSTILE = "x\n::set-output name=a::b%0A\r]]>\x1b[31m\x00\u2028</failure><!-- `` | \" ' & \ud800 \N{SNOWMAN}"


def _hostile_plan() -> Plan:
    """An error, a warning and a note, one of them allowed, a failing revision, and hostile texts everywhere."""
    texts = {"object": HOSTILE, "message": HOSTILE, "why": HOSTILE, "fix": HOSTILE}
    bad = replace(a_finding(), **texts)  # type: ignore[arg-type]
    found = (
        bad,
        replace(bad, line=21, severity=Severity.WARNING, file="versions/100% sure, a:b.py"),
        replace(bad, severity=Severity.NOTE, file="", line=0),
        replace(bad, rule="drop-table", allowed=Allowed(HOSTILE, "revision")),
        replace(bad, rule="no-such-rule", allowed=Allowed("r", "baseline"), revision="gone"),
    )
    plan = a_plan()
    failing = replace(a_revision("0104"), error=HOSTILE, message=HOSTILE)
    return replace(plan, findings=found, revisions=(*plan.revisions, failing))


def _lint(plan: Plan, fail_on: str = "warning", **named: Any) -> Lint:
    fields = {name: getattr(plan, name) for name in Plan.__dataclass_fields__}
    return Lint(**{**fields, "target": None, "fail_on": fail_on, **named})


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is a folder within a repository."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "service").mkdir()
    monkeypatch.chdir(tmp_path / "service")


def test_every_format_is_ascii() -> None:
    """Whatever the locale of the runner, nothing has to be escaped on the way out."""
    for render in (sarif, github, gitlab, junit, jsonl):
        assert render(_hostile_plan(), PLAIN).isascii(), render


def test_sarif_has_what_the_standard_requires() -> None:
    """The required properties of sarif-schema-2.1.0.json, and what GitHub's upload needs, hold for every result."""
    log = json.loads(sarif(_hostile_plan(), PLAIN))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "db-migrate"
    assert len({each["id"] for each in rules}) == len(rules) == 4
    for rule in rules:
        assert rule["shortDescription"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        assert all(isinstance(value, str) and value for value in result["partialFingerprints"].values())
        for location in result.get("locations", ()):
            place = location["physicalLocation"]
            assert place["region"]["startLine"] >= 1
            assert re.fullmatch(r"[A-Za-z0-9/._~%-]+", place["artifactLocation"]["uri"])
        for suppression in result.get("suppressions", ()):
            assert suppression["kind"] in ("inSource", "external")
    prints = [each["partialFingerprints"]["dbMigrateFinding/v1"] for each in run["results"]]
    assert len(set(prints)) == len(prints) == 6
    uris = [
        e["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for e in run["results"] if "locations" in e
    ]
    assert "service/versions/100% sure, a:b.py" in map(unquote, uris)
    kinds = [each["suppressions"][0]["kind"] for each in run["results"] if "suppressions" in each]
    assert kinds == ["inSource", "external"]


def test_a_finding_keeps_its_fingerprint_when_its_line_moves() -> None:
    """Lines and words may change; another object, rule or revision is another finding."""
    plan = replace(a_plan(), findings=(a_finding(),))
    one = annotated(plan)[0].fingerprint
    moved = replace(a_finding(), line=99, message="other words", severity=Severity.NOTE)
    assert annotated(replace(plan, findings=(moved,)))[0].fingerprint == one
    for other in ({"object": "o"}, {"rule": "r"}, {"revision": "v"}):
        assert annotated(replace(plan, findings=(replace(moved, **other),)))[0].fingerprint != one  # type: ignore[arg-type]


def _commands(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Workflow commands as the runner reads them (actions/runner, ``ActionCommand.TryParseV2``)."""
    for line in text.split("\n")[:-1]:
        head, _, data = line.removeprefix("::").partition("::")
        command, _, properties = head.partition(" ")
        pairs = dict(each.split("=", 1) for each in properties.split(","))
        yield command, {k: _unescaped(v, property_=True) for k, v in pairs.items()}, _unescaped(data, property_=False)


def _unescaped(text: str, *, property_: bool) -> str:
    codes = {"%0D": "\r", "%0A": "\n", **({"%3A": ":", "%2C": ","} if property_ else {}), "%25": "%"}
    return re.sub("%[0-9A-F]{2}", lambda found: codes.get(found[0], found[0]), text)


def test_github_gets_one_command_for_each_open_finding() -> None:
    """No name begins a command of its own; what is allowed is not shown; paths are the repository's."""
    found = list(_commands(github(_hostile_plan(), PLAIN)))
    assert [command for command, _, _ in found] == ["error", "error", "warning", "notice"]
    assert found[0][1]["title"].startswith("revision-fails: fails on scratch: ")
    assert found[2][1]["file"] == "service/versions/100% sure, a:b.py"
    assert found[2][1]["line"] == "21"
    assert "file" not in found[3][1]
    assert all("::set-output name=a::b%0A" in text for _, _, text in found)
    assert all(set(properties) <= {"title", "file", "line"} for _, properties, _ in found)


def test_gitlab_gets_what_its_report_format_asks_for() -> None:
    """Description, check, unique fingerprint, one of its severities, and a place for every open finding."""
    issues = json.loads(gitlab(_hostile_plan(), PLAIN))
    assert [each["severity"] for each in issues] == ["critical", "critical", "major", "info"]
    for each in issues:
        assert set(each) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert each["location"]["path"]
        assert each["location"]["lines"]["begin"] >= 1
    assert len({each["fingerprint"] for each in issues}) == len(issues)


def test_junit_is_xml_that_counts_what_the_exit_code_counts() -> None:
    """Failures are the errors of a plan, or what reaches lint's threshold; a revision without findings is one test."""
    for plan, failures in ((_hostile_plan(), 2), (_lint(_hostile_plan()), 3), (_lint(_hostile_plan(), "note"), 4)):
        suites = ElementTree.fromstring(junit(plan, PLAIN)).findall("testsuite")
        assert [each.get("name") for each in suites] == ["0102", "0103", "0104", "gone"]
        assert sum(int(each.get("failures", "")) for each in suites) == failures
        assert sum(len(each.findall("testcase/failure")) for each in suites) == failures
        assert sum(len(each.findall("testcase/skipped")) for each in suites) == 2
        assert (
            sum(int(each.get("tests", "")) for each in suites) == sum(len(e.findall("testcase")) for e in suites) == 7
        )


def test_lines_of_json_are_documents() -> None:
    """Each line stands alone; a revision's statements are with it; the last line says that there are no more."""
    lines = [json.loads(line) for line in jsonl(_hostile_plan(), PLAIN).splitlines()]
    assert [each["event"] for each in lines] == ["revision"] * 3 + ["finding"] * 5 + ["finished"]
    assert lines[-1] == {"event": "finished", "revisions": 3, "findings": 5}
    assert lines[0]["statements"][0]["sql"].startswith("ALTER TABLE")


def test_lint_in_markdown() -> None:
    """What counts, what fails and how far back one can go; hostile names make no new row, heading or tag."""
    way = WayBack(("0101",), "0102", HOSTILE)
    shown = lint_markdown(_lint(_hostile_plan(), way_back=way), PLAIN)
    assert "**2 findings at or above warning.**" in shown
    assert "**`0104` fails on scratch:**" in shown
    assert "**One can go down to 0101:** the downgrade of `0102` is no way back" in shown
    outside = re.sub(r"(`+).+?(?<!`)\1(?!`)", "", shown)
    assert "<!--" not in outside
    assert "</failure" not in outside
    rows = [line for line in shown.splitlines() if line.startswith("| ") and "`drop-" in line]
    assert len(rows) == 4
    clean = _lint(replace(a_plan(), findings=()), way_back=WayBack((), "", ""))
    assert "**Nothing at or above warning.**" in lint_markdown(clean, PLAIN)
    assert "down to base" in lint_markdown(clean, PLAIN)
    assert code("a``b`c") == "``` a``b`c ```"


def _timed() -> Plan:
    lock = LockEffect("public.users", "ACCESS EXCLUSIVE", ("reads", "writes"))
    weaker = LockEffect("public.orders", "SHARE", ("writes",))
    first, second = a_statement("ALTER TABLE users ADD x int"), a_statement("UPDATE orders SET a = 1; -- :x #y")
    third = replace(second, effects=replace(second.effects, locks=(weaker,), writes=("public.orders",)))
    alone = a_statement("CREATE INDEX i ON orders (a)", transaction=2)
    statements = (
        replace(first, effects=replace(first.effects, locks=(lock,))),
        third,
        replace(alone, effects=replace(alone.effects, locks=(weaker,))),
    )
    return replace(a_plan(), revisions=(a_revision("0102", *statements),))


def test_what_is_held_while_what_runs() -> None:
    """A lock lasts to the end of its transaction; one that ends with its statement is no news."""
    one, two = timeline(_timed().revisions[0])
    assert [(each.relation, each.first, each.last) for each in one.spans] == [
        ("public.users", 1, 2),
        ("public.orders", 2, 2),
    ]
    line = (
        "public.users is held in ACCESS EXCLUSIVE from 1 to 2: reads and writes wait while it writes to public.orders"
    )
    assert [list(held_text(each)) for each in (one, two)] == [[line], []]
    assert "public.users is held in ACCESS EXCLUSIVE from 1 to 2" in revision_text(_timed().revisions[0], PLAIN)
    chart = gantt(_timed().revisions)
    assert "    public.users ACCESS EXCLUSIVE :crit, 0, 2" in chart
    assert "    public.orders SHARE :active, 2, 3" in chart
    assert all(line.count(":") <= 1 and "#" not in line and ";" not in line for line in chart.splitlines())
    assert "```mermaid\ngantt" in plan_markdown(_timed(), PLAIN)
    assert gantt([a_revision("1", a_statement("SELECT 1"))]) == ""


def test_nothing_found_is_a_report_too() -> None:
    """Without findings each format is still a document of its kind."""
    empty = replace(a_plan(), findings=(), revisions=(), fingerprint=Fingerprints("a", "a"))
    assert json.loads(sarif(empty, PLAIN))["runs"][0]["results"] == []
    assert json.loads(gitlab(empty, PLAIN)) == []
    assert github(empty, PLAIN) == ""
    assert ElementTree.fromstring(junit(empty, PLAIN)).tag == "testsuites"
    absolute = replace(a_finding(), file="/elsewhere/a b.py")
    (result,) = json.loads(sarif(replace(empty, findings=(absolute,)), PLAIN))["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert uri == {"uri": "file:///elsewhere/a%20b.py"}
    assert isinstance(absolute, Finding)
