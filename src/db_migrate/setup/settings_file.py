"""The settings: a table at the end of ``pyproject.toml``, else a file of their own."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping

from db_migrate.config import Settings
from db_migrate.config.writing import NEW_FILE
from db_migrate.setup.place import FLASK, Place
from db_migrate.setup.proposal import Proposed, now, refused, text_of

PURPOSE = "the settings"
_TABLE = "tool.db-migrate"


def settings_file(place: Place, settings: Settings, more: Mapping[str, str]) -> Proposed:
    """The settings with ``more``; a project that has any keeps them as they are.

    Raises ``Refused`` (``init.settings``) where the table cannot be added to ``pyproject.toml``.
    """
    if settings.file is not None:
        there = settings.file.read_bytes()
        return Proposed(settings.file, PURPOSE, there, there)
    pyproject = place.project / "pyproject.toml"
    before = now(pyproject)
    if before is None:
        return Proposed(place.project / NEW_FILE, PURPOSE, None, _text(_wanted(place, settings, more), "").encode())
    text = text_of(pyproject, before)
    newline = "\r\n" if "\r\n" in text else "\n"
    added = _text(_wanted(place, settings, more), f"{_TABLE}.").replace("\n", newline)
    gap = "" if not text.strip() else newline if text.endswith("\n") else newline * 2
    after = text + gap + added
    if not _only_added(text, after):
        why = "`tool` is written there in a form that a table cannot be added to"
        cure = f"write [{_TABLE}] into {NEW_FILE}, without `{_TABLE}.` in front, or into {pyproject.name} by hand"
        raise refused("init.settings", pyproject, f"there is no place for [{_TABLE}]", why, [cure])
    return Proposed(pyproject, PURPOSE, before, after.encode())


def _only_added(before: str, after: str) -> bool:
    """Whether the new text says all that the old one said, and our table."""
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return False
    del new["tool"]["db-migrate"]
    if not new["tool"] and "tool" not in old:
        del new["tool"]
    return new == old


def _wanted(place: Place, settings: Settings, more: Mapping[str, str]) -> dict[str, str]:
    """What has to be set so that this project is found and its env.py runs."""
    wanted: dict[str, str] = {}
    if settings.config is not None:
        wanted["config"] = os.path.relpath(settings.config, place.project)
    if settings.sources.get("name", "default") != "default":
        wanted["name"] = settings.name
    if place.uses_flask and settings.around is None:
        wanted["around"] = FLASK
    return wanted | dict(more)


def _text(wanted: Mapping[str, str], prefix: str) -> str:
    head = [f"[{prefix.rstrip('.')}]"] if prefix else []
    lines = [
        *head,
        *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in wanted.items()),
        "# What else may be set: `db-migrate config --sources`. Where losing data is to ask for the database's name:",
        f"# [{prefix}targets.production]",
        '# url_env = "PRODUCTION_DATABASE_URL"',
        "# production = true",
    ]
    return "\n".join(lines) + "\n"
