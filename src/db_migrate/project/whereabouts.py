"""Where a password stands among the things that env.py looked at, so that it never has to be written down again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, unquote_plus

import msgspec

from db_migrate.project.inputs import is_installed
from db_migrate.project.jobs import Inputs

_READINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "url": unquote,
    "url+": unquote_plus,
    "ini": lambda text: text.replace("%%", "%"),
    "ini url": lambda text: unquote(text.replace("%%", "%")),
}
"""How a password may be spelled: as it is, percent-encoded in a URL, and both in an ini file, which doubles %."""

_IN_URL = re.compile(r"://[^:/@\s'\"]*:(?P<password>[^\s'\"]+?)@")
_LARGEST = 1 << 20


class Place(msgspec.Struct, frozen=True):
    """A part of a variable or of a file: ``reading`` makes the password of the text from ``start`` to ``end``."""

    source: str
    name: str
    start: int
    end: int
    reading: str


def find(password: str, inputs: Inputs, environ: Mapping[str, str]) -> Place | None:
    """A place among the inputs that the password can be read from again, or None."""
    return next(
        (
            Place(source, name, start, end, reading)
            for source, name, text in _texts(inputs, environ)
            for start, end in _spans(password, text)
            for reading, read in _READINGS.items()
            if read(text[start:end]) == password
        ),
        None,
    )


def read(place: Place, environ: Mapping[str, str]) -> str:
    """The password at a place, which must still be as it was when that was found."""
    text = environ.get(place.name, "") if place.source == "variable" else _text(Path(place.name))
    return _READINGS[place.reading](text[place.start : place.end])


def _texts(inputs: Inputs, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    names = environ.keys() if inputs.environment else inputs.variables
    for name in names:
        if name in environ:
            yield "variable", name, environ[name]
    for path in inputs.files:
        if not is_installed(path) and (text := _text(Path(path))):
            yield "file", path, text


def _text(file: Path) -> str:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return ""
        return file.read_bytes().decode(errors="surrogateescape")
    except OSError:
        return ""


def _spans(password: str, text: str) -> Iterator[tuple[int, int]]:
    """Parts of the text that may be the password."""
    plain = text.find(password)
    if plain >= 0:
        yield plain, plain + len(password)
    for match in _IN_URL.finditer(text):
        yield match.span("password")
