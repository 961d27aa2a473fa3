"""The reference in the manual's page about Python, from signatures and docstrings; what stands before it is by hand."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import db_migrate
from db_migrate import errors, results
from db_migrate.execute.kept import KeptThere
from db_migrate.execute.progress import ProgressEvent, Watcher
from db_migrate.generate.filling import Fill
from db_migrate.generate.request import Questioner, Request
from db_migrate.workspace.acting import Workspace
from db_migrate.workspace.comparing import Comparing
from db_migrate.workspace.looking import Looking
from db_migrate.workspace.rehearsing import Rehearse

FILE = Path(__file__).parent / "python.md"
BEGIN = "<!-- made by `make docs` from here on -->"


def page() -> str:
    """The whole page."""
    by_hand = FILE.read_text("utf-8").split(BEGIN)[0]
    return by_hand + "\n".join([BEGIN, "", *_functions(), *_workspace(), *_around(), *_results(), *_errors()])


def _functions() -> Iterator[str]:
    yield "## Functions"
    yield ""
    for function in (db_migrate.load, db_migrate.open_project):
        yield from _callable(f"db_migrate.{function.__name__}", function)


def _workspace() -> Iterator[str]:
    yield from ("## Workspace", "", _prose(Workspace), "")
    for room in (Looking, Comparing, Workspace):
        for name, member in vars(room).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                yield from _callable(f"Workspace.{name}", member)
    yield from ("### Workspace.kept", "", _prose(Workspace.kept), "")
    for name, member in vars(KeptThere).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            yield from _callable(f"Workspace.kept.{name}", member)
    yield from ("### Workspace.watcher", "", "Who is told of a run: a `Watcher`, see below; nobody by default.", "")


def _around() -> Iterator[str]:
    yield from ("## What methods take", "")
    for shape in (Request, Fill, Rehearse, ProgressEvent):
        yield from _value(shape, f"{shape.__module__}.{shape.__name__}")
    for protocol in (Questioner, Watcher):
        yield from (f"### {protocol.__module__}.{protocol.__name__}", "", _prose(protocol), "")
        for name, member in vars(protocol).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                yield f"- `{name}{_signature(member)}`: {_prose(member)}"
        yield ""


def _results() -> Iterator[str]:
    yield "## Results"
    yield ""
    yield "All are in `db_migrate.results`, frozen, and compared by value. What a method returns has `target`, a"
    yield "`TargetSummary` or None, and `warnings`, plain sentences, beside what is named here."
    yield ""
    shapes = [each for _, each in sorted(vars(results).items()) if inspect.isclass(each)]
    for shape in shapes:
        if dataclasses.is_dataclass(shape):
            yield from _value(shape, shape.__name__)


def _errors() -> Iterator[str]:
    yield from ("## Errors", "", "All are in `db_migrate.errors`.", "")
    yield from ("| error | exit code | |", "| --- | --- | --- |")
    for error in (each for each in vars(errors).values() if inspect.isclass(each)):
        if issubclass(error, errors.DbMigrateError):
            yield f"| `{error.__name__}` | {error.exit_code} | {_prose(error).splitlines()[0]} |"
    yield ""
    yield from _value(errors.ErrorReport, "ErrorReport")


def _value(shape: type[Any], title: str) -> Iterator[str]:
    own = (each for each in dataclasses.fields(shape) if each.name not in ("target", "warnings"))
    yield from (f"### {title}", "")
    if not (shape.__doc__ or "").startswith(f"{shape.__name__}("):  # what dataclasses write where there is nothing
        yield from (_prose(shape), "")
    yield from ("```python", *(f"{each.name}: {each.type}" for each in own), "```", "")


def _callable(title: str, function: Callable[..., object]) -> Iterator[str]:
    yield from (f"### {title}", "", "```python", f"{title.rpartition('.')[2]}{_signature(function)}", "```", "")
    yield from (_prose(function), "")


def _signature(function: Callable[..., object]) -> str:
    """The signature as it is written, on one line, whichever Python formats it; without self."""
    signature = inspect.signature(function)
    parts: list[str] = []
    star = False
    for each in signature.parameters.values():
        if each.name == "self":
            continue
        if each.kind is each.KEYWORD_ONLY and not star:
            parts.append("*")
        star |= each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        name = f"*{each.name}" if each.kind is each.VAR_POSITIONAL else each.name
        default = "" if each.default is each.empty else f" = {each.default!r}"
        parts.append(f"{name}: {each.annotation}{default}")
    returned = str(signature.return_annotation)
    if hasattr(function, "__wrapped__"):  # what @contextmanager is around
        returned = returned.replace("Iterator[", "AbstractContextManager[")
    return f"({', '.join(parts)}) -> {returned}"


def _prose(thing: object) -> str:
    text = inspect.getdoc(thing) or ""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
