"""Colour, characters and sizes."""

from __future__ import annotations

import io

import pytest

from db_migrate.report.style import Style, When, block, count, name, seconds, size, style_of


class Stream(io.StringIO):
    """A stream that says of itself what the test wants."""

    def __init__(self, *, tty: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty = tty
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io.StringIO says None
        return self._encoding

    def isatty(self) -> bool:
        return self._tty


@pytest.mark.parametrize(
    ("tty", "environ", "when", "coloured"),
    [
        (True, {}, When.AUTO, True),
        (False, {}, When.AUTO, False),
        (True, {"NO_COLOR": "1"}, When.AUTO, False),
        (True, {"NO_COLOR": ""}, When.AUTO, True),
        (True, {"TERM": "dumb"}, When.AUTO, False),
        (False, {"FORCE_COLOR": "1"}, When.AUTO, True),
        (False, {"FORCE_COLOR": "0"}, When.AUTO, False),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, When.AUTO, False),
        (True, {}, When.NEVER, False),
        (False, {"NO_COLOR": "1"}, When.ALWAYS, True),
    ],
)
def test_colour_follows_the_flag_then_the_environment_then_the_terminal(
    tty: bool, environ: dict[str, str], when: When, coloured: bool
) -> None:
    """--color wins over NO_COLOR, that over FORCE_COLOR, and those over what the stream is."""
    assert style_of(Stream(tty=tty), environ, when).colour is coloured


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "a → b ✓"), ("UTF8", "a → b ✓"), ("ascii", "a -> b ok")])
def test_an_encoding_without_arrows_gets_ascii(encoding: str, shown: str) -> None:
    """Characters of our own are replaced where the stream's encoding may lack them."""
    assert style_of(Stream(tty=False, encoding=encoding), {}).finish("a → b ✓") == shown


def test_names_cannot_steer_the_terminal() -> None:
    """Escape sequences, newlines and characters that turn text around are shown, not sent."""
    assert name("a\x1b[2Jb\nc\u202ed\x9be") == "a\\x1b[2Jb\\nc\\u202ed\\x9be"
    assert name("grün 中文 🐘") == "grün 中文 🐘"


def test_sql_keeps_its_lines() -> None:
    """A block of SQL keeps newlines and indentation, and loses what steers a terminal."""
    assert block("SELECT 1\r\n\tFROM t\x07") == "SELECT 1\n    FROM t\\x07"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 kB"),
        (1536, "1.5 kB"),
        (10 * 1024, "10 kB"),
        (48 * 1024**3, "48 GB"),
        (3 * 1024**4, "3.0 TB"),
        (5000 * 1024**4, "5,000 TB"),
    ],
)
def test_sizes_are_in_binary_units(number: int, shown: str) -> None:
    """Sizes are written as PostgreSQL's pg_size_pretty names them."""
    assert size(number) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.0, "0 ms"), (0.0034, "3 ms"), (1.24, "1.2 s"), (250, "4 min 10 s"), (7500, "2 h 5 min"), (3599.9, "1 h 0 min")],
)
def test_times_are_for_people(amount: float, shown: str) -> None:
    """A length of time has at most two units."""
    assert seconds(amount) == shown


def test_counts_agree_with_their_noun() -> None:
    """One is singular, all else plural, thousands have separators."""
    assert [count(1, "row"), count(0, "row"), count(12345, "row")] == ["1 row", "0 rows", "12,345 rows"]


def test_long_lines_are_cut_and_say_so() -> None:
    """Only the first line is shown, cut to the room there is."""
    style = Style()
    assert style.cut("SELECT 1", 20) == "SELECT 1"
    assert style.cut("SELECT 1\nFROM t", 20) == "SELECT 1 …"
    assert style.cut("x" * 30, 10) == "x" * 9 + "…"
