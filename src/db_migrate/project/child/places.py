"""Where in the user's code something happens, from the call stack."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, TracebackType

_PACKAGE = str(Path(__file__).parents[2])


@cache
def _library_folders() -> tuple[str, ...]:
    """Folders whose code is nobody's own: the standard library, installed packages, and us."""
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*(f"{folder}/" for folder in folders if folder), f"{_PACKAGE}/")


@cache
def is_user_file(filename: str) -> bool:
    """Whether ``filename`` (a code object's) belongs to the project rather than to a library.

    Code made by ``exec`` (``<string>``) has no file of its own and belongs to nobody.
    """
    if filename.startswith("<"):
        return False
    parts = Path(filename).parts
    return "site-packages" not in parts and "dist-packages" not in parts and not filename.startswith(_library_folders())


def _frames(frame: FrameType | None) -> Iterator[tuple[CodeType, int]]:
    while frame is not None:
        yield frame.f_code, frame.f_lineno
        frame = frame.f_back


def caller(depth: int = 2) -> tuple[str | None, int | None]:
    """File and line of the innermost user code on the stack."""
    for code, line in _frames(sys._getframe(depth)):
        if is_user_file(code.co_filename):
            return code.co_filename, line
    return None, None


def within(filename: str | None, depth: int = 2) -> tuple[str | None, int | None]:
    """File and line of the innermost frame that runs code of ``filename``."""
    if filename is not None:
        for code, line in _frames(sys._getframe(depth)):
            if code.co_filename == filename:
                return filename, line
    return None, None


def importing(depth: int = 2) -> bool:
    """Whether the code that runs is the top level of a module other than env.py."""
    return any(
        code.co_name == "<module>" and is_user_file(code.co_filename) and Path(code.co_filename).name != "env.py"
        for code, _ in _frames(sys._getframe(depth))
    )


def of_traceback(traceback: TracebackType | None) -> tuple[str | None, int | None]:
    """File and line of the innermost user code in ``traceback``."""
    found: tuple[str | None, int | None] = (None, None)
    while traceback is not None:
        if is_user_file(traceback.tb_frame.f_code.co_filename):
            found = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
    return found


def of_text(error: SyntaxError) -> tuple[str | None, int | None]:
    """File and line of what is not Python, if the file is the project's."""
    known = error.filename is not None and is_user_file(error.filename)
    return (error.filename, error.lineno) if known else (None, None)
