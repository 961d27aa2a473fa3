"""``db-migrate plan``: what would happen on this target."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.completion import revisions
from db_migrate.cli.options import CI_FORMATS, STEPS, Verb, one_of, steps_or_revision
from db_migrate.cli.output import write_file
from db_migrate.cli.run import carry_out

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import Plan

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Verb, formats=("text", "json", "markdown", "sql", *CI_FORMATS), runs_project=True, context_settings=STEPS
)
@click.argument("revision", default="", metavar="[REV|+N|-N]", callback=steps_or_revision, shell_complete=revisions())
@click.option("--out", type=_FILE, help="Write the plan here, for `db-migrate apply FILE`.")
@click.option("--sql", type=_FILE, help="Write the SQL here, as a script for psql.")
@click.option("--allow", metavar="RULE:OBJECT", multiple=True, help="The intent for one finding; repeatable.")
@click.option("--release", metavar="GITREF", help="The release that runs: does it still work after every commit?")
@click.option("--sample", metavar="N", help="Copy N rows of each touched table to scratch, for revisions that read.")
@click.option("--no-data", is_flag=True, help="Leave out the keys of rows that are in the way.")
@click.option("--down", is_flag=True, help="Plan the way back to the revision, one step back by default.")
@click.option("--run", "run", metavar="ID", help="Plan the way back to where the database was before that run.")
@click.option("--derive", is_flag=True, help="With --down: derived downgrades where the project's are no way back.")
@click.pass_context
def command(
    context: click.Context,
    revision: str,
    out: Path | None,
    sql: Path | None,
    allow: tuple[str, ...],
    release: str | None,
    sample: str | None,
    no_data: bool,
    down: bool,
    run: str | None,
    derive: bool,
) -> int:
    """What would happen on this target: SQL, locks, rewrites, losses, findings, and whether it can be undone.

    Exit code 1: there are errors that no intent allows.
    """
    from db_migrate.cli.ci import ci_renderers
    from db_migrate.report.markdown import plan_markdown
    from db_migrate.report.source import source_line
    from db_migrate.report.sql import plan_sql
    from db_migrate.report.text.plan import plan_text

    one_of(revision, run, context)
    script = ""

    def work(workspace: Workspace) -> Plan:
        nonlocal script
        plan = workspace.plan(
            revision or ("-1" if down else "heads"),
            allow=allow,
            down=down or revision.startswith("-"),
            values=not no_data,
            derive=derive,
            run=run,
        )
        script = plan_sql(plan, workspace.settings.budget("lock_timeout") or 0)
        _write(plan, out, script, sql)
        return plan

    return carry_out(
        context,
        work,
        partial(plan_text, source_line=source_line, file=str(out or "")),
        exit_code,
        formats={"markdown": plan_markdown, "sql": lambda _plan, _style: script, **ci_renderers()},
        settings={key: value for key, value in (("release", release), ("sample", sample)) if value},
    )


def _write(plan: Plan, out: Path | None, script: str, sql: Path | None) -> None:
    """The files that were asked for."""
    from db_migrate.report import json

    if out:
        write_file(out, json.encode(json.document("plan", plan, exit_code(plan))))
    if sql:
        write_file(sql, script)


def exit_code(plan: Plan) -> int:
    """1 when a finding or a failing revision refuses the plan."""
    from db_migrate.report.text.plan import stopped_by

    return 1 if stopped_by(plan) else 0
