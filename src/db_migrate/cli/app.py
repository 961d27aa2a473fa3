"""The command ``db-migrate``: its verbs, imported when they are used, and the exit code of whatever happens."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from types import MappingProxyType
from typing import TypedDict

import click

from db_migrate.cli.options import Call, Spoken, common_options
from db_migrate.errors import DbMigrateError, ErrorReport, Failed
from db_migrate.language import said, speaking, wanted

PROGRAM = "db-migrate"
COMPLETE = "_DB_MIGRATE_COMPLETE"

_GARBAGE = 50_000
"""How many new objects Python looks for garbage after: a catalog is many, in no circles, and they stay."""

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "status": "Where the target stands: revisions, pending, drift, the last run.",
        "history": "The revision graph, or the runs in the journal.",
        "schema": "Tables and columns, and all else, of one side.",
        "drift": "What differs between models, history and live.",
        "generate": "A new revision, safe, and proved in both directions.",
        "fix": "Rewrite an unapplied revision's unsafe steps.",
        "lint": "Findings about revisions or SQL files, without a target.",
        "plan": "What the pending revisions would do to this target.",
        "apply": "Execute a proved plan, then verify.",
        "verify": "Whether the target is what it should be.",
        "test": "Run the tests that the pending or last migration touches.",
        "rollback": "Go back, proved like apply, with the data put back.",
        "kept": "What is kept of what was dropped: list, show, restore, purge.",
        "stamp": "Set the revisions, if the schema is theirs.",
        "doctor": "Every diagnosis that applies, each with its cure.",
        "repair": "End a half-done revision, lost files, invalid indexes: what doctor found.",
        "report": "One self-contained HTML file about all of it.",
        "explain": "A rule, a lock mode, or what a statement does.",
        "demo": "The whole workflow on an example project.",
        "init": "Set up a project: settings, hook, CI, skill, baseline.",
        "skill": "Install the skill for coding agents.",
        "mcp": "Serve the verbs as tools for coding agents.",
        "config": "The settings in force, and where each came from.",
        "help": "Verbs and topics: exit-codes, environment, formats.",
    }
)


_CHANGE_TARGETS = frozenset({"apply", "rollback", "kept", "stamp", "repair", "demo"})


_LOST = "connect.lost"


class _Following(TypedDict):
    """The end of an error's report."""

    state: str
    next: tuple[str, ...]


class LazyGroup(Spoken, click.Group):
    """A group whose verbs are modules of this package, imported when one is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which they are used."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None if there is no such verb."""
        del ctx
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"db_migrate.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        del ctx
        with formatter.section(said("Verbs")):
            formatter.write_dl([(verb, said(what)) for verb, what in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; for one that does not exist, name the nearest that do."""
        if args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" Verbs: {', '.join(VERBS)}."
            raise click.UsageError(f"There is no verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from db_migrate import __version__

        click.echo(f"{PROGRAM} {__version__}")
        ctx.exit()


cli = LazyGroup(
    name=PROGRAM,
    help="Alembic migrations on PostgreSQL: what you reviewed is what happens, nothing is lost, and you can always go "
    "back.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
    subcommand_metavar="VERB [ARGS]...",
    params=[
        *common_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Print the version.",
        ),
    ],
)


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see ``db-migrate help exit-codes``.

    ``args`` are those after the program's name, ``sys.argv[1:]`` by default.
    """
    gc.set_threshold(_GARBAGE)
    words = list(sys.argv[1:] if args is None else args)
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, PROGRAM, COMPLETE, instruction)
    with speaking(wanted(words, os.environ)):
        return _run(words)


def _run(words: list[str]) -> int:
    call = Call()
    if sys.stdout is None or sys.stderr is None:
        from db_migrate.cli.output import open_all

        open_all()
    try:
        with cli.make_context(PROGRAM, words, obj=call) as context:
            code = cli.invoke(context)
            return int(code or 0)
    except BrokenPipeError as error:
        if call.verb not in ("", "help"):  # what they print sees to it itself; it is another pipe
            return _failed(_unexpected(error), 70, call, words, error)
        from db_migrate.cli.output import to_nowhere

        to_nowhere(sys.stdout)  # whoever read the help has left
        return 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.exceptions.NoArgsIsHelpError as ending:
        click.echo(ending.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _failed(_usage(error), 2, call, words)
    except DbMigrateError as error:
        report = error.report()
        if error.code == _LOST:
            report = replace(report, **_after_a_loss(call.verb))
        return _failed(report, error.exit_code, call, words, error)
    except (KeyboardInterrupt, click.Abort) as error:
        return _failed(_interrupted(call.verb), 130, call, words, error)
    except Exception as error:  # the last line of defence: whatever it is, it is reported as ours
        if (failed := _of_a_server(call.verb, error)) is not None:
            return _failed(failed, Failed.exit_code, call, words, error)
        return _failed(_unexpected(error), 70, call, words, error)


def _failed(
    report: ErrorReport, code: int, call: Call, words: Sequence[str], error: BaseException | None = None
) -> int:
    """Print an error in the format that was asked for, as far as the command line was understood."""
    from db_migrate.cli.output import print_error

    if not call.given:
        call.given.update(_guessed(words))
    if not call.verb:
        call.verb = next((each for each in words if each in VERBS), "")
    try:
        print_error(report, call, error)
    except DbMigrateError as lost:
        print_error(report, replace(call, streams=False, given={**call.given, "json": False, "format": "text"}), error)
        print_error(lost.report(), call, lost)
    return code


def _guessed(words: Sequence[str]) -> dict[str, object]:
    """The options that decide how an error looks, when the command line could not be parsed."""
    before = list(words[: words.index("--")] if "--" in words else words)
    json = "--json" in before or "--format=json" in before or ("--format", "json") in pairwise(before)
    return {"json": json, "debug": "--debug" in before}


def _usage(error: click.ClickException) -> ErrorReport:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    return ErrorReport("usage", error.format_message(), "", "", "nothing was read or changed", (f"{path} --help",))


def _interrupted(verb: str) -> ErrorReport:
    """What is said where no run had begun, or it had ended: a run that is interrupted tells its own state."""
    state = "nothing is half-done" if verb in _CHANGE_TARGETS else "nothing was changed"
    return ErrorReport("interrupted", f"{verb or PROGRAM} was interrupted", "", "", state, (f"{PROGRAM} status",))


def _of_a_server(verb: str, error: Exception) -> ErrorReport | None:
    """What a server has not got, or did not live to do: no mistake of ours, nor of the project's.

    That it is gone, or has ended our session, has no SQLSTATE in libpq's own words, and 57P in the server's.
    """
    psycopg = sys.modules.get("psycopg")  # where it was not imported nothing was connected
    if psycopg is None or not isinstance(error, psycopg.OperationalError):
        return None
    from db_migrate.postgres.redact import redact

    why = redact(str(error)).strip()
    if error.sqlstate is None or error.sqlstate.startswith(("08", "57P")):
        return ErrorReport(_LOST, "the connection to a server was lost", why, "", **_after_a_loss(verb))
    return ErrorReport(
        "server.failed",
        "a server has failed while it was needed",
        why,
        "",
        "what was committed before stays; db-migrate doctor says where the database is",
        (f"{PROGRAM} doctor",),
    )


def _after_a_loss(verb: str) -> _Following:
    """Where a verb leaves the database when the connection is lost outside of a run, and what to type then."""
    if verb in _CHANGE_TARGETS:
        return _Following(state="the server rolls back what was not committed", next=(f"{PROGRAM} doctor",))
    return _Following(state="nothing was changed", next=(f"{PROGRAM} {verb}",))


def _unexpected(error: Exception) -> ErrorReport:
    return ErrorReport(
        "internal",
        f"unexpected {type(error).__name__}: {error}",
        "this is a mistake in db-migrate, not in your project",
        "",
        "not known; look before you go on",
        (f"{PROGRAM} status", "the same command with --debug, and report what it prints"),
    )
