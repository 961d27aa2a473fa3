"""Where a project and its target stand: status, history, schema, drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db_migrate.catalog.change import Change
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.results.base import Result
from db_migrate.schemas.outcome import Comparison


@dataclass(frozen=True, slots=True)
class PendingRevision:
    revision: str
    message: str
    file: str


@dataclass(frozen=True, slots=True)
class DriftCounts:
    """How many changes of class drift each comparison has; None where it was not asked for or not possible."""

    history_models: int | None
    history_live: int | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run of the journal. Times are ISO 8601 in UTC; ``seconds`` is None while it runs.

    ``lock_wait_seconds`` is what its steps waited for locks together; None where no step was recorded. ``schema``: of
    several that env.py migrates, the one that it was about.
    """

    run: str
    verb: str
    state: str
    from_: tuple[str, ...]
    to: tuple[str, ...]
    started_at: str
    seconds: float | None
    who: str
    plan: str
    lock_wait_seconds: float | None = None
    schema: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Result):
    """``targets``: where env.py migrates several databases or schemas, the status of each."""

    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[PendingRevision, ...]
    unknown: tuple[str, ...]
    drift: DriftCounts
    last_run: RunSummary | None
    targets: tuple[Status, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryRevision:
    revision: str
    down_revision: tuple[str, ...]
    branch_labels: tuple[str, ...]
    depends_on: tuple[str, ...]
    message: str
    file: str
    is_head: bool
    changes: tuple[Change, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Result):
    revisions: tuple[HistoryRevision, ...]
    runs: tuple[RunSummary, ...] = ()


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """One object of ``schema``; ``columns`` are filled for relations, in physical order."""

    kind: str
    object: str
    attributes: Mapping[str, Value]
    columns: tuple[SchemaEntry, ...] = ()
    definition: str = ""

    @classmethod
    def of(cls, item: SchemaObject, catalog: Catalog) -> SchemaEntry:
        """The entry of one of a catalog's objects that belong to no other."""
        columns = catalog.columns(item.name) if item.kind in RELATION_KINDS else ()
        parts = [o for o in catalog.children.get(item.name, ()) if o.kind is not Kind.COLUMN]
        members = (cls(c.kind.value, c.name, dict(c.attributes), definition=c.definition) for c in (*columns, *parts))
        return cls(item.kind.value, item.name, dict(item.attributes), tuple(members), item.definition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema(Result):
    side: str
    objects: tuple[SchemaEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Result):
    comparisons: tuple[Comparison, ...]
