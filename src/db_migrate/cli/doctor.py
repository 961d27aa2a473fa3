"""``db-migrate doctor``: every diagnosis that applies, each with its cure."""

from __future__ import annotations

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb)
@click.pass_context
def command(context: click.Context) -> int:
    """Look at project, target and history, and name what is not as it should be, with what ends it.

    Nothing is changed. Exit code 1: there is something to cure.
    """
    from db_migrate.report.text.doctor import doctor_text

    return carry_out(
        context, lambda workspace: workspace.doctor(), doctor_text, lambda doctor: 0 if doctor.healthy else 1
    )
