"""``db-migrate repair``: ends what doctor has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from db_migrate.cli.apply import run_exit_code
from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out, confirmed

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import RunResult


@click.command(cls=Verb)
@click.option("--back", is_flag=True, help="Undo a half-done revision instead of finishing it.")
@click.option(
    "--data",
    type=click.Choice(["ran", "rerun"]),
    help="Whether data statements have run of which nothing tells: they have, or they are to be run.",
)
@click.option("--confirm", metavar="NAME", help="The database's name, where rows are lost or it is in production.")
@click.option("--yes", is_flag=True, help="Ask nothing; what destroys still needs --confirm.")
@click.pass_context
def command(context: click.Context, back: bool, data: str | None, confirm: str | None, yes: bool) -> int:
    """End a half-done revision, a wrong version table, lost revision files, invalid indexes and other debris.

    Each is proved on a copy first, journalled, and verified. Exit code 1: it is done, and verify found something.
    """
    from db_migrate.report.text.run import run_text

    def work(workspace: Workspace) -> RunResult:
        return confirmed(
            lambda name: workspace.repair(back=back, data=data, confirm=name), confirm, ask=not yes, context=context
        )

    return carry_out(context, work, run_text, run_exit_code)
