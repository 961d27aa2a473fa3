"""``db-migrate verify``: whether the target is what it should be."""

from __future__ import annotations

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb)
@click.pass_context
def command(context: click.Context) -> int:
    """Check revision, drift, invalid indexes and constraints that are not validated.

    Exit code 1: something is off.
    """
    from db_migrate.report.text.outcomes import verify_text

    return carry_out(
        context, lambda workspace: workspace.verify(), verify_text, lambda verify: 1 if verify.problems else 0
    )
