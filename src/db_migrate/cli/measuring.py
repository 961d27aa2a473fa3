"""``--metrics FILE``: the run as Prometheus metrics, for the textfile collector of its node exporter."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Call
from db_migrate.cli.output import write_file

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import RunResult

Work = Callable[["Workspace"], "RunResult"]


@contextlib.contextmanager
def measuring(file: Path | None, context: click.Context) -> Iterator[Callable[[Work], Work]]:
    """Write ``file`` when the work is done, or was refused or failed; a rehearsal is no run and writes nothing."""
    from db_migrate.errors import DbMigrateError, UsageError
    from db_migrate.report.prometheus import refused_prometheus, run_prometheus

    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError("output.unwritable", f"{file} cannot be written", why="there is no such folder")
    verb = context.ensure_object(Call).verb

    def measured(work: Work) -> Work:
        def run(workspace: Workspace) -> RunResult:
            result = work(workspace)
            if file is None or result.rehearsals:
                return result
            try:
                write_file(file, run_prometheus(result, verb, time.time()))
            except UsageError as error:  # the run is over, and its result is what counts
                return replace(result, warnings=(*result.warnings, f"{error.message}: {error.why}"))
            return result

        return run

    try:
        yield measured
    except DbMigrateError as error:
        if file is not None:
            write_file(file, refused_prometheus(verb, error.exit_code, time.time()))
        raise
