"""What one look from inside a transaction says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

from db_migrate.catalog.reader import QUERIES, condition, query

SCRATCH_SCHEMA = "db_migrate_scratch"
"""Where the observers live in a scratch database; never part of a catalog."""

BY_RELATION = ("sequences", "tables", "columns", "constraints", "indexes", "statistics", "views", "triggers")
"""The catalog's parts of which each object belongs to one relation, so that they can be read for some relations only.

In each of their queries that relation is ``pg_class c``, and no other is called so.
"""

WEAK = frozenset({"AccessShareLock", "RowShareLock", "RowExclusiveLock"})
"""The locks of reading and writing rows, as pg_locks writes them."""

OidLock = tuple[int, str]
"""A relation's oid and the mode as pg_locks writes it."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation at one moment. ``filenode`` is its storage, ``table`` the oid of an index's table.

    ``counted``: PostgreSQL has an estimate of its rows.
    """

    name: str
    kind: str
    filenode: int | None
    tablespace: int
    table: int | None
    valid: bool
    counted: bool


class ServerEvent(msgspec.Struct, frozen=True):
    """What an event trigger noted: a rewrite (``oid``, ``reason``), a drop (``type``, ``name``) or locks at an end.

    ``oids``: the relations that a command was about or that it took something from, 0 for what is of no relation.
    """

    event: str
    oid: int = 0
    reason: int = 0
    type: str = ""
    name: str = ""
    original: bool = False
    locks: tuple[OidLock, ...] = ()
    oids: tuple[int, ...] = ()


class CatalogRows(msgspec.Struct, frozen=True, array_like=True):
    """How many rows of a system catalog were changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class Observation(msgspec.Struct, frozen=True):
    """One look: locks, activity by relation (oid, scans, rows written), rows changed in the system catalogs.

    ``lock_timeout`` is the session's, in seconds; 0 is none.
    """

    transaction: str = ""
    locks: tuple[OidLock, ...] = ()
    activity: tuple[tuple[int, int, int], ...] = ()
    catalogs: dict[str, CatalogRows] = {}
    lock_timeout: float = 0.0
    events: str | None = None

    @property
    def strong(self) -> frozenset[int]:
        """The relations that are held by more than the locks of reading and writing rows."""
        return frozenset({oid for oid, mode in self.locks if mode not in WEAK})

    @property
    def server_events(self) -> tuple[ServerEvent, ...]:
        """What the event triggers noted since the last look."""
        return tuple(msgspec.json.decode(line, type=ServerEvent) for line in (self.events or "").splitlines())


@cache
def _sql(name: str) -> str:
    return resources.files("db_migrate.trace").joinpath("sql", f"{name}.sql").read_text("utf-8")


ALONE = f"SELECT pg_catalog.set_config('{SCRATCH_SCHEMA}.alone', '{{}}', false)"
"""``on`` has the locks noted at the end of each command, for statements whose transaction will then be over."""

LOOK = f"SELECT {SCRATCH_SCHEMA}.look(NULL)"
"""The query of one ``Observation``."""

LOOK_AT_ALL = f"SELECT {SCRATCH_SCHEMA}.look('{{}}')"
"""The same with the activity of relations that the transaction no longer holds."""

TOTALS = "totals"
"""The question for all activity that has ended, that of looks included, in the form of ``Observation.activity``."""

_AROUND = re.compile(r"\bpg_class c\b")


@dataclass(frozen=True, slots=True)
class _Question:
    """A query of one answer, and what has to be true for it to be other than an empty list."""

    sql: str
    condition: str = ""


def asking(questions: Iterable[str], *, reach: bool = False, touched: Iterable[int] | None = None) -> str:
    """One query whose row answers questions (see ``whole`` and ``part``) with one JSON list.

    With ``reach`` the list begins with the oids of the relations that the current transaction may have changed, or only
    those that can have changed with ``touched``, and ``part`` questions are about them. NULL when a lock of another
    session is in the way.
    """
    names = ", ".join(f"'{name}'" for name in questions)
    about = "NULL" if touched is None else f"'{{{','.join(map(str, sorted(touched)))}}}'::oid[]"
    return f"SELECT {SCRATCH_SCHEMA}.answers(ARRAY[{names}]::text[], {str(reach).lower()}, {about})"


def whole(name: str) -> str:
    """The question for all of ``relations`` or of a part of the catalog (one of ``QUERIES``)."""
    return f"all_{name}"


def part(name: str) -> str:
    """The question for what belongs to some relations: ``relations`` or one of ``BY_RELATION``."""
    return f"some_{name}"


@cache
def install_script(major: int) -> str:
    """What a superuser runs once in a scratch database, so that it can be observed.

    Each question becomes a function of the superuser's: it sees what the revision's role may not, leaves no setting
    changed, and PostgreSQL plans it once a session instead of once a look (planning is three quarters of the time).
    """
    asked = _questions(major)
    functions = (
        *(_function(name, question) for name, question in asked.items()),
        _function("look", _Question(_sql("look")), "SECURITY DEFINER SET search_path = pg_catalog"),
    )
    choices = "\n".join(f"WHEN '{name}' THEN {SCRATCH_SCHEMA}.{name}(relations)" for name in asked)
    answers = _sql("answers").replace("/* choices */", choices)
    grants = ("USAGE ON SCHEMA", "EXECUTE ON ALL FUNCTIONS IN SCHEMA")
    granted = (f"GRANT {each} {SCRATCH_SCHEMA} TO PUBLIC;" for each in grants)
    return "\n".join((_sql("install"), *functions, answers, *granted))


def _questions(major: int) -> Mapping[str, _Question]:
    asked = {name: _Question(_for_users(query(name, major)), _for_users(condition(name))) for name in QUERIES}
    found = {whole(name): question for name, question in asked.items()}
    found |= {part(name): _Question(_for_some(asked[name].sql), asked[name].condition) for name in BY_RELATION}
    relations = _sql("relations")
    some = "c.oid = ANY (given || ARRAY(SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = ANY (given)))"
    found |= {whole("relations"): _Question(relations), part("relations"): _Question(f"{relations}   AND {some}")}
    return found | {TOTALS: _Question(_sql("totals"))}


def _for_users(sql: str) -> str:
    return sql.replace("'db_migrate_kept'", f"'db_migrate_kept', '{SCRATCH_SCHEMA}'")


def _for_some(sql: str) -> str:
    return _AROUND.sub("(SELECT * FROM pg_class WHERE oid = ANY (given)) AS c", sql)


def _function(name: str, question: _Question, attributes: str = "") -> str:
    unless = f"IF NOT (\n{question.condition}\n) THEN RETURN '[]'; END IF;\n" if question.condition else ""
    return (
        f"CREATE FUNCTION {SCRATCH_SCHEMA}.{name}(given oid[]) RETURNS text LANGUAGE plpgsql {attributes}"
        f" AS $look$\nBEGIN\n{unless}RETURN (\n{question.sql}\n);\nEND\n$look$;"
    )


def changed_catalogs(before: Observation, after: Observation) -> Mapping[str, CatalogRows] | None:
    """The system catalogs whose rows changed between two looks; None where they were not in one transaction."""
    if before.transaction != after.transaction:
        return None
    none = CatalogRows()
    found = {}
    for name, rows in after.catalogs.items():
        earlier = before.catalogs.get(name, none)
        if rows != earlier:
            found[name] = CatalogRows(
                rows.inserted - earlier.inserted, rows.updated - earlier.updated, rows.deleted - earlier.deleted
            )
    return found
