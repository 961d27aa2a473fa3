"""Writes acknowledgements into the settings file, which otherwise stays as people wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db_migrate.config.values import Acknowledgement
from db_migrate.errors import ConfigurationError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

NEW_FILE = "db-migrate.toml"
_LAST = ("drift", "acknowledge")


def acknowledge(file: Path, acknowledgements: Iterable[Acknowledgement]) -> None:
    """Add acknowledgements at the end of those that ``file`` has; the file is made where there is none.

    Comments, order and spaces stay. Raises ConfigurationError (``settings.unwritable``); the file is then as it was.
    """
    import tomlkit

    try:
        document = tomlkit.parse(file.read_text("utf-8")) if file.exists() else tomlkit.document()
        _append(document, file, [_values(each) for each in acknowledgements])
        _replace(file, tomlkit.dumps(document))
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(
            "settings.unwritable",
            f"the acknowledgements cannot be written to {file.name}",
            why=str(error),
            where=str(file),
            state="nothing was changed",
        ) from error


def _values(acknowledgement: Acknowledgement) -> dict[str, str]:
    """What is not as by default."""
    values = {each.name: getattr(acknowledgement, each.name) for each in fields(acknowledgement)}
    return {each.name: values[each.name] for each in fields(acknowledgement) if values[each.name] != each.default}


def _append(document: TOMLDocument, file: Path, new: Iterable[dict[str, str]]) -> None:
    """Add to the list of acknowledgements, as tables of their own or, where people wrote them in one line, there."""
    import tomlkit
    from tomlkit.items import AoT, InlineTable

    path = ("tool", "db-migrate", *_LAST) if file.name == "pyproject.toml" else _LAST
    place: Any = document
    for key in path[:-1]:
        place = place.setdefault(key, tomlkit.table(is_super_table=True))
    if path[-1] not in place:
        place[path[-1]] = tomlkit.array() if isinstance(place, InlineTable) else tomlkit.aot()
    entries = place[path[-1]]
    for values in new:
        entry = tomlkit.table() if isinstance(entries, AoT) else tomlkit.inline_table()
        entry.update(values)
        entries.append(entry)
    if isinstance(entries, AoT) and entries:
        entries[-1].add(tomlkit.nl())


def _replace(file: Path, text: str) -> None:
    """Write the file, whole or not at all."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        if file.exists():
            beside.chmod(file.stat().st_mode & 0o7777)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
