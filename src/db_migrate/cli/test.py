"""``db-migrate test``: run the tests that a migration touches."""

from __future__ import annotations

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb)
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS...]")
@click.option("--all", "all_", is_flag=True, help="All tests, whatever they touch.")
@click.pass_context
def command(context: click.Context, args: tuple[str, ...], all_: bool) -> int:
    """Run the tests of the tables that the pending, or the last, migration changes; ARGS go to the test command.

    Exit code 1: tests fail.
    """
    from db_migrate.report.text.outcomes import selection_text

    return carry_out(
        context,
        lambda workspace: workspace.test(args, all=all_),
        selection_text,
        lambda run: 1 if run.failed or run.exit_code else 0,
    )
