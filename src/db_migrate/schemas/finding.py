"""Which live databases a command is about: those that the settings or flags name, or env.py connects to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from db_migrate.config import Settings
from db_migrate.errors import ConfigurationError
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.local import database, local_server
from db_migrate.project.child_process import LearnedTarget
from db_migrate.project.outcomes import ChildError
from db_migrate.schemas.asked import Configured, address_of, learn, migrated
from db_migrate.schemas.scratch import Scratch
from db_migrate.schemas.target import Target, VersionTable

EMBEDDED_SCHEME = "embedded://"


def the_one(targets: Sequence[Target]) -> Target:
    """The target of a command that is about one database. Raises ``ConfigurationError`` (``target.several``)."""
    if len(targets) > 1:
        raise _several([each.conninfo for each in targets], "")
    return targets[0]


@contextlib.contextmanager
def find_targets(settings: Settings, scratch: Scratch) -> Iterator[tuple[Target, ...]]:
    """The databases that env.py migrates, in its order; the one that the settings or flags name, where they name one.

    A target on our own embedded server runs as long as the context lasts. Raises ``ConfigurationError``
    (``target.several``) when it cannot be told which of several is named, and what the child process raises.
    """
    url = settings.target_url(os.environ)
    learned, configured = learn(scratch, with_targets=url is None)
    if url is None:
        addresses = migrated(learned)
        if len(addresses) == 1:
            yield (Target(settings.target, addresses[0], True, _tables(configured), heard=bool(configured)),)
            return
        yield tuple(_placed(settings, scratch, each, _places(learned, each)) for each in addresses)
        return
    with ExitStack() as stack:
        if url.startswith(EMBEDDED_SCHEME):
            server = stack.enter_context(local_server(settings.root / ".db-migrate" / "embedded" / "18"))
            conninfo = database(server, url.removeprefix(EMBEDDED_SCHEME))
        else:
            conninfo = ConnInfo.from_url(url)
        only = _meant(learned, conninfo)
        if only is None:
            yield (Target(settings.target, conninfo, False, _tables(configured), heard=bool(configured)),)
        else:
            yield (_placed(settings, scratch, conninfo, only),)


@contextlib.contextmanager
def find_target(settings: Settings, scratch: Scratch) -> Iterator[Target]:
    """The one database that a command is about. Raises as ``find_targets`` and ``the_one`` do."""
    with find_targets(settings, scratch) as found:
        yield the_one(found)


def _placed(settings: Settings, scratch: Scratch, conninfo: ConnInfo, only: tuple[int, ...]) -> Target:
    """The target that is one of several databases, with the version tables that env.py configures there."""
    _, configured = learn(replace(scratch, project=replace(scratch.project, only=only)), with_targets=False)
    return Target(settings.target, conninfo, False, _tables(configured), only, heard=bool(configured))


def _tables(configured: Sequence[Configured]) -> tuple[VersionTable, ...]:
    return tuple(VersionTable(*each) for each in configured) or (VersionTable(),)


def each_schema(target: Target) -> tuple[Target, ...]:
    """The target; one for each of its version tables where env.py configures several."""
    tables = _each_once(target.version_tables)
    if len(tables) == 1:
        return (target,)
    return tuple(replace(target, version_tables=(each,), table=(each.name, each.schema, each.path)) for each in tables)


def each_schema_alone(scratch: Scratch) -> tuple[Scratch, ...]:
    """The scratch; where env.py configures several version tables one for each, on which that alone is migrated."""
    try:
        _, configured = learn(scratch, with_targets=False)
    except ChildError:  # what it raises is heard when it is run
        return (scratch,)
    tables = _each_once(_tables(configured))
    if len(tables) == 1:
        return (scratch,)
    alone = (((each.name, each.schema or "", each.path),) for each in tables)
    return tuple(replace(scratch, project=replace(scratch.project, tables=each)) for each in alone)


def _each_once(tables: Sequence[VersionTable]) -> tuple[VersionTable, ...]:
    """The tables, each once."""
    return tuple(reversed({each.qualified: each for each in reversed(tables)}.values()))


def with_tables(target: Target, configured: Sequence[Configured]) -> Target:
    """The target with what env.py was heard to configure when it was asked again."""
    return replace(target, version_tables=_tables(configured), heard=True)


def _meant(learned: Sequence[LearnedTarget], target: ConnInfo) -> tuple[int, ...] | None:
    """Which of env.py's connections stand for a target, by place: those to a database of its name.

    None where env.py migrates one database, whatever that is called elsewhere.
    """
    addresses = migrated(learned)
    if len(addresses) < 2:
        return None
    named = _standing_for(addresses, target)
    if len(named) != 1:
        raise _several(addresses, f", and which of them {target.redacted()} stands for cannot be told")
    return _places(learned, named[0])


def _standing_for(addresses: Sequence[ConnInfo], target: ConnInfo) -> list[ConnInfo]:
    named = [each for each in addresses if each.dbname == target.dbname]
    return [each for each in named if (each.host, each.port) == (target.host, target.port)] or named


def _places(learned: Sequence[LearnedTarget], address: ConnInfo) -> tuple[int, ...]:
    found = (address_of(each) for each in learned)
    place = (address.host, address.port, address.dbname)
    return tuple(n for n, each in enumerate(found) if (each.host, each.port, each.dbname) == place)


def each_migrated(settings: Settings, scratch: Scratch) -> Mapping[str, Scratch]:
    """For each database that env.py migrates its name and the scratch on which that one alone is migrated.

    Where the settings or flags name a target it is the one that stands for that, if this can be told. Nothing is
    connected to. Where env.py cannot be asked it is one database: what it raises is heard when it is run.
    """
    try:
        learned, _ = learn(scratch, with_targets=False)
    except ChildError:
        return {"": scratch}
    addresses = migrated(learned)
    if len(addresses) < 2:
        return {"": scratch}
    url = settings.target_url(os.environ)
    if url is not None:
        named = _standing_for(addresses, ConnInfo.from_url(url.replace(EMBEDDED_SCHEME, "postgresql:///", 1)))
        addresses = tuple(named) if len(named) == 1 else addresses
    names = [each.dbname for each in addresses]
    return {
        each.dbname if names.count(each.dbname) == 1 else each.redacted(): replace(
            scratch, project=replace(scratch.project, only=_places(learned, each))
        )
        for each in addresses
    }


def _several(addresses: Sequence[ConnInfo], more: str) -> ConfigurationError:
    return several_databases(tuple(each.redacted() for each in addresses), more)


def several_databases(names: Sequence[str], more: str, verb: str = "status") -> ConfigurationError:
    """The error (``target.several``) where one of several databases has to be named."""
    return ConfigurationError(
        "target.several",
        f"env.py migrates several databases{more}",
        why=", ".join(names),
        state="nothing was changed",
        next=[f"db-migrate --url postgresql://{each} {verb}" for each in names],
    )
