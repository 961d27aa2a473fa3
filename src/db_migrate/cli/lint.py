"""``db-migrate lint``: traces and findings without a target."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.completion import revisions
from db_migrate.cli.options import CI_FORMATS, Call, Verb
from db_migrate.cli.output import write_file
from db_migrate.cli.run import carry_out

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.results import Lint


@click.command(cls=Verb, formats=("text", "json", "markdown", *CI_FORMATS), runs_project=True)
@click.argument("what", nargs=-1, metavar="[REV[:REV]] [FILE]...", shell_complete=revisions(files=".sql"))
@click.option("--since", metavar="GITREF", help="The revisions whose files were added since HEAD left this ref.")
@click.option("--downgrades/--no-downgrades", default=None, help="Run down again and compare; default: for a part.")
@click.option("--allow", metavar="RULE:OBJECT", multiple=True, help="The intent for one finding; repeatable.")
@click.option("--fail-on", type=click.Choice(("error", "warning", "note")), help="The least severity that counts.")
@click.option(
    "--baseline", type=click.Path(dir_okay=False, path_type=Path), help="The findings that were there before."
)
@click.option("--write-baseline", is_flag=True, help="Write what is found now into the baseline.")
@click.option("--no-cache", is_flag=True, help="Run everything anew.")
@click.pass_context
def command(
    context: click.Context,
    what: tuple[str, ...],
    since: str | None,
    downgrades: bool | None,
    allow: tuple[str, ...],
    fail_on: str | None,
    baseline: Path | None,
    write_baseline: bool,
    no_cache: bool,
) -> int:
    """Run revisions, or files of SQL on top of them, on scratch and judge what they did; no target is connected to.

    Without arguments all revisions; REV is that one alone, A:B all after A up to B; files that end in .py are the
    revisions in them. Files that end in .sql are read as psql reads them; outside of a project they stand alone, and
    objects that nobody made are made up.

    Exit code 1: there are findings at or above the threshold that nothing allows, or a revision fails.
    """
    from db_migrate.cli.ci import ci_renderers
    from db_migrate.errors import UsageError
    from db_migrate.plan.asked import home_of
    from db_migrate.report.markdown import lint_markdown
    from db_migrate.report.source import source_line
    from db_migrate.report.text.lint import lint_exit_code, lint_text

    home = None if _is_named(context.ensure_object(Call)) else home_of(what, Path.cwd())
    words = tuple(str(Path(each).absolute()) for each in what) if home else what

    def work(workspace: Workspace) -> Lint:
        file = workspace.settings.baseline
        if write_baseline and file is None:
            raise UsageError("baseline.missing", "--write-baseline needs --baseline FILE, or the setting `baseline`")
        lint = partial(workspace.lint, *words, since=since, downgrades=downgrades, allow=allow, cache=not no_cache)
        if write_baseline and file is not None:
            write_file(file, _new_baseline(lint(baseline=None), file))
        return lint(baseline=file)

    given = {"fail_on": fail_on, "baseline": str(baseline.absolute() if home else baseline) if baseline else None}
    with contextlib.chdir(home or Path.cwd()):
        return carry_out(
            context,
            work,
            partial(lint_text, source_line=source_line, verbose=context.ensure_object(Call).flag("verbose")),
            lint_exit_code,
            formats={"markdown": lint_markdown, **ci_renderers()},
            settings={key: value for key, value in given.items() if value is not None},
        )


def _is_named(call: Call) -> bool:
    """Whether the command says which project it is about."""
    variables = (os.environ.get(f"DB_MIGRATE_{each}") for each in ("CONFIG", "SETTINGS"))
    return bool({"config", "settings"} & call.given.keys()) or any(variables)


def _new_baseline(lint: Lint, file: Path) -> str:
    from db_migrate.rules import baseline

    return baseline.write(lint.findings, baseline.read(file) if file.is_file() else ())
