"""What init would write or has written, as diffs, and what comes next."""

from __future__ import annotations

from db_migrate.language import said
from db_migrate.report.style import Style, block, count, indent, name
from db_migrate.report.text.parts import page, warnings_of
from db_migrate.results import Init, SetupFile

_SHORT = 30
"""How many lines of a new file are shown; of longer ones, their number."""


def diffs_text(init: Init, style: Style, *, verbose: bool = False) -> str:
    """Every file that would be written, with what changes in it."""
    return page([_file(each, style, verbose) for each in init.due], warnings_of(init, style), style=style)


def init_text(init: Init, style: Style, *, shown: bool = False, verbose: bool = False) -> str:
    """The files, and what comes next; ``shown``: the diffs have been printed already."""
    files = [] if shown or init.written else [_file(each, style, verbose) for each in init.due]
    return page(
        files,
        [] if shown else warnings_of(init, style),
        _verdict(init, style),
        "" if init.error else _next(init, style),
        style=style,
    )


def _file(file: SetupFile, style: Style, verbose: bool) -> str:
    lines = block(file.diff).rstrip("\n").split("\n")
    head = f"{style.bold(name(file.path))} {style.dim(f'({said(file.action)}: {said(file.purpose)})')}"
    if file.action == "created":
        body = lines[3:]
        if len(body) > _SHORT and not verbose:
            return (
                f"{head}\n  {style.good('+ ' + count(len(body), 'line'))} {style.dim(said('(--verbose shows them)'))}"
            )
        return "\n".join([head, *(f"  {style.good(each)}" for each in body)])
    return "\n".join([head, *(f"  {_coloured(each, style)}" for each in lines[2:])])


def _coloured(line: str, style: Style) -> str:
    return {"+": style.good, "-": style.bad, "@": style.dim}.get(line[:1], str)(line)


def _verdict(init: Init, style: Style) -> str:
    due = init.due
    if init.error:
        return said(f"{count(len(due), 'file')} would be written")
    if not due:
        return said(f"{style.good('✓')} {style.bold(said('nothing to do'))}: the project has all of it")
    if not init.written:
        return said(f"{count(len(due), 'file')} would be written")
    lines = [f"{style.good('✓')} {style.bold(count(len(due), 'file') + ' written')}"]
    return "\n".join([*lines, *(f"  {name(each.path)}  {style.dim(said(each.action))}" for each in due)])


def _next(init: Init, style: Style) -> str:
    lines = [style.bold(said("next:"))]
    for number, each in enumerate(init.next, 1):
        lines.append(indent(said(block(each.what)), 4, first=f"{number:>2}. "))
        lines += [f"    {style.info(name(each.command))}"] if each.command else []
    return "\n".join(lines)
