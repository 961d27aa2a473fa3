"""The bounds of a partition as a condition over its rows, such that PostgreSQL sees that the two are the same."""

from __future__ import annotations

import re

from db_migrate.catalog.tokens import inside_brackets, split_list

_RANGE = re.compile(r"FOR VALUES FROM \((.*)\) TO \((.*)\)", re.DOTALL)
_LIST = re.compile(r"FOR VALUES IN \((.*)\)", re.DOTALL)


def condition(partition_key: str, bound: str) -> str:
    """What is true of every row within the bounds; empty for bounds by hash, the default, and several columns."""
    found = _parts(partition_key, bound)
    if found is None:
        return ""
    column, null, tests = found
    wanted = " AND ".join(tests) if tests else "true"
    if null:
        return f"{column} IS NULL OR {wanted}" if tests else f"{column} IS NULL"
    return f"{column} IS NOT NULL AND {wanted}"


def opposite(partition_key: str, bound: str) -> str:
    """What is true of every row outside of the bounds; empty where ``condition`` is."""
    said = condition(partition_key, bound)
    return f"NOT ({said})" if said else ""


def _parts(partition_key: str, bound: str) -> tuple[str, bool, list[str]] | None:
    """The column or expression, whether NULL is within the bounds, and what else is true of what is."""
    columns = split_list(inside_brackets(partition_key))
    if len(columns) != 1:
        return None
    column = columns[0]
    if (ranged := _RANGE.fullmatch(bound)) is not None:
        tests = [f"{column} {sign} {end}" for sign, end in ((">=", ranged[1]), ("<", ranged[2]))]
        return column, False, [test for test in tests if not test.endswith(("MINVALUE", "MAXVALUE"))]
    if (listed := _LIST.fullmatch(bound)) is not None:
        values = split_list(listed[1])
        kept = [value for value in values if value != "NULL"]
        return column, len(kept) < len(values), [f"{column} IN ({', '.join(kept)})"] if kept else []
    return None
