"""``db-migrate report``: one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Call, Verb
from db_migrate.cli.output import write_file
from db_migrate.cli.run import carry_out

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import ReportData

_FILE = click.Path(dir_okay=False, path_type=Path)
_DEFAULT = Path("db-migrate-report.html")


@click.command(cls=Verb, formats=("text", "json", "html"))
@click.option("--out", type=_FILE, default=_DEFAULT, show_default=True, help="Write the page here.")
@click.pass_context
def command(context: click.Context, out: Path) -> int:
    """Write one HTML file that needs nothing else: state, drift, plan, findings, diagram, tables, revisions, runs.

    With --format html the page goes to standard output; with --json what it is made from, and no page is written.
    """
    from dataclasses import replace

    from db_migrate.report.html import report_html
    from db_migrate.report.text.outcomes import report_text

    shown = context.ensure_object(Call).format

    def work(workspace: Workspace) -> ReportData:
        data = workspace.report()
        if shown != "text":
            return data
        write_file(out, report_html(data))
        return replace(data, file=str(out))

    return carry_out(context, work, report_text, lambda _: 0, formats={"html": lambda data, _style: report_html(data)})
