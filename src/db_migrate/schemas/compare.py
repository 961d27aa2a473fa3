"""Two sides held against each other, with what was acknowledged taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.sql import with_sql
from db_migrate.config import Acknowledgement
from db_migrate.errors import UsageError
from db_migrate.schemas.models import Models
from db_migrate.schemas.outcome import Acknowledged, Comparison
from db_migrate.schemas.scope import comparable_with_models

_SIDE = re.compile(r"^(models|live|history(?:@(?P<revision>.+))?)$")


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its name as on the command line, its catalog, and the models if it is theirs."""

    name: str
    catalog: Catalog
    models: Models | None = None


def parse_side(text: str) -> tuple[str, str | None]:
    """``models``, ``live``, ``history`` or ``history@REV`` as kind and revision. Raises UsageError ``drift.side``."""
    match = _SIDE.match(text)
    if match is None:
        raise UsageError(
            "drift.side",
            f"{text!r} is not a side",
            why="a side is models, live, history or history@REVISION",
            next=["db-migrate drift --from history --to live"],
        )
    return text.partition("@")[0], match["revision"]


def compare(
    from_: Side, to: Side, hidden: frozenset[str], acknowledgements: Sequence[Acknowledgement], *, sql: bool = True
) -> Comparison:
    """The changes from one side to the other; ``hidden`` are relations of no side, such as version tables."""
    before, after = _without(from_.catalog, hidden), _without(to.catalog, hidden)
    if to.models is not None and from_.models is None:
        before, after = comparable_with_models(before, to.models)
    elif from_.models is not None and to.models is None:
        after, before = comparable_with_models(after, from_.models)
    changes = diff(before, after)
    if sql:
        changes = with_sql(changes, before, after)
    acknowledged = tuple(
        Acknowledged(change, reason)
        for change in changes
        if (reason := reason_for(change, acknowledgements)) is not None
    )
    taken = {id(each.change) for each in acknowledged}
    return Comparison(from_.name, to.name, tuple(c for c in changes if id(c) not in taken), acknowledged)


def _without(catalog: Catalog, hidden: Iterable[str]) -> Catalog:
    names = frozenset(hidden)
    return catalog.where(o for o in catalog if o.name not in names and o.parent not in names)


def reason_for(change: Change, acknowledgements: Sequence[Acknowledgement]) -> str | None:
    """Why the settings say that a change is intended; None where they do not."""
    for each in acknowledgements:
        matches = fnmatchcase(change.kind.value, each.kind) and fnmatchcase(change.object, each.object)
        if matches and _attributes_match(change, each):
            return each.reason
    return None


def _attributes_match(change: Change, acknowledgement: Acknowledgement) -> bool:
    names = [attribute.name for attribute in change.attributes]
    return acknowledgement.attribute == "*" or all(fnmatchcase(n, acknowledgement.attribute) for n in names or [""])
