"""Reads the settings from their sources and reports all problems at once.

The first source that names a key wins: flags, ``DB_MIGRATE_*`` variables, ``db-migrate.toml``, ``[tool.db-migrate]``
in ``pyproject.toml``, defaults. The file is the given one, or the nearest from the current folder upward.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from db_migrate.config.parsing import (
    Invalid,
    Parser,
    byte_size,
    choice,
    commands,
    duration,
    flag,
    name,
    named,
    patience,
    text,
    texts,
    timeout,
    whole,
)
from db_migrate.config.values import (
    Acknowledgement,
    CancelBlockers,
    DriftSettings,
    FailOn,
    HookSettings,
    RevisionIds,
    RuleLevel,
    Runner,
    Settings,
    TargetSettings,
)
from db_migrate.errors import ConfigurationError

ENVIRONMENT_PREFIX = "DB_MIGRATE_"

_BUDGETS: Mapping[str, Parser[Any]] = {
    "lock_timeout": patience,
    "lock_budget": duration,
    "statement_timeout": timeout,
    "block_budget": duration,
}

_PLAIN: Mapping[str, Parser[Any]] = {
    "name": text,
    "x": texts,
    "around": text,
    "alembic_config": text,
    "test_command": text,
    "target": name,
    "url": text,
    "scratch": text,
    "scratch_major": whole,
    "runner": choice(Runner),
    "release": text,
    **_BUDGETS,
    "lock_threshold": duration,
    "sample": whole,
    "scratch_data": texts,
    "fail_on": choice(FailOn),
    "cancel_blockers": choice(CancelBlockers),
    "exclude_schemas": texts,
    "strict": flag,
    "journal": flag,
    "keep": flag,
    "keep_parked": flag,
    "keep_copy_rows": whole,
    "keep_rows": whole,
    "keep_bytes": byte_size,
    "keep_for": duration,
    "revision_ids": choice(RevisionIds),
    "backfill_rows": whole,
    "backfill_pause": duration,
}
_PATHS = ("config", "baseline", "cache_dir")
_TABLES: Mapping[str, Parser[Any]] = {"rules": named(choice(RuleLevel)), "allow": named(text)}
_TARGET: Mapping[str, Parser[Any]] = {
    "url": text,
    "url_env": text,
    "production": flag,
    "release": text,
    "replica": text,
}
_THROUGHPUT: Mapping[str, Parser[Any]] = dict.fromkeys(("scan", "rewrite", "index_build"), byte_size)
_ACKNOWLEDGEMENT: Mapping[str, Parser[Any]] = {"reason": text, "kind": text, "object": text, "attribute": text}
_HOOKS: Mapping[str, Parser[Any]] = {
    **dict.fromkeys(("before_run", "before_revision", "after_revision", "on_failure", "after_run"), commands),
    "timeout": duration,
}
_FLAG_NAMES = {"x": "-x"}


@dataclass(slots=True)
class _Problems:
    """The problems found so far, each beginning with the path of what it is about."""

    found: list[str]

    def add(self, where: str, reason: str) -> None:
        self.found.append(f"{where}: {reason}")

    def parse(self, where: str, parse: Parser[Any], value: object) -> Any | None:
        """The parsed value, or None after noting why it cannot be used."""
        try:
            return parse(value)
        except Invalid as error:
            self.add(where, str(error))
            return None

    def unknown(self, where: str, key: str, known: Iterable[str]) -> None:
        """Note a key that does not exist, with the nearest one that does."""
        near = get_close_matches(key, list(known), n=1)
        self.add(where, f"unknown key; did you mean {near[0]!r}?" if near else "unknown key")


def load(
    flags: Mapping[str, object] | None = None,
    *,
    file: Path | None = None,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force.

    ``flags`` are those that were given on the command line, by key. ``file`` is ``--settings``; without it
    ``DB_MIGRATE_SETTINGS`` names the file, else it is looked for from ``cwd`` upward. Raises ConfigurationError
    (``settings.invalid``, ``settings.missing``, ``settings.unreadable``) listing every problem with its path.
    """
    here = (cwd or Path.cwd()).absolute()
    variables = os.environ if environ is None else environ
    problems = _Problems([])
    given = file or (Path(variables["DB_MIGRATE_SETTINGS"]) if variables.get("DB_MIGRATE_SETTINGS") else None)
    found, table, prefix = _read_file(given, here)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if found is not None:
        _from_file(table, prefix, found, values, sources, problems)
    _from_environment(variables, values, sources, problems, here)
    _from_flags(flags or {}, values, sources, problems, here)
    _check_target(values, problems)
    if problems.found:
        count = len(problems.found)
        raise ConfigurationError(
            "settings.invalid",
            f"{count} problem{'s' if count > 1 else ''} in the settings",
            why="\n".join(problems.found),
            where=str(found or here),
            state="nothing was read or changed",
            next=("db-migrate help environment", "db-migrate config --sources"),
        )
    for each in fields(Settings):
        sources.setdefault(each.name, "default")
    del sources["root"], sources["file"], sources["sources"]
    root = found.parent if found else here
    return Settings(root=root, file=found, sources=MappingProxyType(sources), **values)


def _read_file(given: Path | None, here: Path) -> tuple[Path | None, Mapping[str, object], str]:
    """The settings file with its table and the prefix of that table's keys in messages."""
    if given is not None:
        chosen = here / given
        if not chosen.is_file():
            raise ConfigurationError(
                "settings.missing", f"there is no settings file {given}", where=str(chosen), state="nothing was changed"
            )
        return _table_of(chosen) or (chosen, {}, "")
    for folder in (here, *here.parents):
        for file_name in ("db-migrate.toml", "pyproject.toml"):
            candidate = folder / file_name
            if candidate.is_file() and (found := _table_of(candidate)):
                return found
    return None, {}, ""


def _table_of(file: Path) -> tuple[Path, Mapping[str, object], str] | None:
    """The file's settings, or None for a ``pyproject.toml`` without ``[tool.db-migrate]``."""
    import tomllib  # 10 ms that `--help` need not pay

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(
            "settings.unreadable",
            f"{file.name} cannot be read",
            why=str(error),
            where=str(file),
            state="nothing was changed",
        ) from error
    if file.name != "pyproject.toml":
        return file, document, ""
    tools = document.get("tool")
    table = tools.get("db-migrate") if isinstance(tools, dict) else None
    return None if table is None else (file, table, "tool.db-migrate.")


def _from_file(
    table: object,
    prefix: str,
    file: Path,
    values: dict[str, Any],
    sources: dict[str, str],
    problems: _Problems,
) -> None:
    if not isinstance(table, Mapping):
        problems.add(prefix.rstrip("."), "must be a table")
        return
    nested: Mapping[str, Callable[[object], Any]] = {
        "targets": lambda value: _targets(value, f"{prefix}targets", problems),
        "drift": lambda value: _drift(value, f"{prefix}drift", problems),
        "hooks": lambda value: HookSettings(**_table(value, f"{prefix}hooks", _HOOKS, problems)),
    }
    known = {**_PLAIN, **_TABLES}
    for key, value in table.items():
        where = f"{prefix}{key}"
        if key == "url":
            problems.add(where, "a URL belongs to a target: targets.default.url")
        elif key in nested:
            values[key] = nested[key](value)
        elif key in _PATHS:
            values[key] = problems.parse(where, lambda v: file.parent / Path(text(v)).expanduser(), value)
        elif key in known:
            values[key] = problems.parse(where, known[key], value)
        else:
            problems.unknown(where, key, (*known, *nested, *_PATHS))
            continue
        sources[key] = str(file)


def _targets(value: object, where: str, problems: _Problems) -> Mapping[str, TargetSettings]:
    found: dict[str, TargetSettings] = {}
    if not isinstance(value, Mapping):
        problems.add(where, "must be a table of targets, each a table: [targets.NAME]")
        return found
    for key, table in value.items():
        here = f"{where}.{key}"
        problems.parse(here, name, key)
        inner = {"budgets": _BUDGETS, "throughput": _THROUGHPUT}
        nested = {name: _nested(f"{here}.{name}", known, problems) for name, known in inner.items()}
        parsed = _table(table, here, {**_TARGET, **nested}, problems)
        found[key] = TargetSettings(name=key, **parsed)
    return MappingProxyType(found)


def _nested(where: str, known: Mapping[str, Parser[Any]], problems: _Problems) -> Parser[Mapping[str, Any]]:
    return lambda value: MappingProxyType(_table(value, where, known, problems))


def _drift(value: object, where: str, problems: _Problems) -> DriftSettings:
    def acknowledgements(entries: object) -> tuple[Acknowledgement, ...]:
        if not isinstance(entries, list):
            raise Invalid("must be a list of tables: [[drift.acknowledge]]")
        return tuple(
            _acknowledgement(each, f"{where}.acknowledge[{index}]", problems) for index, each in enumerate(entries)
        )

    return DriftSettings(**_table(value, where, {"acknowledge": acknowledgements}, problems))


def _acknowledgement(value: object, where: str, problems: _Problems) -> Acknowledgement:
    parsed = _table(value, where, _ACKNOWLEDGEMENT, problems)
    if isinstance(value, Mapping) and "reason" not in value:
        problems.add(f"{where}.reason", "is missing: intended drift carries a reason")
    return Acknowledgement(**{"reason": "", **parsed})


def _table(value: object, where: str, known: Mapping[str, Parser[Any]], problems: _Problems) -> dict[str, Any]:
    """The parsed values of a table whose keys are known."""
    if not isinstance(value, Mapping):
        problems.add(where, "must be a table")
        return {}
    parsed = {}
    for key, each in value.items():
        if key in known:
            parsed[key] = problems.parse(f"{where}.{key}", known[key], each)
        else:
            problems.unknown(f"{where}.{key}", key, known)
    return parsed


def variables() -> Mapping[str, str]:
    """The environment variables that are read, each with its key."""
    return {f"{ENVIRONMENT_PREFIX}{key.upper()}": key for key in (*_PATHS, *_PLAIN)}


def _from_environment(
    environ: Mapping[str, str], values: dict[str, Any], sources: dict[str, str], problems: _Problems, here: Path
) -> None:
    known = variables()
    for variable, key in known.items():
        if environ.get(variable):
            values[key] = problems.parse(variable, _parser(key, here), environ[variable])
            sources[key] = f"environment: {variable}"
    used = {target.url_env for target in values.get("targets", {}).values()}
    for variable in environ:
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in known and variable not in used:
            near = get_close_matches(variable, known, n=1, cutoff=0.85)
            if near:
                problems.add(variable, f"unknown variable; did you mean {near[0]}?")


def _from_flags(
    flags: Mapping[str, object], values: dict[str, Any], sources: dict[str, str], problems: _Problems, here: Path
) -> None:
    for key, value in flags.items():
        shown = _FLAG_NAMES.get(key, f"--{key.replace('_', '-')}")
        values[key] = problems.parse(shown, _parser(key, here), value)
        sources[key] = f"flag: {shown}"


def _parser(key: str, here: Path) -> Parser[Any]:
    if key in _PATHS:
        return lambda value: here / Path(text(value)).expanduser()
    return _PLAIN[key]


def _check_target(values: Mapping[str, Any], problems: _Problems) -> None:
    """A target that is asked for by name has to be in the settings, unless its URL is given."""
    chosen, known = values.get("target"), values.get("targets", {})
    if chosen is None or chosen in known or values.get("url") or (chosen == "default" and not known):
        return
    message = f"there is no target {chosen!r}"
    near = f"the settings have {', '.join(known)}" if known else "the settings have no [targets.NAME]"
    problems.add("target", f"{message}; {near}")
