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


@click.command(cls=Verb, gives_way=True)
@click.option("--back", is_flag=True, help="Undo a half-done revision instead of finishing it.")
@click.option(
    "--data",
    metavar="ran|rerun|N",
    help="Of the data statements of which nothing tells: all have run, none has, or the first N have.",
)
@click.option("--bridge", is_flag=True, help="Take a schema that is no revision's into the history, as a new revision.")
@click.option("--confirm", metavar="NAME", help="The database's name, where rows are lost or it is in production.")
@click.option("--yes", is_flag=True, help="Ask nothing; what destroys still needs --confirm.")
@click.pass_context
def command(context: click.Context, back: bool, data: str | None, bridge: bool, confirm: str | None, yes: bool) -> int:
    """End a half-done revision, a wrong version table, lost revision files, invalid indexes and other debris.

    Each is proved on a copy first, journalled, and verified. Exit code 1: it is done, and verify found something.
    """
    from db_migrate.report.text.run import run_text

    def work(workspace: Workspace) -> RunResult:
        return confirmed(
            lambda name: workspace.repair(back=back, data=data, confirm=name, bridge=bridge),
            confirm,
            ask=not yes,
            context=context,
        )

    return carry_out(context, work, run_text, run_exit_code)
