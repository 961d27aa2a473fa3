"""``db-migrate history``: the revision graph."""

from __future__ import annotations

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb)
@click.option("--runs", is_flag=True, help="Also the runs in the target's journal.")
@click.option("--changes", is_flag=True, help="Also what each revision changed, found by replaying them.")
@click.pass_context
def command(context: click.Context, runs: bool, changes: bool) -> int:
    """The revision graph, newest first; without --changes it is read from the files, and nothing is run."""
    from db_migrate.report.text.history import history_text

    return carry_out(
        context, lambda workspace: workspace.history(runs=runs, changes=changes), history_text, lambda _: 0
    )
