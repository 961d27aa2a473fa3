"""``db-migrate demo``: the whole workflow on an example project."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from db_migrate.cli.options import Call, Verb


@click.command(cls=Verb, formats=("text",))
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[FOLDER]")
@click.pass_context
def command(context: click.Context, folder: Path | None) -> int:
    """Run the commands of this program on an example project, on a PostgreSQL that comes with it.

    The project is copied to FOLDER, which must be new or empty, and stays there; without one it is copied to a
    temporary folder that is removed at the end.
    """
    from db_migrate.cli.app import main
    from db_migrate.cli.output import to_nowhere
    from db_migrate.cli.run import check_format
    from db_migrate.demo import walk

    call = context.ensure_object(Call)
    check_format(call, ("text",), context)
    common = [word for key in ("color", "lang") if key in call.given for word in (f"--{key}", str(call.given[key]))]
    try:
        return walk(lambda args: main([*common, *args]), folder)
    except BrokenPipeError:  # whoever watched has left, and there is nobody to show the rest to
        to_nowhere(sys.stdout)
        return 0
