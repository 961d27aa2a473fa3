"""``make translations``: bring the catalogues up to date with the source, compile them, and say what is missing.

``--check`` changes nothing, and ends with 1 where that would change something or a text is not translated.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from db_migrate.language.phrasebook import COUNTED
from translations.extract import SOURCE, texts

FOLDER = SOURCE / "language" / "catalogues"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""A catalogue is new when a text is, not when it was written."""

_HEADER = "# What db-migrate says, in another language. `make translations` keeps it up to date with the source."

_PLACE = re.compile(r"(?<!\{)\{([a-z_0-9]+)\}(?!\})")


def languages() -> list[str]:
    """Those that have a catalogue."""
    return sorted(each.name for each in FOLDER.iterdir() if each.is_dir())


def file_of(language: str) -> Path:
    """The catalogue that people edit."""
    return FOLDER / language / "LC_MESSAGES" / "db_migrate.po"


def template() -> Catalog:
    """What the source says, without translations."""
    catalogue = Catalog(charset="utf-8")
    for each in texts():
        text: str | tuple[str, str] = (each.template, each.plural) if each.plural else each.template
        if each.template:
            catalogue.add(text, locations=[(each.file, 0)], context=COUNTED if each.plural else None)
    return catalogue


def merged(language: str, source: Catalog) -> Catalog:
    """The language's catalogue, with new texts not translated and those that are gone left out."""
    with file_of(language).open("rb") as file:
        known = read_po(file, locale=language)
    fresh = Catalog(locale=language, project="db-migrate", header_comment=_HEADER, charset="utf-8", fuzzy=False)
    fresh.last_translator = fresh.language_team = fresh.msgid_bugs_address = fresh.version = "db-migrate"
    for message in source:
        if message.id:
            old = known.get(message.id, message.context)
            fresh.add(message.id, old.string if old else None, locations=message.locations, context=message.context)
    return fresh


def written(catalogue: Catalog) -> tuple[bytes, bytes]:
    """The two files of a catalogue: that for people, and the compiled one."""
    catalogue.creation_date = catalogue.revision_date = _NEVER
    people, compiled = io.BytesIO(), io.BytesIO()
    write_po(people, catalogue, width=120, omit_header=False, sort_output=True, include_lineno=False)
    write_mo(compiled, catalogue)
    return people.getvalue(), compiled.getvalue()


def faults(catalogue: Catalog) -> Iterator[str]:
    """What is not translated, or puts in something else than the text does."""
    for message in catalogue:
        if message.id:
            yield from _faults(message)


def _faults(message: Message) -> Iterator[str]:
    text = message.id if isinstance(message.id, str) else message.id[0]
    said = [message.string] if isinstance(message.string, str) else list(message.string or ("",))
    if not all(said):
        yield f"{message.locations[0][0]}: not translated: {text}"
    elif isinstance(message.id, str):
        places, put_in = set(_PLACE.findall(text)), set(_PLACE.findall(said[0]))
        if put_in - places or any(not _spared(each, put_in) for each in places - put_in):
            shown = f"{sorted(places)} in the text, {sorted(put_in)} in the translation"
            yield f"{message.locations[0][0]}: {shown}: {text}"


def _spared(place: str, put_in: set[str]) -> bool:
    """Whether another language can do without: an English ending or verb, or what is put in once more."""
    return (
        place.startswith("if_")
        or place in ("is", "it", "wait")
        or place.rstrip("0123456789") in {each.rstrip("0123456789") for each in put_in}
    )


def main(arguments: list[str]) -> int:
    """Do it for every language. Returns the exit code."""
    check = "--check" in arguments
    source, wrong = template(), 0
    for language in languages():
        catalogue = merged(language, source)
        file = file_of(language)
        for path, content in zip((file, file.with_suffix(".mo")), written(catalogue), strict=True):
            if not path.exists() or path.read_bytes() != content:
                wrong += check
                print(f"{path.name} of {language}: {'not up to date' if check else 'written'}")
                if not check:
                    path.write_bytes(content)
        for each in faults(catalogue):
            print(each)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
