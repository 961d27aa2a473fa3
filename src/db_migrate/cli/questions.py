"""Questions on the terminal, and the flags that answer them beforehand."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from db_migrate.cli.options import Call
from db_migrate.language import said

if TYPE_CHECKING:
    from db_migrate.generate.filling import Fill


class Terminal:
    """Asks whoever sits at the terminal; the default answer is the one that loses nothing."""

    @classmethod
    def if_there(cls, call: Call) -> Terminal | None:
        """The questioner where somebody can answer: on a terminal, and not when a program reads the output."""
        there = sys.stdin.isatty() and sys.stderr.isatty() and call.format != "json"
        return cls() if there else None

    def renamed(self, what: str, old: str, new: str) -> bool | None:
        """Whether ``old`` is now called ``new``."""
        with _interruptible():
            return click.confirm(said(f"Was {what} {old} renamed to {new}?"), default=False, err=True)

    def fill(self, column: str, *, new: bool) -> Fill | None:
        """What the rows that are there get in a column that becomes NOT NULL."""
        from db_migrate.generate.filling import Fill, How

        click.echo(said(f"Column {column} becomes NOT NULL. What do the rows that are there get?"), err=True)
        ways = {"b": How.BACKFILL, "n": How.NOTHING} | ({"d": How.DEFAULT} if new else {})
        offered = said("d: a default for all, ") if new else ""
        offered += said("b: an expression, filled in batches, n: there are none without a value")
        with _interruptible():
            way = ways[click.prompt(offered, type=click.Choice(list(ways)), err=True)]
            if way is How.NOTHING:
                return Fill(way)
            return Fill(way, click.prompt(said("SQL expression"), err=True))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C at a question is Ctrl-C; click makes something of its own of it, which the library does not know."""
    try:
        yield
    except click.Abort:
        raise KeyboardInterrupt from None


def pairs(flag: str, values: Iterable[str], form: str) -> dict[str, str]:
    """``A=B`` of each value, cut at the first equals sign. Raises click's usage error naming the flag."""
    found = {}
    for value in values:
        name, sign, rest = value.partition("=")
        if not sign or not name.strip() or not rest.strip():
            raise click.BadParameter(f"{value!r} is not of the form {form}", param_hint=flag)
        found[name.strip()] = rest.strip()
    return found
