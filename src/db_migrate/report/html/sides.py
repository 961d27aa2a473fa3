"""Changes by the table that they are about, so that a reader sees what happens to one table in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from db_migrate.catalog.change import Change


def by_table(changes: Iterable[Change]) -> Mapping[str, tuple[Change, ...]]:
    """The changes under the table that they belong to, or under the object itself where they belong to none."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.parent or change.object, []).append(change)
    return {table: tuple(each) for table, each in sorted(found.items())}
