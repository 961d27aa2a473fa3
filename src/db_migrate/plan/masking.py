"""No password in a plan: what of a change may hold one."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import Value
from db_migrate.postgres.redact import redact_value


def without_passwords(change: Change) -> Change:
    """The change with what looks like a connection string in its values masked: a comment may hold one."""
    attributes = tuple(replace(each, from_=_masked(each.from_), to=_masked(each.to)) for each in change.attributes)
    return change if attributes == change.attributes else replace(change, attributes=attributes)


def _masked(value: Value) -> Value:
    return redact_value(value) if isinstance(value, str) else value
