"""The mesh example has every family of differences that tools get wrong, and no drift; alembic check sees some."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.postgres.session import read_only
from db_migrate.schemas.scratch import read_through

from .conftest import ROOT, Project

Test = Callable[[SchemaObject], object]


def says(name: str, pattern: str = ".") -> Test:
    """Whether an attribute's text, or one of its texts, matches."""

    def test(item: SchemaObject) -> bool:
        value = item.attributes.get(name)
        texts = value if isinstance(value, tuple) else () if value in (None, False) else (str(value),)
        return any(re.search(pattern, text) for text in texts)

    return test


FAMILIES: Mapping[str, tuple[Kind, Test]] = {
    "default: volatile function": (Kind.COLUMN, says("default", r"random\(\)|clock_timestamp|gen_random_uuid")),
    "default: JSON": (Kind.COLUMN, says("default", "jsonb?$")),
    "default: quotes": (Kind.COLUMN, says("default", "''")),
    "default: casts": (Kind.COLUMN, says("default", "::cidr|::interval")),
    "default: uppercase": (Kind.COLUMN, says("default", "'DENY'")),
    "default: time zones": (Kind.COLUMN, says("default", "AT TIME ZONE")),
    "default: booleans": (Kind.COLUMN, says("default", "^(true|false)$")),
    "type: precision": (Kind.COLUMN, says("type", r"numeric\(\d+,\d+\)")),
    "type: time zone": (Kind.COLUMN, says("type", r"timestamp\(\d\) with time zone")),
    "type: array": (Kind.COLUMN, says("type", r"\[\]$")),
    "type: enum": (Kind.ENUM, says("labels")),
    "type: domain": (Kind.DOMAIN, says("definition", "CHECK")),
    "type: collation": (Kind.COLUMN, says("collation")),
    "type: interval": (Kind.COLUMN, says("type", "interval [a-z]+ to")),
    "type: bit": (Kind.COLUMN, says("type", r"bit\(")),
    "sequence": (Kind.SEQUENCE, says("increment", "[^1]")),
    "identity options": (Kind.COLUMN, says("identity", r"CACHE|MAXVALUE")),
    "generated column": (Kind.COLUMN, says("generated")),
    "primary key": (Kind.PRIMARY_KEY, says("columns")),
    "unique: NULLS NOT DISTINCT": (Kind.INDEX, says("nulls_not_distinct")),
    "unique: deferrable": (Kind.UNIQUE, says("deferrable")),
    "unique: INCLUDE": (Kind.UNIQUE, says("include")),
    "foreign key: MATCH": (Kind.FOREIGN_KEY, says("match", "FULL")),
    "foreign key: deferrable": (Kind.FOREIGN_KEY, says("deferrable")),
    "foreign key: SET NULL (columns)": (Kind.FOREIGN_KEY, says("on_delete", r"SET NULL \(")),
    "check": (Kind.CHECK, says("expression", "ANY")),
    "exclusion": (Kind.EXCLUSION, lambda _: True),
    "index: operator class": (Kind.INDEX, says("opclass")),
    "index: expression": (Kind.INDEX, says("expression")),
    "index: predicate": (Kind.INDEX, says("predicate")),
    "index: NULLS order": (Kind.INDEX, says("order", "NULLS")),
    "index: INCLUDE": (Kind.INDEX, says("include")),
    "index: method": (Kind.INDEX, says("method", "gin|brin|hash")),
    "index: storage parameters": (Kind.INDEX, says("storage_parameters")),
    "index: validity": (Kind.INDEX, says("valid")),
    "table: UNLOGGED": (Kind.TABLE, says("persistence", "unlogged")),
    "table: fillfactor": (Kind.TABLE, says("storage_parameters", "fillfactor")),
    "table: inheritance": (Kind.TABLE, says("inherits")),
    "table: replica identity": (Kind.TABLE, says("replica_identity")),
    "table: partitions": (Kind.PARTITION, says("partition_bound")),
    "view": (Kind.VIEW, says("definition")),
    "function": (Kind.FUNCTION, says("definition")),
    "trigger": (Kind.TRIGGER, says("definition", "WHEN")),
    "policy": (Kind.POLICY, says("definition", "WITH CHECK")),
    "grant": (Kind.GRANT, says("definition", "SELECT")),
    "statistics": (Kind.STATISTICS, says("definition", "mcv")),
    "comment": (Kind.TABLE, says("comment")),
}
CLAIMED = {
    "partitions are tables to drop": r"\('remove_table', Table\('node_metrics_2026_h1'",
    "their indexes too": r"\('remove_index', Index\('node_metrics_2026_h1_recorded_at_idx'",
    "inherited columns are to be dropped": r"\('remove_column', None, 'admin_audit_logs', Column\('payload'",
    "NULL, which PostgreSQL does not store, is a default": r"\('modify_default', None, 'users', 'deleted_at'",
}


def live(project: Project) -> Catalog:
    """What is in the project's database, with its grants."""
    with read_only(project.database) as connection:
        return read_through(connection, privileges=True)


def test_mesh_has_every_family_and_no_drift(project: Project) -> None:
    """Of each family there is an instance in models and revisions alike; alembic check would drop tables over it."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(project.folder)
    hidden = shutil.ignore_patterns(".*", "__pycache__")
    shutil.copytree(ROOT / "examples" / "mesh", Path(project.folder), ignore=hidden)
    upgraded = project.alembic("upgrade", "head")
    assert upgraded.code == 0, upgraded.err

    drift = project.run("drift", "--strict", "--json")
    check = project.alembic("check")

    assert drift.code == 0, drift.out
    assert [each["changes"] for each in drift.json["comparisons"]] == [[], [], []]
    everything = live(project)
    missing = [
        family
        for family, (kind, test) in FAMILIES.items()
        if not any(item.kind is kind and test(item) for item in everything)
    ]
    assert missing == []
    assert check.code != 0
    said = check.out + check.err
    assert [claim for claim, pattern in CLAIMED.items() if not re.search(pattern, said)] == []
