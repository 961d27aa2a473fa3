"""Takes passwords out of text: messages, URLs, connection strings and SQL."""

from __future__ import annotations

import re

MASK = "***"

_SQL_STRING = r"(?:E?'(?:[^'\\]|''|\\.)*'|\$(?P<tag{n}>\w*)\$.*?\$(?P=tag{n})\$)"


def _sql_string(number: int) -> str:
    return _SQL_STRING.replace("{n}", str(number))


_URL_PASSWORD = re.compile(r"(?P<head>\b[a-z][a-z0-9+.\-]*://[^\s:/@'\"]*:)[^\s'\"]+(?=@)", re.IGNORECASE)
"""``scheme://user:PASSWORD@``; greedy up to the last @, since people leave @ and / in passwords unencoded."""

_URL_PARAMETER = re.compile(r"(?P<head>[?&](?:ssl)?password=)[^&\s'\"]+", re.IGNORECASE)

_KEYWORD = re.compile(
    r"(?P<head>\b(?:ssl)?password\s*=\s*)(?!=)(?:''(?:[^'\\]|\\.)*?''|'(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s'\"&;,)]+)",
    re.IGNORECASE,
)
"""``password=...`` of a connection string, also one inside an SQL literal, where its quotes are doubled."""

_VARIABLE = re.compile(r"(?P<head>\bPGPASSWORD\s*[=:]\s*)\S+")

_SQL_PASSWORD = re.compile(rf"(?P<head>\bPASSWORD\s+){_sql_string(0)}", re.IGNORECASE | re.DOTALL)
"""``PASSWORD '...'`` of CREATE and ALTER ROLE, USER and GROUP, and ``password '...'`` among OPTIONS."""

_DICT_PASSWORD = re.compile(r"(?P<head>['\"](?:ssl)?password['\"]\s*[:=]\s*)(?:'[^']*'|\"[^\"]*\")", re.IGNORECASE)
"""The item of a printed dictionary or of a JSON object."""

_USER_MAPPING = re.compile(r"^CREATE USER MAPPING FOR .*?;$", re.IGNORECASE | re.DOTALL | re.MULTILINE)
_STRING_LITERAL = re.compile(_sql_string(0), re.DOTALL)
_CONNECTION_WORD = re.compile(r"\b(?:host|hostaddr|port|dbname|user|service)\s*=", re.IGNORECASE)


def redact(text: str) -> str:
    """``text`` without the passwords it contains; meant for what people see, so it rather takes too much."""
    text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
    text = _URL_PARAMETER.sub(rf"\g<head>{MASK}", text)
    text = _DICT_PASSWORD.sub(rf"\g<head>'{MASK}'", text)
    text = _SQL_PASSWORD.sub(rf"\g<head>'{MASK}'", text)
    text = _VARIABLE.sub(rf"\g<head>{MASK}", text)
    return _KEYWORD.sub(rf"\g<head>{MASK}", text)


def redact_sql(sql: str) -> str:
    """``sql`` without its passwords, and otherwise meaning the same: for schemas that are stored and loaded again.

    Takes the options of user mappings, and passwords inside literals that look like connection strings or URLs;
    leaves alone a column that happens to be called password. ``sql`` is what pg_dump writes, which has no roles.
    """
    sql = _USER_MAPPING.sub(lambda match: _SQL_PASSWORD.sub(rf"\g<head>'{MASK}'", match[0]), sql)
    return _STRING_LITERAL.sub(lambda match: _redact_literal(match[0]), sql)


def redact_statement(sql: str) -> str:
    """A statement without its passwords, for plans: those of roles, user mappings, connection strings and URLs.

    The same statement always gives the same text, and a column that happens to be called password stays.
    """
    return redact_sql(_SQL_PASSWORD.sub(rf"\g<head>'{MASK}'", sql))


def redact_value(text: str) -> str:
    """A value, such as a comment's text, without the passwords of URLs and connection strings in it."""
    return _redact_literal(text)


def _redact_literal(literal: str) -> str:
    redacted = _URL_PASSWORD.sub(rf"\g<head>{MASK}", literal)
    if _CONNECTION_WORD.search(redacted):
        redacted = _KEYWORD.sub(rf"\g<head>{MASK}", redacted)
    return redacted
