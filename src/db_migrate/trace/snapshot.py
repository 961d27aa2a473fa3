"""The scratch database's catalog while a trace runs: read once, then only what a statement may have changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.catalog.reader import QUERIES, objects_in, schema_of
from db_migrate.trace.observation import SCRATCH_SCHEMA, Relation

Look = Callable[..., list[str]]
"""Asks questions (see ``observation.looking_at``) in one round trip and returns the answers in their order."""

_OWN: Mapping[str, frozenset[str]] = {
    "schemas": frozenset({"pg_namespace"}),
    "extensions": frozenset({"pg_extension"}),
    "types": frozenset({"pg_type", "pg_enum", "pg_range"}),
    "sequences": frozenset({"pg_sequence", "pg_depend"}),
    "functions": frozenset({"pg_proc", "pg_aggregate"}),
    "operators": frozenset(
        {"pg_operator", "pg_cast", "pg_collation", "pg_ts_config", "pg_ts_config_map", "pg_ts_dict"}
    ),
    "statistics": frozenset({"pg_statistic_ext"}),
    "views": frozenset({"pg_rewrite"}),
    "triggers": frozenset({"pg_trigger", "pg_policy", "pg_rewrite", "pg_event_trigger"}),
    "publications": frozenset({"pg_publication", "pg_publication_rel", "pg_publication_namespace"}),
    "foreign": frozenset({"pg_foreign_data_wrapper", "pg_foreign_server", "pg_foreign_table"}),
    "comments": frozenset({"pg_description"}),
}
"""The catalogs whose rows the objects of each part are; a part without objects changes only when one of them does."""

_ALWAYS = frozenset({"tables", "columns", "constraints", "indexes"})
_IGNORED = frozenset({"pg_statistic", "pg_statistic_ext_data"})


class Snapshot:
    """A catalog that is kept up to date part by part."""

    def __init__(self, server_version: int) -> None:
        self.server_version = server_version
        self._parts: dict[str, tuple[SchemaObject, ...]] = {}
        self._catalog: Catalog | None = None
        self.relations: Mapping[int, Relation] = {}

    @property
    def catalog(self) -> Catalog:
        """The catalog as last read."""
        if self._catalog is None:
            objects = (o for part in self._parts.values() for o in part if schema_of(o) != SCRATCH_SCHEMA)
            self._catalog = Catalog.of(objects, self.server_version)
        return self._catalog

    def refresh(self, look: Look, changed: frozenset[str] | None) -> None:
        """Read again what may have changed when rows of these catalogs did; everything when None."""
        names = QUERIES if changed is None else self._stale(changed - _IGNORED)
        if not names:
            return
        *parts, relations = look(*names, "relations")
        self._parts.update((name, objects_in(text)) for name, text in zip(names, parts, strict=True))
        rows = msgspec.json.decode(relations, type=list[tuple[int, str, str, int | None, int | None, bool, bool]])
        self.relations = {row[0]: Relation(*row[1:]) for row in rows}
        self._catalog = None

    def _stale(self, changed: frozenset[str]) -> tuple[str, ...]:
        if not changed:
            return ()
        return tuple(
            name
            for name in QUERIES
            if name in _ALWAYS or self._parts.get(name) or _OWN.get(name, frozenset()) & changed
        )
