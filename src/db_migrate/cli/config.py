"""``db-migrate config``: the settings in force."""

from __future__ import annotations

import click

from db_migrate.cli.options import Call, Verb
from db_migrate.cli.run import check_format, print_result


@click.command(cls=Verb)
@click.option("--sources", is_flag=True, help="Also where each value came from.")
@click.pass_context
def command(context: click.Context, sources: bool) -> int:
    """The settings in force, with passwords left out."""
    from functools import partial

    from db_migrate.config import load
    from db_migrate.postgres.redact import redact
    from db_migrate.report.settings import settings_listing
    from db_migrate.report.text.settings import settings_text

    call = context.ensure_object(Call)
    check_format(call, ("json", "text"), context)
    loaded = load(call.settings, file=call.settings_file)
    listing = settings_listing(loaded, redact)
    print_result(listing, 0, call, {"text": partial(settings_text, sources=sources)})
    return 0
