"""What people do to a schema with psql."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .oracle import Listing, columns

Choose = Callable[[Iterable[str], str], str]


@dataclass(frozen=True)
class Handiwork:
    """A statement, and the columns whose values go with it; ``id`` stands for the whole table."""

    sql: str
    destroys: tuple[tuple[str, str], ...] = ()


HAND = (
    "add column",
    "drop column",
    "default",
    "index",
    "drop index",
    "table",
    "check",
    "drop constraint",
    "not null",
    "comment",
    "type",
)


def by_hand(what: str, live: Listing, choose: Choose) -> Handiwork | None:
    """Something of that kind; None where there is nothing that it could be done to."""
    number = 1 + max((int(each) for _, name in live for each in re.findall(r"hand(\d+)", name)), default=0)
    if what == "table":
        return Handiwork(f"CREATE TABLE public.hand{number} (id int PRIMARY KEY, word text)")
    if what == "drop index":
        names = [name for kind, name in live if kind == "index"]
        return Handiwork(f"DROP INDEX {choose(names, 'index')}") if names else None
    if what == "drop constraint":
        return _drop_constraint(live, choose)
    tables = [name for kind, name in live if kind == "table"]
    if what in ("add column", "index", "check"):
        table = choose(tables, "table") if tables else ""
        forms = {
            "add column": f"ALTER TABLE {table} ADD COLUMN hand{number} integer DEFAULT 7",
            "index": f"CREATE INDEX hand{number} ON {table} (id)",
            "check": f"ALTER TABLE {table} ADD CONSTRAINT hand{number} CHECK (id > -1000000)",
        }
        return Handiwork(forms[what]) if table else None
    return _of_a_column(what, live, choose)


def _drop_constraint(live: Listing, choose: Choose) -> Handiwork | None:
    names = [name for kind, name in live if kind in ("unique", "foreign_key", "check")]
    if not names:
        return None
    schema, table, name = choose(names, "constraint").split(".")
    return Handiwork(f"ALTER TABLE {schema}.{table} DROP CONSTRAINT {name}")


def _of_a_column(what: str, live: Listing, choose: Choose) -> Handiwork | None:
    names = sorted(f"{table}.{name}" for table, name in columns(live) if name != "id")
    if not names:
        return None
    table, name = choose(names, "column").split(".")
    attributes = live["column", f"public.{table}.{name}"].attributes
    alter = f"ALTER TABLE public.{table}"
    match what:
        case "drop column":
            return Handiwork(f"{alter} DROP COLUMN {name}", ((table, name),))
        case "default":
            value = "NULL" if attributes["default"] else "'12'"
            return Handiwork(f"{alter} ALTER {name} SET DEFAULT {value}")
        case "not null":
            return Handiwork(f"{alter} ALTER {name} DROP NOT NULL") if not attributes["nullable"] else None
        case "comment":
            return Handiwork(f"COMMENT ON COLUMN public.{table}.{name} IS 'by hand {len(live)}'")
        case _:
            is_text = attributes["type"] == "text"
            return Handiwork(f"{alter} ALTER {name} TYPE varchar") if is_text else None
