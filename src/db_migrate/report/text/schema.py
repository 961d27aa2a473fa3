"""The tables and columns of one side, and everything else that it has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from db_migrate.language import said
from db_migrate.report.style import Style, name
from db_migrate.report.text.changes import value_text
from db_migrate.report.text.parts import columns, page, target_line, warnings_of
from db_migrate.results import Schema, SchemaEntry

_RELATIONS = frozenset({"table", "foreign_table", "partition", "view", "materialized_view"})
_SAID_ELSEWHERE = frozenset({"type", "nullable", "default"})
_USUAL = frozenset(
    {
        ("enforced", True),
        ("match", "SIMPLE"),
        ("method", "btree"),
        ("on_delete", "NO ACTION"),
        ("on_update", "NO ACTION"),
        ("valid", True),
        ("validated", True),
    }
)
"""Attributes that are not worth a word when they have these values, PostgreSQL's own defaults."""


def schema_text(schema: Schema, style: Style) -> str:
    """Relations with their columns and what belongs to them, then the other objects by kind."""
    relations = [each for each in schema.objects if each.kind in _RELATIONS]
    others = [each for each in schema.objects if each.kind not in _RELATIONS]
    return page(
        target_line(schema.target, style),
        [_relation(each, style) for each in relations],
        [_kind(kind, list(members), style) for kind, members in groupby(others, key=lambda each: each.kind)],
        warnings_of(schema, style),
        style=style,
    )


def _relation(relation: SchemaEntry, style: Style) -> str:
    rows = [
        (
            short(each, relation),
            value_text(each.attributes.get("type")),
            "" if each.attributes.get("nullable", True) else said("not null"),
            _default(each),
        )
        for each in relation.columns
        if each.kind == "column"
    ]
    lines = [f"{style.bold(name(relation.object))}  {style.dim(said(relation.kind.replace('_', ' ')))}"]
    lines += [f"  {line}" for line in columns(rows)]
    if relation.kind.endswith("view"):
        lines.append(f"  {_definition(relation)}")
    members = [each for each in relation.columns if each.kind != "column"]
    lines += [
        f"  {style.dim(said(each.kind.replace('_', ' ')))} {short(each, relation)}: {_definition(each)}"
        for each in members
    ]
    return "\n".join(lines)


def short(entry: SchemaEntry, relation: SchemaEntry) -> str:
    """The name of what belongs to a relation, without the relation's."""
    own = entry.object.removeprefix(relation.object + ".")
    return name(own.removeprefix(relation.object.rpartition(".")[0] + "."))


def _default(column: SchemaEntry) -> str:
    parts = [said(f"default {value_text(column.attributes['default'])}")] if column.attributes.get("default") else []
    parts += [
        f"{key} {value_text(value)}"
        for key, value in column.attributes.items()
        if key not in _SAID_ELSEWHERE and value not in (None, "", False)
    ]
    return ", ".join(parts)


def _definition(entry: SchemaEntry) -> str:
    if entry.definition:
        return name(" ".join(entry.definition.split()))
    if set(entry.attributes) == {"definition"}:
        return name(" ".join(str(entry.attributes["definition"]).split()))
    return ", ".join(_attributes(entry))


def _attributes(entry: SchemaEntry) -> Iterator[str]:
    for key, value in entry.attributes.items():
        if value is True and (key, value) not in _USUAL:
            yield key
        elif value not in (None, "", False) and (key, value) not in _USUAL:
            yield f"{key} {value_text(value)}"


def _kind(kind: str, members: list[SchemaEntry], style: Style) -> str:
    rows = [(name(each.object), style.cut(_definition(each), style.width)) for each in members]
    return "\n".join([style.bold(said(kind.replace("_", " "))), *(f"  {line}" for line in columns(rows))])
