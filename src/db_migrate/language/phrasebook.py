"""One language's catalogue, a gettext file, and how the template of a finished sentence is found in it."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from gettext import GNUTranslations
from importlib import resources

_WORD = re.compile(r"[^\W\d_]{2,}")
_WHOLE_WORD = re.compile(r"(?<![\w\0])[^\W\d_]{2,}(?![\w\0])")
"""In a template whose places are NULs: a word that no place is part of."""

_LETTER = re.compile(r"[^\W\d_]")
_PLACE = re.compile(r"(?<!\{)\{([a-z_][a-z_0-9]*)\}(?!\})")
_CODE = re.compile(r"^\s*(?:#|[\w.]+\(|with .*:$|[\w, ]+ = )", re.MULTILINE)
"""Python, and not prose about it."""

_COUNTED = re.compile(r"([\d,]+(?:\.\d+)?(?: [kMG])?) (\S.*)", re.DOTALL)
"""A number, of thousands, millions or milliards perhaps, and what is counted."""

_AMOUNT = re.compile(r"[\d.]+ [kMG]")
_BESIDE = re.compile(r"(\S+) \(([^()]+)\)")
"""A name, and what is said of it."""

_UNITS = frozenset({"kB", "MB", "GB", "TB", "ms", "s", "min", "h"})
_ENGLISH = re.compile(r"(?<![\w.`'\"-])[a-z]{2,}(?![\w.`'\"(-])")
"""A word that seems to be left as it was."""

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
    r"|value|option|driver|url|version|ref|run|id|hint|oid|dbname|pid|parent|constraint|variable)\d*"
)
"""Places for what others named: mostly a single word, and nobody's language."""

_NAMES = re.compile(rf"{_WORDS.pattern}|(?:sql|command|place|quote|block|known|choices?)\d*")
"""Those, and places for quotations."""

_QUOTED = re.compile(r"(?:message|error|reason|redact|refused|raised)\d*")
"""Places for what somebody else may have said: it is only put into this language as a whole."""

_KINDS = re.compile(
    r"(?:kind|what|changing|kind_of|word|title|state|mode|action|how|why|is|are|verb|who|described|kept|part|waiting)\d*"
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

    def values_in(self, text: str, *, tight: bool) -> dict[str, str] | None:
        """What stands in its places in a text that was made from it; None where that is not so. ``tight``: `_pattern`.

        A pattern with several places tries every way to share a long text between them before it gives up. So what is
        between the places is looked for first: it has to be there, in this order.
        """
        first, *between, last = _literals(self.text)
        at, end = len(first), len(text) - len(last)
        if at > end or not (text.startswith(first) and text.endswith(last)):
            return None
        for each in between:
            at = text.find(each, at, end) + len(each)
            if at < len(each):
                return None
        taken = _pattern(self.text, tight=tight).fullmatch(text)
        return None if taken is None else taken.groupdict()


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
        if not _CODE.search(text) and (known := self._known(text)) is not None:
            return known
        return "".join(
            code + self._comment(comment) if hash_ and not code.strip() else _REASON.sub(self._reason, line)
            for line in text.splitlines(keepends=True)
            for code, hash_, comment in [line.partition("# ")]
        )

    def _comment(self, comment: str) -> str:
        """A comment: the catalogue may have it with its mark, where it is written so."""
        bare = comment.rstrip()
        known = self._known(f"# {bare}") or f"# {self._of(bare, by_itself=False)}"
        return known + comment[len(bare) :]

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
        if known is not None and not _ENGLISH.search(known):
            return known
        made = self._in_parts(text)
        told = _least_english([each for each in (known, made if made != text else None) if each is not None])
        if told is not None:
            return told
        loose = self._of_template(text, _loosely)
        if loose is not None and 2 * len(_ENGLISH.findall(loose)) > len(_ENGLISH.findall(text)):
            loose = None  # somebody else's words, of which one or two are ours too
        if loose is None and by_itself:
            loose = self._of_template(text, _weakly)
        return text if loose is None else loose

    def _known(self, text: str) -> str | None:
        """The translation of a text that is known as a whole."""
        if text in self._exact:
            return self._exact[text]
        counted = _COUNTED.fullmatch(text)
        if counted and counted[2] in self._counted:
            return f"{self._amount(counted[1])} {self._many(counted[2], counted[1])}"
        if counted and counted[2] in _UNITS:
            return f"{counted[1]} {self._exact.get(counted[2], counted[2])}"
        if _AMOUNT.fullmatch(text):
            return self._amount(text)
        made = self._of_template(text, _strictly)
        return self._number_of(counted) if made is None and counted else made

    def _number_of(self, counted: re.Match[str]) -> str | None:
        """What is counted, and of what: ``3 rows of public.t``. Templates have it in the plural."""
        word, of, whose = counted[2].partition(" of ")
        if not of or word not in self._counted:
            return None
        amount, noun = self._amount(counted[1]), self._many(word, counted[1])
        known = self._of_template(f"{self._counted[word][1]} of {whose}", _strictly)
        if known is None:
            return f"{amount} {noun} {self._of(whose, by_itself=False)}"
        first, _, rest = known.partition(" ")
        return f"{amount} {noun} {rest}" if first == self._many(word, "0") else f"{amount} {known}"

    def _amount(self, number: str) -> str:
        """A number with the word for its magnitude."""
        digits, _, magnitude = number.partition(" ")
        return f"{digits} {self._exact.get(magnitude, magnitude)}" if magnitude else number

    def _many(self, word: str, number: str) -> str:
        """A word that is counted in the form for a number."""
        one, many = self._counted[word]
        digits, _, magnitude = number.replace(",", "").partition(" ")
        return self._catalogue.npgettext(COUNTED, one, many, 0 if magnitude else int(float(digits)))

    def _of_template(self, text: str, fits: Callable[[Template, dict[str, str]], bool]) -> str | None:
        """The text in a template that fits it: the one that leaves the least in English, and says most by itself."""
        if len(text) > _LONGEST:
            return None
        words = {"", *_WORD.findall(text)}
        made = []
        for template in (each for word in words for each in self._by_anchor.get(word, ())):
            values = template.values_in(text, tight=fits is _strictly)
            if values is not None and fits(template, values):
                filled = self._filled(template, values)
                made.append((len(_ENGLISH.findall(filled)), -template.letters, filled))
        return min(made)[2] if made else None

    def _filled(self, template: Template, values: dict[str, str]) -> str:
        return _PLACE.sub(lambda place: self._put_in(place[1], values[place[1]]), _unquoted(template.translated))

    def _put_in(self, place: str, value: str) -> str:
        """What was put into a place: a name as it is, a phrase in this language."""
        if _NAMES.fullmatch(place):
            return value
        if _QUOTED.fullmatch(place):
            return self._known(value) or value
        if " " in value.strip() or _KINDS.fullmatch(place):
            return self._of(value, by_itself=False)
        return value

    def _in_parts(self, text: str) -> str:
        """Several texts that were put together, where each or at least one of them is known."""
        made = [each.join(self._each(text.split(each), each)) for each in _SEPARATORS if each in text]
        if (told := _least_english([each for each in made if each != text])) is not None:
            return told
        beside = _BESIDE.fullmatch(text)
        return f"{beside[1]} ({self._of(beside[2], by_itself=False)})" if beside else text

    def _each(self, parts: list[str], separator: str) -> Iterator[str]:
        """Those parts, as many of them at once as are a text that is known."""
        at = 0
        while at < len(parts):
            most = len(parts) if at else len(parts) - 1  # all of them are the text, which is not known
            longest = range(min(most, at + _TOGETHER), at, -1)
            known = ((end, self._ended(separator.join(parts[at:end]), separator)) for end in longest)
            end, made = next((pair for pair in known if pair[1] is not None), (at + 1, None))
            yield self._of(parts[at], by_itself=False) if made is None else made
            at = end

    def _ended(self, text: str, separator: str) -> str | None:
        """The translation of a text, or of the text with the mark that is between it and the next."""
        bare, mark = text.strip(), separator.strip()
        marked = self._known(bare + mark) if mark else None
        told = [self._known(bare), None if marked is None else marked.removesuffix(mark)]
        return _least_english([each for each in told if each is not None])

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {text.strip(): said.strip() for text, said in self._entries.items() if "\0" not in text}

    @cached_property
    def _exact(self) -> dict[str, str]:
        whole = {_unquoted(text): _unquoted(said) for text, said in self._texts.items() if not _PLACE.search(text)}
        return dict(pair for each in whole.items() for pair in _after_another(*each)) | whole

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
                for text, translated in ((key, value), *_after_another(key, value)):
                    own = sum(letter.isalpha() for letter in _PLACE.sub("", text))
                    template = Template(text, translated, own)
                    found.setdefault(template.anchor, []).append(template)
        return found


def _after_another(text: str, translated: str) -> Iterator[tuple[str, str]]:
    """A text that is put behind another, without what stands between them."""
    for separator in _SEPARATORS:
        if text.startswith(separator) and translated.startswith(separator):
            yield text.removeprefix(separator), translated.removeprefix(separator)


def _least_english(told: list[str]) -> str | None:
    """The one that leaves the least as it was, the first of several; None where there is none."""
    return min(told, key=lambda each: len(_ENGLISH.findall(each)), default=None)


def _strictly(template: Template, values: dict[str, str]) -> bool:
    """Every name is a single word, by the pattern, and the template has something of its own."""
    del values
    return template.letters >= _WEAK


def _loosely(template: Template, values: dict[str, str]) -> bool:
    """A name may be of several words."""
    del values
    return template.letters >= _WEAK


def _weakly(template: Template, values: dict[str, str]) -> bool:
    """The template has next to nothing of its own, so what is put into it has to be short."""
    return template.letters < _WEAK and not any(value.count(" ") > 1 for value in values.values())


@lru_cache
def phrasebook(language: str) -> Phrasebook:
    """The one of a language that there is a catalogue of."""
    file = resources.files(__package__).joinpath("catalogues", language, "LC_MESSAGES", "db_migrate.mo")
    return Phrasebook(file.read_bytes())


@cache
def _literals(template: str) -> tuple[str, ...]:
    """The parts of a template around its places, of which there is at least one."""
    return tuple(_unquoted(part) for part in _PLACE.split(template)[::2])


@cache
def _pattern(template: str, *, tight: bool) -> re.Pattern[str]:
    """What a text that was made from the template looks like. A place that is named twice has the same in both.

    ``tight``: a name is a single word, with blanks only where it is quoted, as in SQL.
    """
    parts, seen = [], set[str]()
    for number, part in enumerate(_PLACE.split(template)):
        if number % 2 == 0:
            parts.append(re.escape(_unquoted(part)))
        else:
            value = r'(?:"[^"]*"|[^\s"])*?(?<![,;:])' if tight and _WORDS.fullmatch(part) else ".*?"
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>{value})")
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
