"""``db-migrate drift``: what differs between models, history and live."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Call, Verb
from db_migrate.cli.run import carry_out

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import Drift

_SIDE = "models|history[@REV]|live"


@click.command(cls=Verb, formats=("text", "json", "markdown", "sql"))
@click.option("--from", "from_", metavar=_SIDE, help="The side to compare from.")
@click.option("--to", metavar=_SIDE, help="The side to compare to.")
@click.option("--strict", is_flag=True, help="Names, column order and equivalent forms count as drift too.")
@click.option("--privileges", is_flag=True, help="Compare owners, grants and default privileges too.")
@click.option("--no-cache", is_flag=True, help="Make every side anew.")
@click.option("--sql", is_flag=True, help="Show with each change the SQL that would make it.")
@click.pass_context
def command(
    context: click.Context,
    from_: str | None,
    to: str | None,
    strict: bool,
    privileges: bool,
    no_cache: bool,
    sql: bool,
) -> int:
    """Compare models, history and live pairwise, or the two sides that are named, and explain each change.

    Exit code 1: there is drift.
    """
    from db_migrate.report.markdown import drift_markdown
    from db_migrate.report.sql import drift_sql
    from db_migrate.report.text.changes import drift_text

    verbose = context.ensure_object(Call).flag("verbose")
    counted = strict

    def work(workspace: Workspace) -> Drift:
        nonlocal counted
        counted = workspace.settings.strict
        return workspace.drift(from_=from_, to=to, privileges=privileges, cache=not no_cache)

    return carry_out(
        context,
        work,
        partial(drift_text, sql=sql or verbose),
        lambda drift: 1 if _drifted(drift, counted) else 0,
        formats={"markdown": drift_markdown, "sql": drift_sql},
        settings={"strict": True} if strict else None,
    )


def _drifted(drift: Drift, strict: bool) -> bool:
    return any(strict or change.class_ == "drift" for each in drift.comparisons for change in each.changes)
