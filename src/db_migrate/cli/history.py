"""``db-migrate history``: the revision graph."""

from __future__ import annotations

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb)
@click.option("--runs", is_flag=True, help="Also the runs in the target's journal.")
@click.pass_context
def command(context: click.Context, runs: bool) -> int:
    """The revision graph, newest first, with what each revision changed."""
    from db_migrate.report.text.history import history_text

    return carry_out(context, lambda workspace: workspace.history(runs=runs), history_text, lambda _: 0)
