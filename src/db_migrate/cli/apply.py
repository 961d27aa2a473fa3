"""``db-migrate apply``: execute a proved plan, then verify."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.completion import revisions
from db_migrate.cli.measuring import measuring
from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out, confirmed, rehearsal

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import Plan, RunResult

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(cls=Verb, formats=("text", "json", "jsonl"), runs_project=True, gives_way=True)
@click.argument("what", default="heads", metavar="[REV|+N|PLAN.json]", shell_complete=revisions(files=".json"))
@click.option("--allow", metavar="RULE:OBJECT", multiple=True, help="The intent for one finding; repeatable.")
@click.option("--release", metavar="GITREF", help="The release that runs: does it still work after every commit?")
@click.option("--sample", metavar="N", help="Copy N rows of each touched table to scratch, for revisions that read.")
@click.option("--confirm", metavar="NAME", multiple=True, help="The database's name, for lost data and production.")
@click.option("--lock-budget", metavar="DURATION", help="How long to try for locks in all, such as 10m.")
@click.option("--cancel-blockers", type=click.Choice(("none", "idle")), help="End sessions idle in old transactions.")
@click.option("--backup", type=_FOLDER, help="Dump the tables that it touches into this folder first.")
@click.option("--rehearse", is_flag=True, help="Execute it on a full copy only, which is thrown away.")
@click.option("--rehearse-on", metavar="URL", help="The same, with the copy on another server.")
@click.option("--metrics", type=click.Path(dir_okay=False, path_type=Path), help="Write the run as Prometheus metrics.")
@click.option("--yes", is_flag=True, help="Ask nothing; what destroys still needs --confirm.")
@click.pass_context
def command(
    context: click.Context,
    what: str,
    allow: tuple[str, ...],
    release: str | None,
    sample: str | None,
    confirm: tuple[str, ...],
    lock_budget: str | None,
    cancel_blockers: str | None,
    backup: Path | None,
    rehearse: bool,
    rehearse_on: str | None,
    metrics: Path | None,
    yes: bool,
) -> int:
    """Prove the pending revisions, or take a plan that was proved, execute it, then verify.

    Exit code 1: it is applied, and verify found something.
    """
    from db_migrate.report.text.run import run_text

    plan = _plan_in(what)
    if plan is not None:
        _expect_settled(what, allow=allow, release=release, sample=sample)
    how = rehearsal(rehearse, rehearse_on, backup, context)

    def work(workspace: Workspace) -> RunResult:
        return confirmed(
            lambda name: workspace.apply(plan or what, allow=allow, confirm=name, backup=backup, rehearse=how),
            confirm,
            ask=not yes,
            context=context,
        )

    given = {"lock_budget": lock_budget, "cancel_blockers": cancel_blockers, "release": release, "sample": sample}
    settings = {key: value for key, value in given.items() if value}
    with measuring(metrics, context) as measured:
        return carry_out(context, measured(work), run_text, run_exit_code, settings=settings, watched=True)


def run_exit_code(run: RunResult) -> int:
    """The run's own exit code, or 1 when it went well and verify found something."""
    return run.exit_code or (1 if run.verify and not run.verify.ok else 0)


def _expect_settled(file: str, **given: tuple[str, ...] | str | None) -> None:
    """Refuse what is settled when a plan is made, and would be without effect now."""
    from db_migrate.errors import UsageError

    words = [
        f"--{name} {shlex.quote(word)}"
        for name, value in given.items()
        for word in ((value,) if isinstance(value, str) else value or ())
    ]
    if words:
        raise UsageError(
            "plan.settled",
            f"{' '.join(words)} comes too late for {file}",
            why="what a plan allows, and what it was held against, is settled when it is made and proved",
            state="nothing was changed",
            next=(f"db-migrate plan {' '.join(words)} --out {shlex.quote(file)}",),
        )


def _plan_in(what: str) -> Plan | None:
    """The plan in the file of that name; None for a revision."""
    if not what.endswith(".json"):
        return None
    from db_migrate.errors import UsageError
    from db_migrate.report.json import read_plan

    try:
        text = Path(what).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "plan.unreadable",
            f"{what} cannot be read",
            why=str(error),
            state="nothing was changed",
            next=(f"db-migrate plan --out {shlex.quote(what)}",),
        ) from error
    return read_plan(text, what)
