"""The settings in force as a value that prints like every other result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path

from db_migrate.config import Settings
from db_migrate.results import Result


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting: its key, its value as it would be written, and where that came from."""

    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsListing(Result):
    """What ``config`` prints; ``file`` is the settings file that was read, empty without one."""

    file: str
    settings: tuple[SettingLine, ...]


def settings_listing(settings: Settings, redact: Callable[[str], str]) -> SettingsListing:
    """Every setting in its order; tables are spread over dotted keys. ``redact`` takes passwords out of texts."""
    lines = []
    for each in fields(settings):
        if each.name in settings.sources:
            for key, value in _spread(each.name, getattr(settings, each.name)):
                lines.append(SettingLine(key, redact(value), settings.sources[each.name]))
    return SettingsListing(file=str(settings.file or ""), settings=tuple(lines))


def _spread(key: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        found = [line for inner, each in value.items() for line in _spread(f"{key}.{inner}", each)]
        return found or [(key, "")]
    if is_dataclass(value) and not isinstance(value, type):
        inner = [(each.name, getattr(value, each.name)) for each in fields(value) if each.name != "name"]
        return [line for name, each in inner for line in _spread(f"{key}.{name}", each)]
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [line for index, each in enumerate(value) for line in _spread(f"{key}[{index}]", each)]
    return [(key, _written(key, value))]


def _written(key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum | Path | str):
        return str(value.value if isinstance(value, Enum) else value)
    if isinstance(value, float):
        return _duration(value)
    if isinstance(value, int) and (key.endswith("_bytes") or ".throughput." in key):
        return _size(value)
    if isinstance(value, tuple):
        return ", ".join(_written(key, each) for each in value)
    return str(value)


def _duration(amount: float) -> str:
    """The shortest way to write a duration without loss: ``50ms``, ``10m``, ``90s``."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if amount and amount % length == 0:
            return f"{amount / length:.0f}{unit}"
    return f"{amount * 1000:g}ms" if amount else "0"


def _size(amount: int) -> str:
    """The shortest way to write a size without loss: ``10GB``, ``1536MB``."""
    for unit, length in (("TB", 1024**4), ("GB", 1024**3), ("MB", 1024**2)):
        if amount and amount % length == 0:
            return f"{amount // length}{unit}"
    return f"{amount / 1024:g}kB"
