"""Standard output carries what was asked for, standard error everything else; style is decided for each."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from db_migrate.cli.options import Call
from db_migrate.errors import ErrorReport
from db_migrate.language import said
from db_migrate.report.style import Style, When, style_of

LOST = "output.lost"
"""The code of the one error that is told on standard error in every format."""


def style_for(stream: TextIO, call: Call) -> Style:
    """What the stream can show, by ``--color`` and the environment."""
    return style_of(stream, os.environ, When(call.color))


def write(text: str, stream: TextIO) -> None:
    """Write text; characters that the stream's encoding lacks become escapes, a closed pipe ends the output.

    What is printed comes after what was done, so that a reader who left (``| head``) changes no exit code.
    """
    encoding = stream.encoding or "ascii"
    with _read_or_not(stream):
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def write_document(text: str) -> None:
    """Write a JSON document: UTF-8, whatever the locale says."""
    with _read_or_not(sys.stdout):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()


@contextmanager
def _read_or_not(stream: TextIO) -> Iterator[None]:
    """Let a reader leave. Raises Failed ``output.lost`` where it cannot be written, to a full disk say."""
    try:
        yield
    except BrokenPipeError:
        to_nowhere(stream)
    except OSError as error:
        to_nowhere(stream)
        if stream is not sys.stdout:
            return  # there is nothing left to say it with
        from db_migrate.errors import Failed

        raise Failed(
            LOST,
            "standard output cannot be written",
            why=str(error),
            state="what was done before stays done; nothing is half-done",
        ) from error


def to_nowhere(stream: TextIO) -> None:
    """Let all that is still going to be written, when Python ends too, vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_all() -> None:
    """Give those that were closed (``>&-``) somewhere to go, with the number that they would have."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            if (nowhere := os.open(os.devnull, os.O_WRONLY)) != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w"))


def write_result(document: dict[str, Any], call: Call) -> None:
    """Write the document of a verb, with ``jsonl`` as the last line of the stream."""
    from db_migrate.report import json

    if call.format == "jsonl":
        write_document(json.line({"event": "finished", "run": document.get("run", ""), "result": document}))
    else:
        write_document(json.encode(document))


def write_file(file: Path, text: str) -> None:
    """Write a file that was asked for, whole or not at all. Raises UsageError ``output.unwritable``."""
    from db_migrate.errors import UsageError

    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        if file.exists() and not file.is_file():  # a pipe or a device
            file.write_text(text, encoding="utf-8")
            return
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            "output.unwritable", f"{file} cannot be written", why=str(error), state="nothing was changed"
        ) from error


def print_error(report: ErrorReport, call: Call, error: BaseException | None) -> None:
    """Print an error: as JSON the whole document on standard output, else on standard error."""
    from db_migrate.report.text.parts import error_text

    report = _redacted(report)
    if error is not None and call.flag("debug"):
        write(_redact("".join(traceback.format_exception(error))), sys.stderr)
    if call.prints_document and report.code != LOST:
        from db_migrate.report import json

        write_result(json.error_document(call.verb, report, getattr(error, "known", None)), call)
        return
    write(error_text(report, style_for(sys.stderr, call)), sys.stderr)
    if call.flag("verbose"):
        causes = (said(f"  caused by {type(each).__name__}: {each}\n") for each in _causes(error))
        write(_redact("".join(causes)), sys.stderr)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """What the error was raised from, the nearest first."""
    while error is not None and (error := error.__cause__ or error.__context__) is not None:
        yield error


def _redacted(report: ErrorReport) -> ErrorReport:
    return ErrorReport(
        code=report.code,
        message=_redact(report.message),
        why=_redact(report.why),
        where=_redact(report.where),
        state=_redact(report.state),
        next=tuple(_redact(each) for each in report.next),
    )


def _redact(text: str) -> str:
    from db_migrate.postgres.redact import redact

    return redact(text)
