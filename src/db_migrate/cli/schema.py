"""``db-migrate schema``: one side's tables, columns and all else."""

from __future__ import annotations

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb, formats=("text", "json", "sql", "mermaid"))
@click.argument("side", default="live", metavar="[models|live|history[@REV]]")
@click.pass_context
def command(context: click.Context, side: str) -> int:
    """Tables and columns, and all else, of the models, the live database or the history up to a revision."""
    from db_migrate.report.mermaid import schema_mermaid
    from db_migrate.report.sql import schema_sql
    from db_migrate.report.text.schema import schema_text

    return carry_out(
        context,
        lambda workspace: workspace.schema(side),
        schema_text,
        lambda _: 0,
        formats={"sql": schema_sql, "mermaid": schema_mermaid},
    )
