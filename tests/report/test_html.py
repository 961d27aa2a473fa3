"""The report's page in a real browser: whole without a script, whole with one, and nothing in it becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.report.values import DEFAULT_CHANGED, TARGET, a_drift, a_plan, a_revision, a_statement

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.report.html import report_html
from db_migrate.report.html.diagram import MOST, draw
from db_migrate.report.html.timeline import timelines
from db_migrate.results import (
    DriftCounts,
    History,
    HistoryRevision,
    LockEffect,
    PendingRevision,
    PlannedStatement,
    ReportData,
    RunSummary,
    Schema,
    SchemaEntry,
    Status,
)

SECTIONS = ("state", "drift", "plan", "findings", "diagram", "tables", "history", "runs")
HOSTILE = "<img src=x onerror=\"document.title='owned'\"></title></script>&amp;\u202e\x1b[31m"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")

pytestmark = pytest.mark.browser


def a_table(name: str, *columns: str, refers: str = "") -> SchemaEntry:
    """A table of text columns with a primary key on the first; its last refers to another table."""
    parts = [SchemaEntry("column", f"{name}.{each}", {"type": "text", "nullable": True}) for each in columns]
    parts.append(SchemaEntry("primary_key", f"{name}.pk", {"columns": (columns[0],)}))
    if refers:
        key = {"columns": (columns[-1],), "referenced": f"{refers}(id)"}
        parts.append(SchemaEntry("foreign_key", f"{name}.fk", key))
    return SchemaEntry("table", name, {}, columns=tuple(parts))


def a_report(word: str = "users", tables: int = 3, revisions: int = 3) -> ReportData:
    """A report in which ``word`` stands wherever a name, a message or SQL does."""
    plan = a_plan()
    plan = replace(
        plan,
        revisions=tuple(
            replace(r, message=word, statements=tuple(replace(s, sql=f"SELECT '{word}'") for s in r.statements))
            for r in plan.revisions
        ),
        findings=tuple(replace(f, message=word, fix=word, why=word, object=f"public.{word}") for f in plan.findings),
    )
    graph = tuple(
        HistoryRevision(f"{n:04}", (f"{n - 1:04}",) if n else (), (word,), (), word, "v.py", n == revisions - 1, None)
        for n in range(revisions)
    )
    run = RunSummary("r", "apply", "done", ("0001",), ("0002",), "2026-01-01T00:00:00Z", 1.5, word, "", 0.25)
    status = Status(
        target=replace(TARGET, database=word),
        current=("0000",),
        heads=("0002",),
        pending=(PendingRevision("0001", word, "v.py"),),
        unknown=(),
        drift=DriftCounts(0, 1),
        last_run=None,
    )
    own = [a_table(f"public.{word}", "id", "email", "role")]
    own += [a_table(f"public.t{n}", "id", "other", refers="public.t0" if n else "") for n in range(tables)]
    return ReportData(
        made_at="2026-11-25T20:00:00+00:00",
        status=status,
        history=History(revisions=graph, runs=(run,)),
        drift=a_drift(replace(DEFAULT_CHANGED, explanation=word, sql=word)),
        plan=plan,
        schema=Schema(side="live", objects=tuple(own)),
        problems=(word,),
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(QUIET))
        yield opened
        opened.close()


def show(browser: Browser, tmp_path: Path, data: ReportData, *, script: bool = True) -> tuple[Page, list[str]]:
    """The report's page, and what the browser complained of or tried to load."""
    file = tmp_path / "report.html"
    file.write_text(report_html(data, source=lambda _file, _line: "op.drop_column()"), encoding="utf-8")
    context = browser.new_context(java_script_enabled=script)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    return page, complaints


def test_every_section_is_there_without_a_script(browser: Browser, tmp_path: Path) -> None:
    """What the page says does not depend on scripts, and it asks for nothing from anywhere."""
    page, complaints = show(browser, tmp_path, a_report(), script=False)
    for each in SECTIONS:
        assert page.locator(f"#{each} h2").is_visible(), each
        assert len((page.locator(f"#{each}").text_content() or "").split()) > 3, each
    assert page.locator("#plan .timeline td.held.reads.taken").count() == 1
    assert "0.25" not in page.locator("#runs").inner_text()
    assert "250 ms" in page.locator("#runs").inner_text()
    assert not page.locator(".controls").first.is_visible()
    assert complaints == []


def test_filters_fold_and_zoom(browser: Browser, tmp_path: Path) -> None:
    """The filter hides what does not match, everywhere; severities, folding and the drawing's size work."""
    page, complaints = show(browser, tmp_path, a_report())
    entries = page.locator("#tables details:visible")
    assert entries.count() == 4
    page.fill("#filter", "t1")
    assert entries.count() == 1
    page.fill("#filter", "")
    page.click("#open-all")
    assert page.locator("#tables details[open]").count() == 4
    page.click("#close-all")
    assert page.locator("#tables details[open]").count() == 0
    page.select_option("#severity", "note")
    assert page.locator("#findings article:visible").count() == 0
    page.select_option("#severity", "error")
    assert page.locator("#findings article:visible").count() == 1
    before = page.locator("#er").bounding_box()
    page.click("#zoom-in")
    after = page.locator("#er").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > before["width"] * 1.2
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") != "BODY"
    assert complaints == []


def test_hostile_names_are_only_text(browser: Browser, tmp_path: Path) -> None:
    """A name or SQL that looks like markup, turns the direction of text or steers a terminal does none of that."""
    page, complaints = show(browser, tmp_path, a_report(HOSTILE))
    assert "owned" in page.title()  # as text of the title, for the database is called so
    assert page.title().startswith("db-migrate: <img")
    assert page.locator("img").count() == 0
    assert "\u202e" not in page.content()
    assert "\x1b" not in page.content()
    assert "<img src=x" in page.locator("#findings").inner_text()
    assert complaints == []


def test_a_thousand_tables_and_five_hundred_revisions(browser: Browser, tmp_path: Path) -> None:
    """All tables and revisions are listed; drawn are those that change and their neighbours."""
    page, complaints = show(browser, tmp_path, a_report(tables=1000, revisions=500))
    assert page.locator("#tables details").count() == 1001
    assert page.locator("#history li").count() >= 500
    assert 1 <= page.locator("#er g.box").count() <= MOST * 2
    page.fill("#filter", "t777")
    assert page.locator("#tables details:visible").count() == 1
    assert complaints == []


def test_a_lock_is_held_until_its_transaction_ends() -> None:
    """A stronger lock replaces a weaker; what an autocommit statement took is gone with it."""
    weak, strong = (LockEffect("public.t", mode, ("writes",)) for mode in ("SHARE", "ACCESS EXCLUSIVE"))

    def locking(sql: str, lock: LockEffect | None, transaction: int) -> PlannedStatement:
        made = a_statement(sql, transaction=transaction, autocommit=transaction == 2)
        return replace(made, effects=replace(made.effects, locks=(lock,) if lock else ()))

    revision = a_revision(
        "r",
        locking("a", None, 1),
        locking("b", weak, 1),
        locking("c", strong, 1),
        locking("d", weak, 1),
        locking("e", strong, 2),
        locking("f", None, 2),
    )
    together, alone = timelines(revision)
    assert [(h.short, h.taken) for h in together.rows[0][1]] == [("", False), ("S", True), ("AX", True), ("AX", False)]
    assert [h.short for h in alone.rows[0][1]] == ["AX", ""]


def test_tables_that_refer_to_each_other_in_a_circle_are_drawn() -> None:
    """A circle, a reference to itself and names that only look alike: every table has a place of its own."""
    circle = [
        a_table("public.a", "id", "b", refers="public.b"),
        a_table("public.b", "id", "a", refers="public.a"),
        a_table("public.self", "id", "parent", refers="public.self"),
    ]
    drawn = draw(circle, [Change(Kind.COLUMN, "public.a.b", Action.ALTERED, parent="public.a")])
    places = {(box.x, box.y) for box in drawn.boxes}
    assert len(places) == len(drawn.boxes) == 3
    assert len(drawn.lines) == 3
    assert {box.table: box.state for box in drawn.boxes} == {"public.a": "altered", "public.b": "", "public.self": ""}
    assert all(re.fullmatch(r"M[\d ]+ C[-\d ]+", line.path) for line in drawn.lines)


def test_a_table_with_a_bracket_in_its_name_is_referred_to() -> None:
    """What a foreign key refers to ends at the bracket that is not within quotes."""
    odd = 'public."a (b)"'
    drawn = draw([a_table(odd, "id"), a_table("public.c", "id", "a", refers=odd)], [])
    assert len(drawn.lines) == 1
