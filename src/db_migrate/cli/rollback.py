"""``db-migrate rollback``: go back, proved like apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from db_migrate.cli.apply import run_exit_code
from db_migrate.cli.completion import revisions
from db_migrate.cli.options import STEPS, Verb, steps_or_revision
from db_migrate.cli.run import carry_out, confirmed

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import RunResult


@click.command(cls=Verb, formats=("text", "json", "jsonl"), context_settings=STEPS)
@click.argument("to", default="-1", metavar="[-N|REV|base]", callback=steps_or_revision, shell_complete=revisions())
@click.option("--allow", metavar="RULE:OBJECT", multiple=True, help="The intent for one finding; repeatable.")
@click.option("--derive", is_flag=True, help="Where a downgrade is no way back: one derived from the catalogs, proved.")
@click.option("--confirm", metavar="NAME", help="The database's name, where data is lost or it is in production.")
@click.option("--lock-budget", metavar="DURATION", help="How long to try for locks in all, such as 10m.")
@click.option("--cancel-blockers", type=click.Choice(("none", "idle")), help="End sessions idle in old transactions.")
@click.option("--yes", is_flag=True, help="Ask nothing; what destroys still needs --confirm.")
@click.pass_context
def command(
    context: click.Context,
    to: str,
    allow: tuple[str, ...],
    derive: bool,
    confirm: str | None,
    lock_budget: str | None,
    cancel_blockers: str | None,
    yes: bool,
) -> int:
    """Go back by N revisions (one by default), to a revision, or to base; proved first, data put back.

    Exit code 1: it is rolled back, and verify found something.
    """
    from db_migrate.report.text.run import run_text

    def work(workspace: Workspace) -> RunResult:
        return confirmed(
            lambda name: workspace.rollback(to, allow=allow, confirm=name, derive=derive),
            confirm,
            ask=not yes,
            context=context,
        )

    given = {"lock_budget": lock_budget, "cancel_blockers": cancel_blockers}
    settings = {key: value for key, value in given.items() if value}
    return carry_out(context, work, run_text, run_exit_code, settings=settings, watched=True)
