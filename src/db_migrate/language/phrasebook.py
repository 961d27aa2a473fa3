"""One language's catalogue, a gettext file, and how the template of a finished sentence is found in it."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from gettext import GNUTranslations
from importlib import resources

_WORD = re.compile(r"[^\W\d_]{2,}")
_WHOLE_WORD = re.compile(r"(?<![\w\0])[^\W\d_]{2,}(?![\w\0])")
"""In a template whose places are NULs: a word that no place is part of."""

_LETTER = re.compile(r"[^\W\d_]")
_PLACE = re.compile(r"(?<!\{)\{([a-z_][a-z_0-9]*)\}(?!\})")
_COUNTED = re.compile(r"([\d,]+) (\S.*)", re.DOTALL)
_REASON = re.compile(r'("[^"]+": )"([^"]+)"')
"""The reason of an intent, which whoever uses it replaces."""

_SEPARATORS = ("\n", "; ", ", ", ": ", ". ")
COUNTED = "counted"
"""The context of what is counted in a catalogue: as a label or a heading the word may be another."""

_LONGEST = 4_000
"""Texts of more characters are said line by line: no template is as long."""

_TOGETHER = 4
"""So many sentences a text of the catalogue has at most."""

_WEAK = 5
"""A template with fewer letters of its own fits nearly everything; only a text that is said by itself is of one."""

_WORDS = re.compile(
    r"(?:name|object|relation|table|column|index|schema|database|revision|file|path|folder|role|user|server|label|key"
    r"|value|option|driver|url|version|ref|run|id|hint)\d*"
)
"""Places for what others named: mostly a single word, and nobody's language."""

_NAMES = re.compile(rf"{_WORDS.pattern}|(?:sql|command|place|quote|block|known|choices?)\d*")
"""Those, and places for quotations."""

_KINDS = re.compile(
    r"(?:kind|what|changing|kind_of|word|title|state|mode|action|how|why|is|are|verb|who|described|kept|part)\d*"
)
"""Places for a single word of ours."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places, and its translation. ``letters``: how many it has of its own."""

    text: str
    translated: str
    letters: int

    @property
    def anchor(self) -> str:
        """Its longest word: in what lacks it, the template need not be looked for. Empty without a word."""
        return max(_WHOLE_WORD.findall(_PLACE.sub("\0", self.text)), key=len, default="")


class Phrasebook:
    """What a catalogue says, by text and by template. Everything that was looked up is remembered."""

    def __init__(self, file: bytes) -> None:
        self._catalogue = GNUTranslations(io.BytesIO(file))
        self._entries = _entries(file)
        self._remembered: dict[tuple[str, bool], str] = {}

    def said(self, text: str) -> str:
        """The text in this language, blanks around it as they are; unchanged where no template of it is known."""
        return self._of(text, by_itself=True)

    def said_beside_code(self, text: str) -> str:
        """The text where it is known as a whole, else its comments, and the reasons of intents in it."""
        if (known := self._known(text)) is not None:
            return known
        return "".join(
            f"{code}# {self.said(comment)}" if hash_ and not code.strip() else _REASON.sub(self._reason, line)
            for line in text.splitlines(keepends=True)
            for code, hash_, comment in [line.partition("# ")]
        )

    def _reason(self, found: re.Match[str]) -> str:
        return f'{found[1]}"{self._exact.get(found[2], found[2])}"'

    def _of(self, text: str, *, by_itself: bool) -> str:
        key = (text, by_itself)
        if key not in self._remembered:
            bare = text.strip()
            at = text.find(bare)
            found = self._found(bare, by_itself) if _LETTER.search(bare) else bare
            self._remembered[key] = text[:at] + found + text[at + len(bare) :]
        return self._remembered[key]

    def _found(self, text: str, by_itself: bool) -> str:
        known = self._known(text)
        if known is None and (made := self._in_parts(text)) != text:
            return made
        if known is None and by_itself:
            known = self._of_template(text, weak=True)
        return text if known is None else known

    def _known(self, text: str) -> str | None:
        """The translation of a text that is known as a whole."""
        if text in self._exact:
            return self._exact[text]
        counted = _COUNTED.fullmatch(text)
        if counted and (what := self._what(counted[2], int(counted[1].replace(",", "")))):
            return f"{counted[1]} {what}"
        return self._of_template(text, weak=False)

    def _what(self, what: str, number: int) -> str | None:
        """What is counted, in the form for the number: ``rows``, and ``rows of public.t``."""
        word, of, whose = what.partition(" of ")
        if word not in self._counted:
            return None
        one, many = self._counted[word]
        said = self._catalogue.npgettext(COUNTED, one, many, number)
        return f"{said} {self._of(whose, by_itself=False)}" if of else said

    def _of_template(self, text: str, *, weak: bool) -> str | None:
        """The text, if one of the templates fits it; that which says most is tried first."""
        if len(text) > _LONGEST:
            return None
        words = {"", *_WORD.findall(text)}
        found = [each for word in words for each in self._by_anchor.get(word, ()) if (each.letters < _WEAK) is weak]
        likely = None
        for template in sorted(found, key=lambda each: each.letters, reverse=True):
            taken = _pattern(template.text).fullmatch(text)
            if taken is None or (weak and any(value.count(" ") > 1 for value in taken.groupdict().values())):
                continue
            if all(" " not in value for place, value in taken.groupdict().items() if _WORDS.fullmatch(place)):
                return self._filled(template, taken.groupdict())
            likely = likely or (template, taken.groupdict())
        return None if likely is None else self._filled(*likely)

    def _filled(self, template: Template, values: dict[str, str]) -> str:
        return _PLACE.sub(lambda place: self._put_in(place[1], values[place[1]]), _unquoted(template.translated))

    def _put_in(self, place: str, value: str) -> str:
        """What was put into a place: a name as it is, a phrase in this language."""
        if _NAMES.fullmatch(place):
            return value
        if " " in value.strip() or _KINDS.fullmatch(place):
            return self._of(value, by_itself=False)
        return value

    def _in_parts(self, text: str) -> str:
        """Several texts that were put together, where each or at least one of them is known."""
        for separator in _SEPARATORS:
            parts = text.split(separator)
            if len(parts) > 1:
                made = separator.join(self._each(parts, separator))
                if made != text:
                    return made
        return text

    def _each(self, parts: list[str], separator: str) -> Iterator[str]:
        """Those parts, as many of them at once as are a text that is known."""
        at = 0
        while at < len(parts):
            longest = range(min(len(parts), at + _TOGETHER), at, -1)
            known = ((end, self._ended(separator.join(parts[at:end]), separator)) for end in longest)
            end, made = next((pair for pair in known if pair[1] is not None), (at + 1, None))
            yield self._of(parts[at], by_itself=False) if made is None else made
            at = end

    def _ended(self, text: str, separator: str) -> str | None:
        """The translation of a text, or of the text with the mark that is between it and the next."""
        bare, mark = text.strip(), separator.strip()
        if mark and (known := self._known(bare + mark)) is not None:
            return known.removesuffix(mark)
        return self._known(bare)

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {text.strip(): said.strip() for text, said in self._entries.items() if "\0" not in text}

    @cached_property
    def _exact(self) -> dict[str, str]:
        return {_unquoted(text): _unquoted(said) for text, said in self._texts.items() if not _PLACE.search(text)}

    @cached_property
    def _counted(self) -> dict[str, tuple[str, str]]:
        """What can be counted, by its form for one and its form for many."""
        known = [text.removeprefix(f"{COUNTED}\4") for text in self._entries if "\0" in text]
        pairs = [text.split("\0") for text in known]
        return {form: (one, many) for one, many in pairs for form in (one, many)}

    @cached_property
    def _by_anchor(self) -> dict[str, list[Template]]:
        found: dict[str, list[Template]] = {}
        for key, value in self._texts.items():
            if _PLACE.search(key) and value != key:
                own = sum(letter.isalpha() for letter in _PLACE.sub("", key))
                template = Template(key, value, own)
                found.setdefault(template.anchor, []).append(template)
        return found


@lru_cache
def phrasebook(language: str) -> Phrasebook:
    """The one of a language that there is a catalogue of."""
    file = resources.files(__package__).joinpath("catalogues", language, "LC_MESSAGES", "db_migrate.mo")
    return Phrasebook(file.read_bytes())


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a text that was made from the template looks like. A place that is named twice has the same in both."""
    parts, seen = [], set[str]()
    for number, part in enumerate(_PLACE.split(template)):
        if number % 2 == 0:
            parts.append(re.escape(_unquoted(part)))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>.*?)")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)


def _unquoted(text: str) -> str:
    """Doubled braces are braces, as in str.format."""
    return text.replace("{{", "{").replace("}}", "}")


def _entries(file: bytes) -> dict[str, str]:
    """Every text of a catalogue with its translation, but for the header; forms of plurals with NULs between them.

    https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html
    """
    number, texts, translations = struct.unpack_from("<3I", file, 8)

    def string(table: int, place: int) -> str:
        length, start = struct.unpack_from("<2I", file, table + 8 * place)
        return file[start : start + length].decode()

    found = {string(texts, each): string(translations, each) for each in range(number)}
    found.pop("", None)
    return found
