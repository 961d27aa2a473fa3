"""Python that is written into revision files stays what it was meant to be, whatever names are in it."""

from __future__ import annotations

import ast

import pytest

from db_migrate.rules.python_text import comment


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n", "\x0c", "\x1b[31m", "\u2028", "\0", "\\", "'''"])
def test_a_comment_ends_with_its_line(ending: str) -> None:
    """A name cannot end a comment and go on as code, nor make the file unreadable."""
    line = comment(f"drops a{ending}raise SystemExit")
    assert line.isprintable()
    assert ast.dump(ast.parse(f"{line}\nx = 1\n")) == ast.dump(ast.parse("x = 1"))
