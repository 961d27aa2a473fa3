"""Other schemas of the same database that the same command migrates before: a copy is brought to where they will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from db_migrate.project.outcomes import Ignore
from db_migrate.schemas.live import Copy, stamp
from db_migrate.schemas.scratch import Scratch
from db_migrate.schemas.target import VersionTable


@dataclass(frozen=True, slots=True)
class Ahead:
    """One of them: its version table (name, schema, search_path), where that is and what it holds (``there``), and the
    derived downgrades that it goes back by."""

    table: tuple[str, str, str]
    there: tuple[VersionTable, tuple[str, ...] | None]
    derived: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def go_ahead(scratch: Scratch, copy: Copy, way: tuple[str, str], ahead: Sequence[Ahead]) -> None:
    """Migrate them in a copy; ``way`` is the direction and Alembic's name of the destination. Raises ``ChildError``."""
    for each in ahead:
        stamp(copy.superuser, *each.there)
        alone = replace(scratch, project=replace(scratch.project, tables=(each.table,)))
        with alone.child.going_back_by(each.derived):
            alone.migrate(*way, copy.runner, Ignore()).raise_for_failure()
