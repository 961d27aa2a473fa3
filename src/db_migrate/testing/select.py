"""Which tests a change of some tables concerns, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from db_migrate.testing.changed import tables_of
from db_migrate.testing.layout import Layout, read_layout
from db_migrate.testing.mentions import Relation, same, split
from db_migrate.testing.reach import MapsTable, Models, Reached, models_of, reach, roots_of
from db_migrate.testing.records import Record, is_fresh, read_records

__all__ = ["Selection", "select", "tables_of"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The test files to run, as paths from the project's root, and for each the tables that chose it.

    ``unrecorded`` are among them because a map of what tests touch exists and says nothing of them.
    """

    tables: tuple[str, ...]
    selected: tuple[str, ...] = ()
    reason: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unrecorded: tuple[str, ...] = ()


def select(
    root: Path,
    tables: Iterable[str],
    mapped: Iterable[MapsTable],
    *,
    paths: Iterable[Path] = (),
    all: bool = False,
) -> Selection:
    """The tests of the project in ``root`` that touch one of ``tables``; with ``all`` every test.

    ``tables`` are qualified names of tables, views and functions, dependents included; ``mapped`` says which classes
    map which tables; ``paths`` are the files and folders to look in (none: where pytest's configuration says). What a
    test really touched the last time counts, where the map in ``.db-migrate/tests.json`` has it and neither the test
    nor the code that it uses has changed; else what its code reaches, read from syntax trees. With a map, tests that
    it does not know are selected as well.
    """
    changed, mapped = tuple(tables), tuple(mapped)
    layout = read_layout(root, roots_of(mapped))
    models = models_of(layout, mapped)
    records = read_records(layout.root)
    reason: dict[str, tuple[str, ...]] = {}
    unrecorded: list[str] = []
    for file in layout.test_files([layout.root / path for path in paths] or layout.test_paths):
        name = layout.name_of(file)
        touched = _touched(layout, models, file, changed, (records or {}).get(name))
        if records is not None and name not in records and changed and not all:
            unrecorded.append(name)
        if touched or all or name in unrecorded:
            reason[name] = touched
    return Selection(changed, tuple(reason), reason, tuple(unrecorded))


def _touched(
    layout: Layout, models: Models, file: Path, changed: tuple[str, ...], record: Record | None
) -> tuple[str, ...]:
    if record is not None:
        reached = reach(layout, Models(), file)
        if is_fresh(record, reached) and not reached.everything:
            return _named(changed, record.relations)
    return _within_reach(changed, reach(layout, models, file))


def _within_reach(changed: tuple[str, ...], reached: Reached) -> tuple[str, ...]:
    if reached.everything:
        return changed
    named = _named(changed, reached.relations)
    return tuple(table for table in changed if table in reached.tables or table in named)


def _named(changed: tuple[str, ...], relations: Iterable[Relation]) -> tuple[str, ...]:
    known = tuple(relations)
    return tuple(table for table in changed if any(same(split(table), each) for each in known))
