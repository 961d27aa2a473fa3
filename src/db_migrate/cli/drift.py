"""``db-migrate drift``: what differs between models, history and live."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Call, Verb
from db_migrate.cli.output import print_error, write_file
from db_migrate.cli.run import carry_out

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.errors import DbMigrateError
    from db_migrate.results import Drift

_SIDE = "models|history[@REV]|live"
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=Verb, formats=("text", "json", "markdown", "sql"), runs_project=True)
@click.option("--from", "from_", metavar=_SIDE, help="The side to compare from.")
@click.option("--to", metavar=_SIDE, help="The side to compare to.")
@click.option("--strict", is_flag=True, help="Names, column order and equivalent forms count as drift too.")
@click.option("--privileges", is_flag=True, help="Compare owners, grants and default privileges too.")
@click.option("--no-cache", is_flag=True, help="Make every side anew.")
@click.option("--sql", is_flag=True, help="Show with each change the SQL that would make it.")
@click.option("--accept", is_flag=True, help="Acknowledge the drift that there is, in the settings file.")
@click.option("--reason", metavar="TEXT", help="Why the drift is accepted.")
@click.option(
    "--watch", metavar="SECONDS", type=click.FloatRange(min=0.1), help="Compare again and again, until interrupted."
)
@click.option("--prometheus", type=_FILE, help="Write the numbers of changes here, as Prometheus reads them.")
@click.pass_context
def command(
    context: click.Context,
    from_: str | None,
    to: str | None,
    strict: bool,
    privileges: bool,
    no_cache: bool,
    sql: bool,
    accept: bool,
    reason: str | None,
    watch: float | None,
    prometheus: Path | None,
) -> int:
    """Compare models, history and live pairwise, or the two sides that are named, and explain each change.

    Exit code 1: there is drift.
    """
    from db_migrate.report.markdown import drift_markdown
    from db_migrate.report.sql import drift_sql
    from db_migrate.report.text.changes import drift_text

    _check(context, accept, reason, watch)
    call, counted = context.ensure_object(Call), strict
    found, last = list["Drift"](), list["Drift"]()

    def work(workspace: Workspace) -> Drift:
        nonlocal counted
        counted = workspace.settings.strict
        drift = workspace.drift(from_=from_, to=to, privileges=privileges, cache=not no_cache)
        found[:] = [drift if reason is None else workspace.accept(drift, reason)]
        return found[0]

    def once() -> int:
        code = carry_out(
            context,
            work,
            partial(drift_text, sql=sql or call.flag("verbose")),
            lambda drift: 1 if _drifted(drift, counted) else 0,
            formats={"markdown": drift_markdown, "sql": drift_sql},
            settings={"strict": True} if strict else None,
            unless=None if watch is None else partial(_is_last, last),
        )
        _measure(prometheus, found[0])
        return code

    def failed(error: DbMigrateError) -> None:
        print_error(error.report(), call, error)
        _measure(prometheus, None)

    return once() if watch is None else _again_and_again(once, watch, failed)


def _check(context: click.Context, accept: bool, reason: str | None, watch: float | None) -> None:
    if accept and not (reason and reason.strip()):
        raise click.UsageError("--accept needs --reason TEXT: intended drift carries a reason.", context)
    if reason is not None and not accept:
        raise click.UsageError("--reason belongs to --accept.", context)
    if accept and watch is not None:
        raise click.UsageError("--accept and --watch do not go together.", context)


def _measure(file: Path | None, drift: Drift | None) -> None:
    """Write the numbers where they were asked for; None: it could not be compared."""
    from db_migrate.report.prometheus import drift_prometheus

    if file is not None:
        write_file(file, drift_prometheus(drift))


def _is_last(last: list[Drift], drift: Drift) -> bool:
    """Whether this is what was printed last; else it is noted as that."""
    same = last == [drift]
    last[:] = [drift]
    return same


def _again_and_again(once: Callable[[], int], seconds: float, failed: Callable[[DbMigrateError], None]) -> int:
    """Compare until interrupted. After the first round a comparison that fails is reported, and made again."""
    from db_migrate.errors import DbMigrateError

    once()
    while True:
        time.sleep(seconds)
        try:
            once()
        except DbMigrateError as error:
            failed(error)


def _drifted(drift: Drift, strict: bool) -> bool:
    return any(strict or change.class_ == "drift" for each in drift.comparisons for change in each.changes)
