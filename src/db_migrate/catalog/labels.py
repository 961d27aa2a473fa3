"""Labels of enums that were renamed in place, and what mentions them: stored expressions follow by themselves.

PostgreSQL stores the label of a constant as the row that it has in ``pg_enum``, so every default, check, index and view
shows the new label at once. The text of a function is only text, unless its body is ``BEGIN ATOMIC``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from db_migrate.catalog.objects import ROUTINE_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.catalog.tokens import literal, replace_literals

Labels = Mapping[str, Mapping[str, str]]
"""For each enum the new labels by the old ones."""


def renamed_labels(old: Value, new: Value) -> Mapping[str, str]:
    """Labels that stand in the same place under another name; empty unless that is all that differs."""
    if not isinstance(old, tuple) or not isinstance(new, tuple) or len(old) != len(new):
        return {}
    pairs = {a: b for a, b in zip(old, new, strict=True) if a != b}
    return pairs if not (pairs.keys() & set(new)) and not (set(pairs.values()) & set(old)) else {}


def label_renames(before: Catalog, after: Catalog) -> Labels:
    """The labels that were renamed of all enums that both sides have."""
    pairs = ((item, after.objects.get(item.key)) for item in before.of_kinds(Kind.ENUM))
    found = {
        item.name: renamed_labels(item.attributes["labels"], twin.attributes["labels"])
        for item, twin in pairs
        if twin is not None
    }
    return {name: labels for name, labels in found.items() if labels}


def followed(catalog: Catalog, labels: Labels) -> Catalog:
    """The catalog with every mention of the labels as it is once they are renamed; the enums are as they were."""
    return catalog.where(_following(item, labels) for item in catalog) if labels else catalog


def with_labels(catalog: Catalog, labels: Labels) -> Catalog:
    """The catalog once the labels are renamed, the enums too."""
    renamed = followed(catalog, labels)
    return renamed.where(
        _relabelled(item, labels[item.name]) if item.kind is Kind.ENUM and item.name in labels else item
        for item in renamed
    )


def _relabelled(enum: SchemaObject, renamed: Mapping[str, str]) -> SchemaObject:
    labels = enum.attributes["labels"]
    assert isinstance(labels, tuple)
    return replace(enum, attributes={**enum.attributes, "labels": tuple(renamed.get(each, each) for each in labels)})


def _following(item: SchemaObject, labels: Labels) -> SchemaObject:
    if item.kind is Kind.ENUM or (item.kind in ROUTINE_KINDS and "BEGIN ATOMIC" not in item.definition):
        return item
    attributes = {
        name: value if name == "comment" else _value(value, labels) for name, value in item.attributes.items()
    }
    return replace(item, attributes=attributes, definition=_text(item.definition, labels))


def _value(value: Value, labels: Labels) -> Value:
    if isinstance(value, tuple):
        return tuple(_text(item, labels) for item in value)
    return _text(value, labels) if isinstance(value, str) else value


def _text(text: str, labels: Labels) -> str:
    if "::" not in text:
        return text

    def rewrite(found: str, rest: str) -> str:
        for name, renamed in labels.items():
            if re.match(rf"{re.escape(name)}(?![\w.])", rest):
                if rest.startswith(f"{name}[]"):
                    return _in_array(found, renamed)
                return next((literal(new) for old, new in renamed.items() if found == literal(old)), found)
        return found

    return replace_literals(text, rewrite)


_ELEMENT = re.compile(r"[^{},']+")
"""A label within an array literal such as ``'{a,b}'``; one that needs double quotes keeps them and is not looked up."""


def _in_array(text: str, renamed: Mapping[str, str]) -> str:
    return _ELEMENT.sub(lambda element: renamed.get(element[0], element[0]), text)
