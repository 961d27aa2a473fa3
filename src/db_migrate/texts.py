"""Texts that UTF-8 cannot write, with lone surrogates in them: so are paths that were written in another encoding."""

from __future__ import annotations


def is_writable(text: str) -> bool:
    """Whether UTF-8 can write the text; JSON and PostgreSQL take no other."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def writable(value: object) -> object:
    """Plain data with every text in it made writable: what UTF-8 lacks is shown as an escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {writable(key): writable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [writable(each) for each in value]
    return value
