"""Labels of enums that were renamed in place, and what mentions them: stored expressions follow by themselves.

PostgreSQL stores the label of a constant as the row that it has in ``pg_enum``, so every default, check, index and view
shows the new label at once. The text of a function is only text, unless its body is ``BEGIN ATOMIC``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from db_migrate.catalog.objects import ROUTINE_KINDS, Catalog, Key, Kind, SchemaObject, Value
from db_migrate.catalog.tokens import literal, replace_literals

Labels = Mapping[str, Mapping[str, str]]
"""For each enum the new labels by the old ones."""


def renamed_labels(old: Value, new: Value) -> Mapping[str, str]:
    """Labels that stand in the same place under another name; empty unless that is all that differs."""
    if not isinstance(old, tuple) or not isinstance(new, tuple) or len(old) != len(new):
        return {}
    pairs = {a: b for a, b in zip(old, new, strict=True) if a != b}
    return pairs if not (pairs.keys() & set(new)) and not (set(pairs.values()) & set(old)) else {}


def label_renames(before: Catalog, after: Catalog, not_renamed: frozenset[Key] = frozenset()) -> Labels:
    """The labels that were renamed of all enums that both sides have, except of those that are ``not_renamed``."""
    enums = (item for item in before.of_kinds(Kind.ENUM) if item.key not in not_renamed)
    pairs = ((item, after.objects.get(item.key)) for item in enums)
    found = {
        item.name: renamed_labels(item.attributes["labels"], twin.attributes["labels"])
        for item, twin in pairs
        if twin is not None
    }
    return {name: labels for name, labels in found.items() if labels}


def likely_label_renames(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Labels that may have been renamed: one gone and one come between the same neighbours.

    Where more have come than gone there, or fewer, each is taken with the one that is written most like it.
    """
    stayed = [label for label in old if label in new]
    if stayed != [label for label in new if label in old]:
        return
    for gone, come in zip(_between(old, stayed), _between(new, stayed), strict=True):
        yield from zip(gone, come, strict=True) if len(gone) == len(come) else _most_alike(gone, come)


def _between(labels: Sequence[str], stayed: Sequence[str]) -> list[list[str]]:
    runs: list[list[str]] = [[]]
    for label in labels:
        if label in stayed:
            runs.append([])
        else:
            runs[-1].append(label)
    return runs


def _most_alike(gone: Sequence[str], come: Sequence[str]) -> Iterator[tuple[str, str]]:
    ratios = (
        (SequenceMatcher(None, a, b).ratio(), -n, -m, a, b) for n, a in enumerate(gone) for m, b in enumerate(come)
    )
    taken: set[str] = set()
    for *_, a, b in sorted(ratios, reverse=True):
        if taken.isdisjoint((a, b)):
            taken |= {a, b}
            yield a, b


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
