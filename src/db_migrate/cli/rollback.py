"""``db-migrate rollback``: go back, proved like apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.apply import run_exit_code
from db_migrate.cli.completion import revisions
from db_migrate.cli.measuring import measuring
from db_migrate.cli.options import STEPS, Verb, one_of, steps_or_revision
from db_migrate.cli.run import carry_out, confirmed, rehearsal

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import RunResult


@click.command(cls=Verb, formats=("text", "json", "jsonl"), runs_project=True, gives_way=True, context_settings=STEPS)
@click.argument("to", default="", metavar="[-N|REV|base]", callback=steps_or_revision, shell_complete=revisions())
@click.option("--run", "run", metavar="ID", help="Back to where the database was before that run.")
@click.option("--allow", metavar="RULE:OBJECT", multiple=True, help="The intent for one finding; repeatable.")
@click.option("--derive", is_flag=True, help="Where a downgrade is no way back: one derived from the catalogs, proved.")
@click.option("--confirm", metavar="NAME", multiple=True, help="The database's name, for lost data and production.")
@click.option("--lock-budget", metavar="DURATION", help="How long to try for locks in all, such as 10m.")
@click.option("--cancel-blockers", type=click.Choice(("none", "idle")), help="End sessions idle in old transactions.")
@click.option("--rehearse", is_flag=True, help="Execute it on a full copy only, which is thrown away.")
@click.option("--rehearse-on", metavar="URL", help="The same, with the copy on another server.")
@click.option("--metrics", type=click.Path(dir_okay=False, path_type=Path), help="Write the run as Prometheus metrics.")
@click.option("--yes", is_flag=True, help="Ask nothing; what destroys still needs --confirm.")
@click.pass_context
def command(
    context: click.Context,
    to: str,
    run: str | None,
    allow: tuple[str, ...],
    derive: bool,
    confirm: tuple[str, ...],
    lock_budget: str | None,
    cancel_blockers: str | None,
    rehearse: bool,
    rehearse_on: str | None,
    metrics: Path | None,
    yes: bool,
) -> int:
    """Go back by N revisions (one by default), to a revision, to base, or before a run; proved first, data put back.

    Exit code 1: it is rolled back, and verify found something.
    """
    from db_migrate.report.text.run import run_text

    one_of(to, run, context)

    how = rehearsal(rehearse, rehearse_on, None, context)

    def work(workspace: Workspace) -> RunResult:
        return confirmed(
            lambda name: workspace.rollback(
                to or "-1", allow=allow, confirm=name, derive=derive, run=run, rehearse=how
            ),
            confirm,
            ask=not yes,
            context=context,
        )

    given = {"lock_budget": lock_budget, "cancel_blockers": cancel_blockers}
    settings = {key: value for key, value in given.items() if value}
    with measuring(metrics, context) as measured:
        return carry_out(context, measured(work), run_text, run_exit_code, settings=settings, watched=True)
