"""Hooks around runs and revisions: when they are run, what they are told, and what comes of one that fails."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from db_migrate.config import HookSettings

from .conftest import Site
from .processes import running

CALLABLES = """
import pathlib
import socket
import time

from sqlalchemy import create_engine, text


def note(facts):
    with (pathlib.Path(__file__).parent / "said").open("a") as file:
        file.write("python " + facts["hook"] + "\\n")


def fail(facts):
    raise ValueError("not today: " + facts["hook"])


def sleep(facts):
    time.sleep(60)


def call_out(facts):
    socket.create_connection(("192.0.2.1", 80), timeout=5)


def query(facts):
    with create_engine("{url}").connect() as connection:
        connection.execute(text("SELECT 1 FROM a"))
"""


def hooked(site: Site, **hooks: Any) -> None:
    """Let these be the hooks."""
    site.settings = replace(site.settings, hooks=HookSettings(**hooks))


def journalled(site: Site, run: str) -> list[tuple[Any, ...]]:
    """The hooks of a run as the journal has them."""
    return site.sql(
        "SELECT content ->> 'moment', content ->> 'state' FROM db_migrate.entries "
        f"WHERE run = '{run}' AND content ? 'hook' ORDER BY number"
    )


def test_hooks_are_run_in_their_order_and_told_what_they_are_about(site: Site) -> None:
    """Commands get JSON, callables a dictionary; what fails after something was done is a warning.

    What a command leaves running is not waited for.
    """
    said = site.folder / "said"
    (site.folder / "own_hooks.py").write_text(CALLABLES.replace("{url}", site.conninfo.url(site.driver)))
    (site.folder / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n"
    )
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    site.revision("r2", "op.execute('CREATE TABLE b (id int)')")
    hooked(
        site,
        before_run=("cat > told.json; echo shell >> said; sleep 40 &", "python:own_hooks:note"),
        before_revision=("python:own_hooks:note",),
        after_revision=("python:own_hooks:query", "echo no; exit 3"),
        on_failure=("echo never >> said",),
        after_run=("python:own_hooks:note", "python:own_hooks:fail"),
    )
    done = site.apply()
    assert (done.state, done.exit_code) == ("done", 0), done.error
    assert said.read_text().splitlines() == [
        "shell",
        "python before_run",
        "python before_revision",
        "python before_revision",
        "python after_run",
    ]
    told = json.loads((site.folder / "told.json").read_text())
    assert (told["run"], told["hook"], told["destination"], told["from"]) == (done.run, "before_run", ["r2"], [])
    after = [each for each in done.warnings if "after_revision hook `echo no; exit 3`" in each]
    assert len(after) == 2
    assert after[0].endswith("ended with exit code 3: no")
    assert "not today: after_run" in done.warnings[-1]
    states = ["done", "done", "done", "done", "failed", "done", "done", "failed", "done", "failed"]
    assert [state for _, state in journalled(site, done.run)] == states
    assert [each.message for each in site.events if each.event == "hook_started"][1] == "python:own_hooks:note"

    site.revision("r3", "op.execute('CREATE TABLE c (id int)')")
    plan = site.plan()
    for hook, why in (
        ("exit 1", "ended with exit code 1"),
        ("sleep 60", "did not end within 2 s"),
        ("python:own_hooks:sleep", "did not end within 2 s"),
        ("python:own_hooks:fail", "ValueError: not today"),
        ("python:own_hooks:call_out", "PermissionError"),
        ("python:nowhere:nothing", "there is no module nowhere"),
    ):
        moment = "before_revision" if hook == "exit 1" else "before_run"
        hooked(site, **{moment: (hook,)}, on_failure=("echo failed >> said",), timeout=2.0)
        stopped = site.execute(plan)
        assert (stopped.state, stopped.exit_code, stopped.to) == ("stopped", 4, ("r2",)), hook
        assert stopped.error is not None
        assert (stopped.error.code, why in stopped.error.message) == ("apply.hook", True), stopped.error
        assert journalled(site, stopped.run) == [(moment, "failed"), ("on_failure", "done")]
    assert said.read_text().count("failed\n") == 6
    assert site.sql("SELECT to_regclass('c'), count(*) FROM db_migrate.runs WHERE state = 'stopped'") == [(None, 6)]


def test_ctrl_c_ends_the_hook_that_is_running(site: Site) -> None:
    """Before anything was done it ends the run, which the journal knows; after all was done it ends only the hook."""
    site.revision("r1", "op.execute('CREATE TABLE a (id int)')")
    hook = "kill -INT $PPID; sleep 25"
    for moment, code, state in (
        ("before_run", 130, "stopped"),
        ("before_revision", 130, "stopped"),
        ("after_run", 0, "done"),
    ):
        began = time.monotonic()
        with running(site, site.plan(), hooks=HookSettings(**{moment: (hook,)})) as process:
            assert (process.end(), moment) == (code, moment)
            assert process.outcome is not None
        assert time.monotonic() - began < 20, moment
        assert process.outcome["code"] == ("apply.interrupted" if code else "")
        assert (process.outcome["state"], process.outcome["to"]) == (state, ["r1"] if state == "done" else [])
        assert site.sql("SELECT state FROM db_migrate.runs ORDER BY started_at DESC LIMIT 1") == [(state,)]
