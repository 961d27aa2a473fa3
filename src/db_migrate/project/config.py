"""Finds an Alembic project and says where its parts are, without importing anything of it.

The rules are Alembic's (``alembic/config.py``, "Tutorial: Editing the .ini File"): a path in ``alembic.ini`` is
relative to the current folder unless it says ``%(here)s``; ``pyproject.toml`` may hold ``[tool.alembic]``; what the
ini file says goes first.
"""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db_migrate.errors import ConfigurationError
from db_migrate.project.files import leads_nowhere

_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_NEW_SEPARATOR = "path_separator"
_DIVISIBLE = re.compile(r"[\s,:;]")
_LEGACY_VERSIONS = re.compile(r", *|(?: +)")
_LEGACY_SYS_PATH = re.compile(r", *|(?: +)|:")


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """An Alembic project: what ``alembic -c INI -n NAME -x X`` would see when run in ``directory``.

    ``around`` (``module:callable``) gives a context manager that the child process runs env.py in; ``alembic_config``
    (``module:callable``) gives the project's own ``Config``. ``set_script_location``: the ini file does not say where
    the scripts are (Flask-Migrate's does not), so the child has to. ``only``: of the connections that env.py asks for,
    by place, those on which it may migrate, where it migrates several databases and one of them is meant. ``tables``:
    of the version tables that it configures (name, schema, search_path), those of which it may run the revisions,
    where it migrates several schemas. ``url``: what env.py finds where it wants the URL of a database of the
    environment and there is none (``demanded``); no other answer of it depends on that.
    """

    ini: Path | None
    name: str
    x: tuple[str, ...]
    script_location: Path
    version_locations: tuple[Path, ...]
    directory: Path
    recursive_version_locations: bool = False
    prepend_sys_path: tuple[str, ...] = ()
    pyproject: Path | None = None
    around: str | None = None
    alembic_config: str | None = None
    set_script_location: bool = False
    only: tuple[int, ...] | None = None
    tables: tuple[tuple[str, str, str], ...] | None = None
    url: str | None = field(default=None, repr=False)


def load_config(
    directory: Path | None = None,
    *,
    ini: Path | None = None,
    name: str = "alembic",
    x: Sequence[str] = (),
    around: str | None = None,
    script_location: Path | None = None,
) -> ProjectConfig:
    """The project that ``ini`` configures, or the nearest one from ``directory`` (default: the current one) upwards.

    Where an ini file is found further up, its folder is the project's, and the child process runs there; one that is
    given is read as Alembic reads it, with paths relative to ``directory``. ``script_location`` overrides the file's.
    Raises ``ConfigurationError`` (``project.not-found``, ``project.config``, ``project.scripts``).
    """
    directory = (directory or Path.cwd()).resolve()
    if ini is not None:
        if not _is_named(directory / ini):
            raise _not_there(ini, directory)
        return _read(directory, directory / ini, name, tuple(x), around, script_location)
    folder = project_above(directory)
    if folder is None:
        raise _not_found("no Alembic project here", str(directory))
    return _read(folder, _ini_in(folder), name, tuple(x), around, script_location)


def project_above(directory: Path) -> Path | None:
    """The nearest folder with an Alembic project, from ``directory`` upwards; None where there is none."""
    directory = directory.resolve()
    return next((each for each in (directory, *directory.parents) if _is_project(each)), None)


def _is_project(folder: Path) -> bool:
    return _ini_in(folder) is not None or bool(_toml_section(folder / "pyproject.toml"))


def _not_found(message: str, where: str) -> ConfigurationError:
    return ConfigurationError(
        "project.not-found",
        message,
        why="looked for alembic.ini, migrations/alembic.ini and [tool.alembic] in pyproject.toml, here and above",
        where=where,
        next=["db-migrate -c path/to/alembic.ini status", "db-migrate init"],
    )


def _not_there(ini: Path, directory: Path) -> ConfigurationError:
    """The error about an ini file that was named; where there is another one, that is what to type next."""
    above = project_above(directory)
    other = _ini_in(above) if above is not None else None
    instead = f"db-migrate -c {shlex.quote(os.path.relpath(other, directory))} status" if other is not None else ""
    return ConfigurationError(
        "project.not-found",
        f"there is no {ini}",
        why="it was named with -c, DB_MIGRATE_CONFIG or the setting `config`, so no other one was looked for",
        where=str(directory / ini),
        next=[instead or "db-migrate -c path/to/alembic.ini status", "db-migrate config --sources"],
    )


def _ini_in(folder: Path) -> Path | None:
    candidates = (folder / "alembic.ini", folder / "migrations" / "alembic.ini")
    return next((path for path in candidates if _is_named(path)), None)


def _is_named(path: Path) -> bool:
    """Whether the file is meant to be there: one that is a link to nowhere is not looked for further up."""
    return path.is_file() or bool(leads_nowhere(path))


def _toml_section(path: Path) -> Mapping[str, Any]:
    """``[tool.alembic]`` of a pyproject.toml; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise ConfigurationError(
            "project.config", "pyproject.toml cannot be read", why=str(error), where=str(path)
        ) from error
    tools = content.get("tool")
    section = tools.get("alembic") if isinstance(tools, dict) else None
    return section if isinstance(section, dict) else {}


class _Options:
    """The options of one section: the ini file's first, then pyproject.toml's, both with ``%(here)s``."""

    def __init__(self, ini: Path | None, name: str, pyproject: Path) -> None:
        self.where = str(ini or pyproject)
        self._section = name
        self._parser = configparser.ConfigParser({"here": str(ini.parent) if ini else str(pyproject.parent)})
        self._toml = _toml_section(pyproject)
        self._toml_here = str(pyproject.parent)
        if ini is not None:
            self._parse(ini)

    def _parse(self, ini: Path) -> None:
        try:
            self._parser.read_string(ini.read_text(encoding="utf-8"), str(ini))
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            why = leads_nowhere(ini) or str(error)
            raise ConfigurationError("project.config", f"{ini.name} cannot be read", why=why, where=str(ini)) from error
        if not self._parser.has_section(self._section) and not self._toml:
            raise ConfigurationError(
                "project.config",
                f"{ini.name} has no section [{self._section}]",
                why=f"it has {', '.join(f'[{section}]' for section in self._parser.sections()) or 'none'}",
                where=str(ini),
                next=[f"db-migrate -n {self._with_scripts()} status"],
            )

    def _with_scripts(self) -> str:
        """The section that says where scripts are; SECTION where none does."""
        return next((each for each in self._parser.sections() if "script_location" in self._parser[each]), "SECTION")

    def text(self, option: str) -> str | None:
        """The option as text; None when nobody says anything."""
        found = self._from_ini(option)
        if found is None and isinstance(value := self._toml.get(option), str):
            found = self._interpolated(value)
        return found or None

    def _from_ini(self, option: str) -> str | None:
        try:
            return self._parser.get(self._section, option, fallback=None)
        except configparser.InterpolationError as error:
            raise ConfigurationError(
                "project.config",
                f"{option} cannot be read",
                why=f"{error.message}; a percent sign that stands for itself is written %%",
                where=self.where,
            ) from error

    def _interpolated(self, value: str) -> str:
        return value.replace("%(here)s", self._toml_here).replace("%%", "%")

    def boolean(self, option: str) -> bool:
        """The option as Alembic reads a boolean: ``true`` in an ini file, a boolean in TOML."""
        found = self._from_ini(option)
        return found == "true" if found is not None else self._toml.get(option) is True

    def listed(self, option: str, separators: Sequence[str], legacy: re.Pattern[str]) -> tuple[str, ...]:
        """The option as a list: split in the ini file by what ``separators`` name, a list in TOML."""
        found = self._from_ini(option)
        if not found:
            values = self._toml.get(option) or ()
            return tuple(self._interpolated(str(value)) for value in ([values] if isinstance(values, str) else values))
        said = {each: value for each in separators if (value := self._from_ini(each))}
        if _NEW_SEPARATOR in said and _DIVISIBLE.search(found) and not _alembic_knows_it():
            del said[_NEW_SEPARATOR]
        named = next(iter(said.values()), None)
        if named is None:
            return tuple(part for part in legacy.split(found) if part)
        if named not in _SEPARATORS:
            raise ConfigurationError(
                "project.config",
                f"{named!r} is not a path separator",
                why=f"Alembic knows {', '.join(_SEPARATORS)}",
                where=self.where,
            )
        return tuple(part.strip() for part in found.split(_SEPARATORS[named]) if part.strip())


def _alembic_knows_it() -> bool:
    """Whether the Alembic that is installed reads ``path_separator``, as it does from 1.16 on."""
    from importlib.metadata import version

    major, minor = version("alembic").split(".")[:2]
    return (int(major), int(minor)) >= (1, 16)


def _read(
    directory: Path, ini: Path | None, name: str, x: tuple[str, ...], around: str | None, script_location: Path | None
) -> ProjectConfig:
    pyproject = directory / "pyproject.toml"
    options = _Options(ini, name, pyproject)
    sys_path = options.listed("prepend_sys_path", [_NEW_SEPARATOR], _LEGACY_SYS_PATH)
    said = options.text("script_location")
    if script_location is not None:
        location = directory / script_location
    elif said is not None:
        location = _resource(said, directory, sys_path, options.where, "project.scripts")
    elif ini is not None and (ini.parent / "env.py").is_file():
        location = ini.parent
    else:
        raise ConfigurationError("project.scripts", "script_location is not set", where=options.where)
    versions = options.listed("version_locations", [_NEW_SEPARATOR, "version_path_separator"], _LEGACY_VERSIONS)
    folders = tuple(_resource(each, directory, sys_path, options.where, "project.config") for each in versions)
    return ProjectConfig(
        ini=ini,
        name=name,
        x=x,
        script_location=_existing(location, options.where),
        version_locations=folders or (location / "versions",),
        directory=directory,
        recursive_version_locations=options.boolean("recursive_version_locations"),
        prepend_sys_path=sys_path,
        pyproject=pyproject if _toml_section(pyproject) else None,
        around=around,
        set_script_location=script_location is not None or said is None,
    )


def _existing(location: Path, where: str) -> Path:
    env = location / "env.py"
    if env.is_file():
        return location
    link = leads_nowhere(env)
    why = f"script_location names that folder{f'; {env.name}: {link}' if link else ''}"
    raise ConfigurationError("project.scripts", f"there is no env.py in {location}", why=why, where=where)


def _resource(text: str, directory: Path, sys_path: Sequence[str], where: str, code: str) -> Path:
    """The folder that ``text`` names: a path, or ``package:folder``, which is looked for without importing.

    Raises ``ConfigurationError`` with this code where there is no such package.
    """
    if ":" not in text or Path(text).is_absolute():
        return directory / text
    package, _, inside = text.partition(":")
    parts = package.split(".")
    for root in (*(str(directory / each) for each in sys_path), *sys.path, str(directory)):
        candidate = Path(root or directory, *parts)
        if candidate.is_dir():
            return candidate.joinpath(*inside.split(":"))
    spec = importlib.util.find_spec(parts[0])
    for folder in spec.submodule_search_locations or () if spec else ():
        candidate = Path(folder, *parts[1:])
        if candidate.is_dir():
            return candidate.joinpath(*inside.split(":"))
    raise ConfigurationError(code, f"there is no package {package}", why=f"{text} names it", where=where)
