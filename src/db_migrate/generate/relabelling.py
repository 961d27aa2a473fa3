"""Labels of enums that may have been renamed: rows keep them under the new name, or none may have the old one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from db_migrate.catalog.labels import Labels, likely_label_renames, with_labels
from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.sql.steps import texts
from db_migrate.generate.naming import is_named
from db_migrate.generate.request import Questioner, Request


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A label of an enum under another name; ``enum`` still has the old one."""

    enum: SchemaObject
    old: str
    new: str

    @property
    def labels(self) -> Labels:
        """The same as the catalog takes it."""
        return {self.enum.name: {self.old: self.new}}


@dataclass
class Settled:
    """The schema under the new labels, the enums of which a label is another one now, and what nobody answered.

    ``used`` are the flags that were answers.
    """

    before: Catalog
    labels: list[Relabelled] = field(default_factory=list)
    refused: set[Key] = field(default_factory=set)
    open: list[tuple[str, str, str]] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)


def settle_labels(
    before: Catalog, after: Catalog, former: Mapping[str, str], request: Request, questioner: Questioner
) -> Settled:
    """Ask about every label that may have been renamed; ``former`` has the old names of enums."""
    settled = Settled(before)
    for enum in before.of_kinds(Kind.ENUM):
        twin = after.objects.get(enum.key)
        if twin is None or enum.attributes["labels"] == twin.attributes["labels"]:
            continue
        names = (enum.name, former.get(enum.name, enum.name))
        given = list(_given(names, enum, twin, request))
        for old, new, pair in given:
            settled.used.add(pair)
            _carry_out(settled, enum.key, old, new)
        _ask(settled, enum.key, twin, request, questioner)
    return settled


def _ask(settled: Settled, key: Key, twin: SchemaObject, request: Request, questioner: Questioner) -> None:
    labels = (texts(item.attributes["labels"]) for item in (settled.before.objects[key], twin))
    for old, new in likely_label_renames(*labels):
        shown = f"{twin.name}.{old}", f"{twin.name}.{new}"
        answer = False if request.no_rename else questioner.renamed("label", *shown)
        if answer is None:
            settled.open.append(("label", *shown))
        elif answer:
            _carry_out(settled, key, old, new)
        else:
            settled.refused.add(key)


def _carry_out(settled: Settled, key: Key, old: str, new: str) -> None:
    found = Relabelled(settled.before.objects[key], old, new)
    settled.labels.append(found)
    settled.before = with_labels(settled.before, found.labels)


def _given(
    names: tuple[str, str], enum: SchemaObject, twin: SchemaObject, request: Request
) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """The labels that are said to have been renamed, each with the flag that says so."""
    old, new = (texts(item.attributes["labels"]) for item in (enum, twin))
    for pair in request.renames:
        gone = next((each for each in old if each not in new and _means(pair[0], names, each)), None)
        come = next((each for each in new if each not in old and _means(pair[1], names, each)), None)
        if gone is not None and come is not None:
            yield gone, come, pair


def _means(given: str, enums: tuple[str, str], label: str) -> bool:
    """Whether a label is meant by the enum's name, a dot, and the label, in quotes or not."""
    for written in (label, "'" + label.replace("'", "''") + "'"):
        if given.endswith(f".{written}"):
            enum = given[: -len(written) - 1]
            return any(is_named(enum, name) for name in enums)
    return False
