"""The language in which people are spoken to. JSON, logs, rule names and whatever programs read are English.

What the other rooms say is an English sentence with names in it, made where it is known: it is a value of a result,
and the same in JSON. So it is translated last, where a renderer prints it: :func:`said` finds the template that the
sentence was made from, takes out what was put in, and puts it into the template's translation. Texts that quote
(SQL, names, commands) are printed as they are, since a renderer does not pass them through here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db_migrate.language.phrasebook import Phrasebook

LANGUAGES = ("en", "ru")
"""Those that there are; English needs no catalogue."""

_spoken: Phrasebook | None = None
_language = "en"


def spoken() -> str:
    """The language that is spoken."""
    return _language


def speak(language: str) -> None:
    """Say everything in this language from now on; English where it is none of ``LANGUAGES``."""
    global _spoken, _language
    _language = language if language in LANGUAGES else "en"
    if language in LANGUAGES[1:]:
        from db_migrate.language.phrasebook import phrasebook

        _spoken = phrasebook(language)
    else:
        _spoken = None


@contextlib.contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in this language, and then again in the one that was spoken before."""
    before = _language
    speak(language)
    try:
        yield
    finally:
        speak(before)


def said(text: str) -> str:
    """The text in the language that is spoken; as it is where its template is not known."""
    return text if _spoken is None else _spoken.said(text)


def said_beside_code(text: str) -> str:
    """Advice that is code, or prose: the comments of code in the language that is spoken, the code as it is."""
    return text if _spoken is None else _spoken.said_beside_code(text)


def wanted(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """The language that a command line or else the environment asks for: ``--lang``, DB_MIGRATE_LANG, the locale.

    It is looked for before the command line is parsed, since what is wrong with that is said in it too.
    """
    before = words[: words.index("--")] if "--" in words else words
    for place, word in enumerate(before):
        if word.startswith("--lang="):
            return word.removeprefix("--lang=")
        if word == "--lang" and place + 1 < len(before):
            return before[place + 1]
    if environ.get("DB_MIGRATE_LANG"):
        return environ["DB_MIGRATE_LANG"]
    locale = next((environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(key)), "")
    return locale.partition("_")[0].partition(".")[0].lower()
