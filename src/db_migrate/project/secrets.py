"""Passwords are taken out of every text before it leaves the child process.

Two ways: passwords that were seen in connection parameters are replaced wherever they occur, and what looks like a
password in a URL, a connection string or a statement is replaced even where it was never seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
_SHORTEST = 4

_QUOTED = r"'(?:[^'\\]|\\.|'')*'|\"[^\"]*\""
_PATTERNS = (
    re.compile(r"(?P<before>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:)[^\s@]+(?P<after>@)"),
    re.compile(rf"(?P<before>\bpass(?:word|wd)?[\"']?\s*[=:]\s*)(?:{_QUOTED}|[^\s,;)&'\"]+)(?P<after>)", re.I),
    re.compile(r"(?P<before>\bpassword\s+(?:e|u&)?)'(?:[^']|'')*'(?P<after>)", re.I),
)

_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?P<user>[^:/@]*):(?P<password>.+)@.*?(?:/(?P<database>\w+).*)?", re.DOTALL
)

_known: dict[str, re.Pattern[str]] = {}


def remember(password: object, *names: object) -> None:
    """Never show ``password`` again, in plain or percent-encoded, unless it is also one of ``names``.

    Those shorter than four characters, and those that are the user's or the database's name as well, are left to the
    patterns: hiding every such word would make messages unreadable and hide nothing.
    """
    if not isinstance(password, str) or len(password) < _SHORTEST or password in names:
        return
    # SQLAlchemy writes spaces as they are.
    for spelling in {password, quote(password, safe=""), quote(password, safe=" +"), quote_plus(password)}:
        _known.setdefault(spelling, re.compile(rf"(?<!\w){re.escape(spelling)}(?!\w)"))


def remember_environment(environment: Mapping[str, str]) -> None:
    """Never show the passwords of the environment's URLs, nor libpq's own, whoever reads them and before that."""
    remember(environment.get("PGPASSWORD"), environment.get("PGUSER"), environment.get("PGDATABASE"))
    for value in environment.values():
        if found := _URL.fullmatch(value):
            for spelling in {found["password"], unquote(found["password"])}:
                remember(spelling, unquote(found["user"]), found["database"])


def redact(text: str) -> str:
    """``text`` without passwords."""
    for pattern in sorted(_known.values(), key=lambda known: len(known.pattern), reverse=True):
        text = pattern.sub(HIDDEN, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<before>{HIDDEN}\g<after>", text)
    return text
