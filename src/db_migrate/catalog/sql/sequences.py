"""Sequences."""

from __future__ import annotations

from collections.abc import Mapping

from db_migrate.catalog.objects import SchemaObject
from db_migrate.catalog.sql.steps import Steps, differing, text

_CLAUSES = {
    "type": "AS",
    "increment": "INCREMENT BY",
    "min": "MINVALUE",
    "max": "MAXVALUE",
    "start": "START WITH",
    "cache": "CACHE",
}
_LARGEST = {"smallint": 32767, "integer": 2147483647, "bigint": 9223372036854775807}


def create(item: SchemaObject) -> Steps:
    """``CREATE SEQUENCE``; whose column it belongs to is said once the column exists."""
    unlogged = "UNLOGGED " if item.attributes.get("persistence") == "unlogged" else ""
    usual = _usual(item)
    clauses = [f" {clause} {text(item, n)}" for n, clause in _CLAUSES.items() if text(item, n) != usual[n]]
    cycle = " CYCLE" if item.attributes["cycle"] else ""
    owner = item.attributes.get("owned_by")
    finish = (f"ALTER SEQUENCE {item.name} OWNED BY {owner}",) if owner is not None else ()
    return Steps((f"CREATE {unlogged}SEQUENCE {item.name}{''.join(clauses)}{cycle}",), finish=finish)


def _usual(item: SchemaObject) -> Mapping[str, str]:
    """What each clause is where it is not said (CREATE SEQUENCE)."""
    largest = _LARGEST[text(item, "type")]
    upwards = not text(item, "increment").startswith("-")
    low, high = (1, largest) if upwards else (-largest - 1, -1)
    start = text(item, "min" if upwards else "max")
    return {"type": "bigint", "increment": "1", "min": str(low), "max": str(high), "start": start, "cache": "1"}


def drop(item: SchemaObject) -> Steps:
    """``DROP SEQUENCE``."""
    return Steps((f"DROP SEQUENCE {item.name}",))


def alter(before: SchemaObject, after: SchemaObject) -> Steps:
    """``ALTER SEQUENCE``; a start that the new limits exclude restarts it."""
    names = set(differing(before, after))
    if "type" in names:
        names |= {"min", "max"}
    statement = f"ALTER SEQUENCE {after.name}"
    clauses = [f"{clause} {after.attributes[name]}" for name, clause in _CLAUSES.items() if name in names]
    note = ""
    low, high, start = (int(text(side, name)) for side, name in ((after, "min"), (after, "max"), (before, "start")))
    if not low <= start <= high:
        clauses.append("RESTART")
        note = "it starts again, since the old numbers are outside the new limits"
    if "cycle" in names:
        clauses.append("CYCLE" if after.attributes["cycle"] else "NO CYCLE")
    main = [f"{statement} {' '.join(clauses)}"] if clauses else []
    release = (f"{statement} OWNED BY NONE",) if "owned_by" in names and before.attributes.get("owned_by") else ()
    persistence = after.attributes.get("persistence")
    if "persistence" in names and persistence is not None and before.attributes.get("persistence") is not None:
        main.append(f"{statement} SET {'UNLOGGED' if persistence == 'unlogged' else 'LOGGED'}")
    owner = after.attributes.get("owned_by")
    finish = (f"{statement} OWNED BY {owner}",) if "owned_by" in names and owner is not None else ()
    return Steps(tuple(main), release=release, finish=finish, note=note)
