"""Drift that is intended: which changes the settings acknowledge, and which acknowledgements are about nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.diff import drifted
from db_migrate.config import Acknowledgement
from db_migrate.schemas.outcome import Acknowledged, Comparison


def sort_out(comparison: Comparison, acknowledgements: Sequence[Acknowledgement]) -> Comparison:
    """The comparison with the acknowledged among its changes set apart, each with the first reason given for it."""
    left, apart = [], list(comparison.acknowledged)
    for change in comparison.changes:
        reason = reason_for(change, acknowledgements)
        if reason is None:
            left.append(change)
        else:
            apart.append(Acknowledged(change, reason))
    return replace(comparison, changes=tuple(left), acknowledged=tuple(apart))


def reason_for(change: Change, acknowledgements: Iterable[Acknowledgement]) -> str | None:
    """Why the settings say that a change is intended; None where they do not."""
    return next((each.reason for each in acknowledgements if is_about(each, change)), None)


def unmatched(comparisons: Iterable[Comparison], acknowledgements: Iterable[Acknowledgement]) -> list[Acknowledgement]:
    """The acknowledgements that are about none of the changes."""
    changes = [
        change
        for each in comparisons
        for change in (*each.changes, *(acknowledged.change for acknowledged in each.acknowledged))
    ]
    return [each for each in acknowledgements if not any(is_about(each, change) for change in changes)]


def about_nothing(acknowledgements: Iterable[Acknowledgement]) -> list[str]:
    """What is said of acknowledgements that nothing matches."""
    return [
        f"an acknowledgement matches nothing: kind {each.kind}, object {each.object}, attribute {each.attribute} "
        f"({each.reason})"
        for each in acknowledgements
    ]


def acknowledging(comparisons: Iterable[Comparison], reason: str, *, strict: bool = False) -> list[Acknowledgement]:
    """What acknowledges exactly the changes that count as drift, each once however many comparisons show it."""
    found: dict[Acknowledgement, None] = {}
    for comparison in comparisons:
        for change in drifted(comparison.changes, strict=strict):
            names = [each.name for each in change.attributes]
            attribute = names[0] if change.action is Action.ALTERED and len(names) == 1 else "*"
            found[Acknowledgement(reason, change.kind.value, change.object, attribute)] = None
    return list(found)


def is_about(acknowledgement: Acknowledgement, change: Change) -> bool:
    """Whether kind, object and every attribute of the change are what the acknowledgement names."""
    names = [each.name for each in change.attributes] or [""]
    return (
        _matches(change.kind.value, acknowledgement.kind)
        and _matches(change.object, acknowledgement.object)
        and (acknowledgement.attribute == "*" or all(_matches(name, acknowledgement.attribute) for name in names))
    )


def _matches(name: str, pattern: str) -> bool:
    """A name is a pattern for itself, whatever signs it holds (``public.f(integer[])``)."""
    return name == pattern or fnmatchcase(name, pattern)
