"""What a project's pytest configuration says of where files are."""

from __future__ import annotations

import configparser
import tomllib
from dataclasses import dataclass
from pathlib import Path

_INI_FILES = (("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))


@dataclass(frozen=True, slots=True)
class PytestOptions:
    """What the project's pytest configuration says of files, as lists."""

    testpaths: tuple[str, ...] = ()
    pythonpath: tuple[str, ...] = ()
    python_files: tuple[str, ...] = ("test_*.py", "*_test.py")


def pytest_options(root: Path) -> PytestOptions:
    """The options of the project in ``root``, read as pytest reads them: the first file that has its section."""
    found = _ini_options(root)
    default = PytestOptions()
    return PytestOptions(
        found.get("testpaths", default.testpaths),
        found.get("pythonpath", default.pythonpath),
        found.get("python_files", default.python_files),
    )


def _ini_options(root: Path) -> dict[str, tuple[str, ...]]:
    pyproject = root / "pyproject.toml"
    for name, section in _INI_FILES[:2]:
        if (root / name).is_file():
            return _section(root / name, section) or {}
    if pyproject.is_file():
        tables = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {}).get("pytest", {})
        if options := {**tables, **tables.get("ini_options", {})}:
            return {key: _listed(value) for key, value in options.items() if isinstance(value, str | list)}
    for name, section in _INI_FILES[2:]:
        if (root / name).is_file() and (found := _section(root / name, section)) is not None:
            return found
    return {}


def _section(file: Path, section: str) -> dict[str, tuple[str, ...]] | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(file.read_text(encoding="utf-8"))
    return {key: _listed(value) for key, value in parser[section].items()} if section in parser else None


def _listed(value: str | list[str]) -> tuple[str, ...]:
    return tuple(value.split() if isinstance(value, str) else value)
