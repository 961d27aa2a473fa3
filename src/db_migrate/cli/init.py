"""``db-migrate init``: set up a project."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Call, Verb
from db_migrate.cli.output import style_for, write
from db_migrate.cli.run import carry_out
from db_migrate.language import said

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.report.style import Style
    from db_migrate.results import Init


@click.command(cls=Verb)
@click.option("--yes", is_flag=True, help="Write the files without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.pass_context
def command(context: click.Context, yes: bool, dry_run: bool) -> int:
    """Give an Alembic project its settings, the hook of pre-commit, the CI of GitHub or GitLab, and the skill.

    Every file is shown before it is written. What is there stays: lists and tables are added to, and where that cannot
    be done nothing is written. A project with revisions gets a baseline of their findings; a database that has tables
    and no history gets a baseline revision. Run again, it does nothing.

    Exit code 2: nobody agreed to what would be written; 3: declined, or a file cannot be added to.
    """
    from db_migrate.report.text.init import diffs_text, init_text
    from db_migrate.setup.init import init

    call = context.ensure_object(Call)
    verbose = call.flag("verbose")
    shown = False

    def agree(proposed: Init) -> bool | None:
        nonlocal shown
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()) or call.prints_document:
            return None
        write(diffs_text(proposed, style_for(sys.stdout, call), verbose=verbose), sys.stdout)
        shown = True
        return click.confirm(said("Write these files?"), default=False, err=True)

    def work(workspace: Workspace) -> Init:
        return init(workspace, agree, dry_run=dry_run)

    def text(result: Init, style: Style) -> str:
        return init_text(result, style, shown=shown, verbose=verbose)

    return carry_out(context, work, text, lambda result: result.exit_code)
