"""A statement with its parameters, for people and for psql."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from db_migrate.project.child.sessions import as_text

_WITH_PERCENT = re.compile(r"(?P<percent>%%)|%\((?P<name>[^)]*)\)s|(?P<next>%s)")
_WITH_DOLLAR = re.compile(r"\$(\d+)")


def plain_parameters(parameters: Any) -> Any:
    """``parameters`` with each value as text (None stays), in their shape: by name, by position, sets of them."""
    if isinstance(parameters, Mapping):
        return {str(key): plain_parameters(value) for key, value in parameters.items()}
    if isinstance(parameters, list | tuple):
        return [plain_parameters(value) for value in parameters]
    return as_text(parameters)


def rendered(sql: str, parameters: Any, *, percent: bool) -> str:
    """``sql`` with ``parameters`` written as literals; ``percent`` says which placeholders it has."""
    if not percent:
        return _WITH_DOLLAR.sub(lambda match: literal(parameters[int(match[1]) - 1]), sql) if parameters else sql
    positions = iter(parameters) if isinstance(parameters, Sequence) else iter(())

    def literal_of(match: re.Match[str]) -> str:
        if match["percent"]:
            return "%"
        return literal(parameters[match["name"]] if match["name"] is not None else next(positions))

    return _WITH_PERCENT.sub(literal_of, sql)


def literal(value: Any) -> str:
    """``value`` as PostgreSQL reads it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | decimal.Decimal) or (isinstance(value, float) and math.isfinite(value)):
        return str(value) if value >= 0 else f"({value})"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"'\\x{bytes(value).hex()}'::bytea"
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(literal(item) for item in value)}]" if value else "'{}'"
    if isinstance(value, dict):
        return _quoted(json.dumps(value, default=str, ensure_ascii=False))
    if isinstance(value, datetime.timedelta):
        return f"'{value.total_seconds()} seconds'::interval"
    if isinstance(value, uuid.UUID | float | datetime.date | datetime.time | str):
        return _quoted(as_text(value) or "")
    if type(value).__name__ in ("Json", "Jsonb"):  # of psycopg and psycopg2; any JSON may be in them
        inner = getattr(value, "obj", None) if hasattr(value, "obj") else getattr(value, "adapted", None)
        return _quoted(json.dumps(inner, default=str, ensure_ascii=False))
    return _quoted(str(value))


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"E'{doubled.replace(chr(92), chr(92) * 2)}'" if "\\" in doubled else f"'{doubled}'"
