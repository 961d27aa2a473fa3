"""``db-migrate stamp``: set the revision without running it."""

from __future__ import annotations

import click

from db_migrate.cli.completion import revisions
from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb)
@click.argument("wanted", nargs=-1, required=True, metavar="REV...", shell_complete=revisions())
@click.option("--force", is_flag=True, help="Even though the schema is not theirs; needs --confirm.")
@click.option("--confirm", metavar="NAME", help="The database's name.")
@click.pass_context
def command(context: click.Context, wanted: tuple[str, ...], force: bool, confirm: str | None) -> int:
    """Set the revisions, if the schema is theirs; else refuse, with the differences (exit code 3)."""
    from db_migrate.report.text.outcomes import stamp_text

    return carry_out(
        context,
        lambda workspace: workspace.stamp(*wanted, force=force, confirm=confirm),
        stamp_text,
        lambda _: 0,
    )
