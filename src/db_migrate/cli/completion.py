"""What the shell offers for an argument: revisions from the files, rules, plan files. Nothing is imported or run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Call
from db_migrate.errors import DbMigrateError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from db_migrate.project.graph import Graph

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

_NAMES = ("head", "heads", "base")


def revisions(*, files: str | None = None) -> Complete:
    """Completes a revision's id, with its message; with ``files`` also files of that suffix."""

    def complete(context: click.Context, _argument: click.Parameter, begun: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        graph = _graph(context)
        newest = list(reversed(graph.ordered())) if graph else []
        items = [CompletionItem(each, help=graph.revisions[each].message) for each in newest if graph]
        items += [CompletionItem(each) for each in (*_NAMES, *_files(begun, files))]
        return [each for each in items if each.value.startswith(begun)]

    return complete


def rules(_context: click.Context, _argument: click.Parameter, begun: str) -> list[CompletionItem]:
    """Completes a rule's name, with what it catches."""
    from click.shell_completion import CompletionItem

    from db_migrate.rules.judge import all_rules

    return [CompletionItem(each.id, help=each.catches) for each in all_rules() if each.id.startswith(begun)]


def _graph(context: click.Context) -> Graph | None:
    """The revisions of the project that the command line names; None where there is none, which is no error here."""
    from db_migrate.config import load
    from db_migrate.project.config import load_config
    from db_migrate.project.graph import load_graph

    call = context.ensure_object(Call)
    try:
        settings = load(call.settings, file=call.settings_file)
        return load_graph(load_config(ini=settings.config, name=settings.name))
    except DbMigrateError:
        return None


def _files(begun: str, suffix: str | None) -> Iterable[str]:
    if suffix is None:
        return []
    folder = begun.rpartition("/")[0]
    here = Path(folder or ".")
    found = sorted(each.name for each in here.glob(f"*{suffix}")) if here.is_dir() else []
    return [f"{folder}/{each}" if folder else each for each in found]
