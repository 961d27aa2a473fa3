"""From our frozen values to plain dicts and lists, and back, without help from the code that made the values."""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

NOT_PRINTED = frozenset({"exit_code"})
"""Fields of results that steer the command line and are no part of the published shape."""


class Mismatch(Exception):
    """Data that is not of the type it should be; the message begins with the path of the first such place."""


def bare(name: str) -> str:
    """The printed name of a field: ``from_`` is printed ``from``."""
    return name.rstrip("_")


def to_builtins(value: object) -> Any:
    """The value as dicts, lists, texts, numbers, booleans and None. Raises TypeError for anything else."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {
            bare(each.name): to_builtins(getattr(value, each.name))
            for each in fields(value)
            if each.name not in NOT_PRINTED
        }
    if isinstance(value, Mapping):
        return {str(key): to_builtins(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_builtins(each) for each in value]
    raise TypeError(f"a {type(value).__name__} has no printed form")


def from_builtins(data: object, wanted: type[T], path: str = "$") -> T:
    """The inverse of :func:`to_builtins`.

    Keys that the type does not know are left out, since shapes only grow. Raises Mismatch.
    """
    found: T = _read(data, wanted, path)
    return found


def _read(data: object, wanted: Any, path: str) -> Any:
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return _read_union(data, get_args(wanted), path)
    if isinstance(wanted, type) and is_dataclass(wanted):
        return _read_dataclass(data, wanted, path)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        try:
            return wanted(data)
        except ValueError:
            raise Mismatch(f"{path}: {data!r} is not one of {', '.join(str(each.value) for each in wanted)}") from None
    if origin is tuple:
        if not isinstance(data, list):
            raise Mismatch(f"{path}: not a list")
        return tuple(_read(each, get_args(wanted)[0], f"{path}[{index}]") for index, each in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, dict):
            raise Mismatch(f"{path}: not an object")
        return {key: _read(each, get_args(wanted)[1], f"{path}.{key}") for key, each in data.items()}
    return _read_scalar(data, wanted, path)


def _read_scalar(data: object, wanted: Any, path: str) -> Any:
    if wanted in (None, type(None)):
        matches = data is None
    elif wanted is float:
        matches = isinstance(data, int | float) and not isinstance(data, bool)
    elif wanted is int:
        matches = isinstance(data, int) and not isinstance(data, bool)
    else:
        matches = isinstance(data, wanted)
    if not matches:
        raise Mismatch(f"{path}: {data!r} is not {getattr(wanted, '__name__', wanted)}")
    return data


def _read_union(data: object, members: tuple[Any, ...], path: str) -> Any:
    if data is None and type(None) in members:
        return None
    mismatch = Mismatch(f"{path}: fits nothing")
    for member in members:
        try:
            return _read(data, member, path)
        except Mismatch as error:
            mismatch = error
    raise mismatch


def _read_dataclass(data: object, wanted: type[Any], path: str) -> Any:
    if not isinstance(data, dict):
        raise Mismatch(f"{path}: not an object")
    hints = _hints(cast("Hashable", wanted))
    values = {}
    for each in fields(wanted):
        printed = bare(each.name)
        if printed in data:
            values[each.name] = _read(data[printed], hints[each.name], f"{path}.{printed}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise Mismatch(f"{path}.{printed}: is missing")
    return wanted(**values)


@cache
def _hints(wanted: Hashable) -> dict[str, Any]:
    return get_type_hints(wanted)
