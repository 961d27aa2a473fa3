"""What all verbs about a project do: settings, the library's call, the result in the format asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from db_migrate.cli.options import Call
from db_migrate.cli.output import style_for, write, write_result
from db_migrate.language import said

if TYPE_CHECKING:
    from db_migrate import Workspace
    from db_migrate.report.style import Style
    from db_migrate.results import Result
    from db_migrate.workspace.rehearsing import Rehearse

CONFIRM_NEEDED = "consent.missing"
"""The code of a refusal that the database's name lifts."""

R = TypeVar("R", bound="Result")
Renderers = Mapping[str, "Callable[[R, Style], str]"]


def carry_out(
    context: click.Context,
    work: Callable[[Workspace], R],
    render: Callable[[R, Style], str],
    exit_code: Callable[[R], int],
    *,
    formats: Renderers[R] | None = None,
    settings: Mapping[str, object] | None = None,
    unless: Callable[[R], bool] | None = None,
    watched: bool = False,
) -> int:
    """Open the project, do the work, print the result and return the verb's exit code.

    ``render`` makes the text, ``formats`` what else the verb prints beside JSON; ``settings`` are those among the
    verb's own flags. A result for which ``unless`` is true is not printed. ``watched``: what happens meanwhile is
    shown, or streamed as ``jsonl``.
    """
    from db_migrate import open_project
    from db_migrate.config import load

    call = context.ensure_object(Call)
    call.streams = watched
    renderers = {"text": render, **(formats or {})}
    check_format(call, ("json", "jsonl", *renderers) if watched else ("json", *renderers), context)
    loaded = load({**call.settings, **(settings or {})}, file=call.settings_file)
    with open_project(loaded) as workspace:
        result = _watched(work, workspace, call) if watched else work(workspace)
        if call.flag("verbose"):
            write("".join(f"{said('note')}: {said(each)}\n" for each in workspace.notices), sys.stderr)
    code = exit_code(result)
    if unless is None or not unless(result):
        print_result(result, code, call, renderers)
    return code


def _watched(work: Callable[[Workspace], R], workspace: Workspace, call: Call) -> R:
    """Do the work while showing what happens."""
    from db_migrate.cli.watching import watcher_for

    with watcher_for(call) as workspace.watcher:
        return work(workspace)


def check_format(call: Call, known: tuple[str, ...], context: click.Context) -> None:
    """Refuse a format, given before the verb, that this verb does not print."""
    if call.format not in known:
        raise click.UsageError(f"`{call.verb}` has no format {call.format!r}; it has {', '.join(known)}.", context)


def print_result(result: R, code: int, call: Call, renderers: Renderers[R]) -> None:
    """Print a result on standard output; in a text, the error that a run carries goes to standard error."""
    if call.prints_document:
        from db_migrate.report import json

        write_result(json.document(call.verb, result, code), call)
        return
    if code == 0 and call.flag("quiet") and call.format == "text":
        return
    write(renderers[call.format](result, style_for(sys.stdout, call)), sys.stdout)
    error = getattr(result, "error", None)
    if error is not None:
        from db_migrate.report.text.parts import error_text

        write(error_text(error, style_for(sys.stderr, call)), sys.stderr)


def rehearsal(wanted: bool, on: str | None, backup: Path | None, context: click.Context) -> Rehearse | None:
    """What ``--rehearse`` and ``--rehearse-on`` ask for; beside them there is nothing to back up."""
    if not wanted and on is None:
        return None
    if backup is not None:
        raise click.UsageError("--backup and --rehearse do not go together: a rehearsal changes a copy only.", context)
    from db_migrate.workspace.rehearsing import Rehearse

    return Rehearse(on)


def confirmed(work: Callable[[Any], R], confirm: str | Sequence[str] | None, *, ask: bool, context: click.Context) -> R:
    """Do the work; when it needs the database's name, ask for it where somebody can answer.

    ``work`` gets the name, or the names, or None. Without a terminal, with ``--yes`` and with JSON nothing is asked:
    the refusal names ``--confirm``.
    """
    from db_migrate.errors import Refused

    try:
        return work(confirm)
    except Refused as refusal:
        silent = not ask or context.ensure_object(Call).prints_document
        if refusal.code != CONFIRM_NEEDED or confirm or silent:
            raise
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        click.echo(f"{said(refusal.message)}. {said(refusal.why)}".strip(), err=True)
        answer = click.prompt(said("Type the database's name to go on"), default="", show_default=False, err=True)
        if not answer:
            raise
        return work(answer)
