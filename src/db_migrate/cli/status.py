"""``db-migrate status``: where the target stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out

if TYPE_CHECKING:
    from db_migrate.results import Status


@click.command(cls=Verb)
@click.pass_context
def command(context: click.Context) -> int:
    """Current revisions, heads, what is pending, drift at a glance and the last run.

    Exit code 1: something is pending or drifted.
    """
    from db_migrate.report.text.status import status_text

    return carry_out(context, lambda workspace: workspace.status(), status_text, _exit_code)


def _exit_code(status: Status) -> int:
    drifted = status.drift.history_models or status.drift.history_live
    return 1 if status.pending or status.unknown or drifted else 0
