"""``db-migrate kept``: what is kept of what was dropped, put back or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out, confirmed

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import KeptData

_ACTIONS = ("list", "show", "restore", "purge")


@click.command(cls=Verb)
@click.argument("action", type=click.Choice(_ACTIONS), default="list", metavar="[list|show|restore|purge]")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--older-than", metavar="AGE", help="With purge: all that is kept for longer, 30d for instance.")
@click.option("--confirm", metavar="NAME", help="With purge: the database's name.")
@click.option("--yes", is_flag=True, help="Ask nothing; purge still needs --confirm.")
@click.pass_context
def command(
    context: click.Context, action: str, ids: tuple[str, ...], older_than: str | None, confirm: str | None, yes: bool
) -> int:
    """What is kept of what migrations dropped: list it, show one, put one back where there is room, purge.

    A rollback puts kept data back by itself; restore is for a table or a column that was made again by other means.
    """
    from db_migrate.report.text.kept import kept_data_text

    if action in ("show", "restore") and len(ids) != 1:
        raise click.UsageError(f"`kept {action}` needs one ID; `db-migrate kept list` shows them.", context)

    if action != "purge" and (older_than or confirm):
        raise click.UsageError(f"--older-than and --confirm are for `kept purge`, not for `kept {action}`.", context)

    def work(workspace: Workspace) -> KeptData:
        if action == "restore":
            return workspace.kept.restore(ids[0])
        if action == "purge":
            return confirmed(
                lambda name: workspace.kept.purge(ids, older_than=older_than, confirm=name),
                confirm,
                ask=not yes,
                context=context,
            )
        return workspace.kept.list(ids)

    return carry_out(context, work, kept_data_text, lambda _: 0)
