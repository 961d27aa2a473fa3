"""PostgreSQL's table-level locks as the manual has them: what excludes what, and what takes which.

Documentation: "13.3.1. Table-Level Locks", table 13.2; what takes them was measured on 15 and 18 (see tests/trace).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from db_migrate.trace.effects import LockMode

_AS, _RS, _RE, _SUE, _S, _SRE, _E, _AE = LockMode

CONFLICTS: Mapping[LockMode, tuple[LockMode, ...]] = MappingProxyType(
    {
        _AS: (_AE,),
        _RS: (_E, _AE),
        _RE: (_S, _SRE, _E, _AE),
        _SUE: (_SUE, _S, _SRE, _E, _AE),
        _S: (_RE, _SUE, _SRE, _E, _AE),
        _SRE: (_RE, _SUE, _S, _SRE, _E, _AE),
        _E: (_RS, _RE, _SUE, _S, _SRE, _E, _AE),
        _AE: (_AS, _RS, _RE, _SUE, _S, _SRE, _E, _AE),
    }
)
"""The modes that each one waits for and keeps waiting."""

TAKEN_BY: Mapping[LockMode, tuple[str, ...]] = MappingProxyType(
    {
        _AS: ("SELECT", "COPY … TO", "pg_dump"),
        _RS: ("SELECT … FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE", "the checks of foreign keys"),
        _RE: ("INSERT, UPDATE, DELETE, MERGE", "COPY … FROM"),
        _SUE: (
            "VACUUM, ANALYZE",
            "CREATE INDEX CONCURRENTLY, DROP INDEX CONCURRENTLY, REINDEX CONCURRENTLY",
            "ALTER TABLE … VALIDATE CONSTRAINT",
            "ALTER TABLE … ATTACH PARTITION on the parent; DETACH PARTITION CONCURRENTLY",
            "ALTER TABLE … ALTER COLUMN … SET STATISTICS; most storage parameters",
            "CREATE STATISTICS, COMMENT ON",
        ),
        _S: ("CREATE INDEX without CONCURRENTLY", "a constraint added to a domain, on every table that uses it"),
        _SRE: (
            "ALTER TABLE … ADD FOREIGN KEY, on both tables, also with NOT VALID",
            "a foreign key in CREATE TABLE, on the referenced table",
            "CREATE TRIGGER; ENABLE and DISABLE TRIGGER",
        ),
        _E: ("REFRESH MATERIALIZED VIEW CONCURRENTLY",),
        _AE: (
            "most forms of ALTER TABLE: ADD and DROP COLUMN, SET NOT NULL, ALTER COLUMN … TYPE, ADD CHECK or UNIQUE",
            "RENAME of a table or a column",
            "DROP TABLE, also on the tables that its foreign keys refer to; DROP CONSTRAINT of a foreign key, on both",
            "DROP INDEX and REINDEX without CONCURRENTLY, DROP TRIGGER",
            "TRUNCATE, CLUSTER, VACUUM FULL, REFRESH MATERIALIZED VIEW",
            "LOCK TABLE without a mode",
        ),
    }
)
"""What takes each mode, in the manual's words."""


def find_mode(text: str) -> LockMode | None:
    """The mode that a text names: ``access exclusive``, ``ACCESS_EXCLUSIVE``, ``AccessExclusiveLock``; else None."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.strip())
    words = re.sub(r"[\s_-]+", " ", spaced).upper().removesuffix(" LOCK").removesuffix(" MODE").removesuffix(" LOCK")
    return next((mode for mode in LockMode if mode.value == words.strip()), None)
