"""What a refusal says."""

from __future__ import annotations

import shlex

from db_migrate.errors import DbMigrateError


def said(error: DbMigrateError) -> str:
    """Its name, code, message and reason."""
    return f"{type(error).__name__} {error.code}: {error.message}: {error.why}"


def allowed(error: DbMigrateError) -> tuple[str, ...]:
    """What the command that a refusal tells to type allows."""
    words = shlex.split(error.next[-1])
    return tuple(words[number + 1] for number, word in enumerate(words) if word == "--allow")


def on_rows(error: DbMigrateError) -> bool:
    """Whether it is refused since rows that are there make a statement fail."""
    return "would-fail-on-data" in error.message
