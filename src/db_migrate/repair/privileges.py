"""Which privilege a role lacks, from what the server says, and the statement that gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from db_migrate.catalog.objects import RELATION_KINDS, Catalog
from db_migrate.catalog.tokens import quoted
from db_migrate.trace.grammar import sort_of_sent

INSUFFICIENT = frozenset({"42501"})
"""``insufficient_privilege``."""

_DENIED = re.compile(r"permission denied for ([a-z -]+?) (\S+)$", re.MULTILINE)
_OWNER = re.compile(r"must be owner of ([a-z -]+?) (\S+)$", re.MULTILINE)
_MEMBER = re.compile(r'must be (?:able to SET ROLE|member of role) "([^"]+)"')
_EXTENSION = re.compile(r'permission denied to create extension "([^"]+)"')
_ATTRIBUTES = {
    "permission denied to create role": "CREATEROLE",
    "permission denied to create database": "CREATEDB",
    "must be superuser": "SUPERUSER",
    "must be a superuser": "SUPERUSER",
}
_ON_TABLE = {
    "select_stmt": "SELECT",
    "insert_stmt": "SELECT, INSERT",
    "update_stmt": "SELECT, UPDATE",
    "delete_stmt": "SELECT, DELETE",
    "merge_stmt": "SELECT, INSERT, UPDATE, DELETE",
    "truncate_stmt": "TRUNCATE",
    "create_trig_stmt": "TRIGGER",
    "lock_stmt": "SELECT, INSERT, UPDATE, DELETE, TRUNCATE",
    "view_stmt": "SELECT",
    "create_table_as_stmt": "SELECT",
}
_TABLES = frozenset({"table", "view", "materialized view", "relation", "foreign table", "partitioned table", "index"})


@dataclass(frozen=True, slots=True)
class Lacking:
    """Who lacks something where. ``trusted`` are extensions that whoever may create things in the database may have."""

    role: str
    database: str
    live: Catalog
    trusted: frozenset[str]


def grant_for(message: str, sql: str, there: Lacking) -> str:
    """The statement after which the server would not say this to the role any more; empty where none is known.

    ``sql`` is what was refused.
    """
    role, live, database = there.role, there.live, there.database
    to = quoted(role)
    if (extension := _EXTENSION.search(message)) is not None:
        allowed = f"GRANT CREATE ON DATABASE {quoted(database)} TO {to}"
        return allowed if extension[1] in there.trusted else f"ALTER ROLE {to} SUPERUSER"
    for words, attribute in _ATTRIBUTES.items():
        if words in message:
            return f"ALTER ROLE {to} {attribute}"
    if (member := _MEMBER.search(message)) is not None:
        return f"GRANT {quoted(member[1])} TO {to}"
    if (owned := _OWNER.search(message)) is not None:
        return _owning(owned[1], owned[2], to, live)
    denied = _DENIED.search(message)
    return _on(denied[1], denied[2], sql, to, live, database) if denied is not None else ""


def _owning(kind: str, name: str, to: str, live: Catalog) -> str:
    word = "TABLE" if kind in ("relation", "constraint") else kind.upper()
    return f"ALTER {word} {_qualified(name, live)} OWNER TO {to}"


def _on(kind: str, name: str, sql: str, to: str, live: Catalog, database: str) -> str:
    match kind:
        case "schema":
            return f"GRANT USAGE, CREATE ON SCHEMA {quoted(name)} TO {to}"
        case "database":
            return f"GRANT CREATE ON DATABASE {quoted(database)} TO {to}"
        case "sequence":
            return f"GRANT USAGE, SELECT, UPDATE ON SEQUENCE {_qualified(name, live)} TO {to}"
        case "function" | "procedure":
            return f"GRANT EXECUTE ON {kind.upper()} {_qualified(name, live)} TO {to}"
        case "type" | "language" | "foreign server" | "foreign-data wrapper":
            return f"GRANT USAGE ON {kind.replace('-', ' ').upper()} {_qualified(name, live)} TO {to}"
        case _ if kind in _TABLES:
            return f"GRANT {_needed(sql)} ON {_qualified(name, live)} TO {to}"
    return ""


def _needed(sql: str) -> str:
    nodes = sort_of_sent(None, sql).nodes
    return next((_ON_TABLE[node] for node in nodes if node in _ON_TABLE), "REFERENCES, SELECT")


def _qualified(name: str, live: Catalog) -> str:
    """The name with its schema, where only one object has it."""
    found = [o.name for o in live if o.kind in RELATION_KINDS and o.name.rpartition(".")[2] in (name, quoted(name))]
    return found[0] if len(found) == 1 else quoted(name)
