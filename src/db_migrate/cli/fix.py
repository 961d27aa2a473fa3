"""``db-migrate fix``: an unapplied revision's unsafe steps, rewritten."""

from __future__ import annotations

import click

from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb, runs_project=True)
@click.argument("revision", metavar="REV")
@click.option("--dry-run", is_flag=True, help="Prove it, print it and write nothing.")
@click.option("--keep", is_flag=True, help="Write it even if it is not proved.")
@click.pass_context
def command(context: click.Context, revision: str, dry_run: bool, keep: bool) -> int:
    """Rewrite the steps of a revision that would block others into the form that does not; nothing else is touched.

    The rewritten revision is run on scratch, up, down and up again, and has to do exactly what it did. Refused (exit
    code 3) for a revision that a target already has. Exit code 1: there is nothing to fix, or it could not be proved.
    """
    from db_migrate.report.text.generate import fix_text

    return carry_out(
        context,
        lambda workspace: workspace.fix(revision, dry_run=dry_run, keep=keep),
        fix_text,
        lambda result: result.exit_code,
    )
