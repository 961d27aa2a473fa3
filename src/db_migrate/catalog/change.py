"""One difference between two catalogs, as every report and every program sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from db_migrate.catalog.objects import Kind, Value


class Action(StrEnum):
    """What happened to the object between *from* and *to*."""

    CREATED = "created"
    ALTERED = "altered"
    DROPPED = "dropped"
    RENAMED = "renamed"


class ChangeClass(StrEnum):
    """What kind of difference a change is; only ``DRIFT`` counts unless ``--strict``."""

    DRIFT = "drift"
    NAME_ONLY = "name_only"
    ORDER_ONLY = "order_only"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One attribute of an altered object, with both values as PostgreSQL prints them."""

    name: str
    from_: Value
    to: Value


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``sql`` would make *from* into *to*; ``reverse_sql`` the other way; empty where unknown."""

    kind: Kind
    object: str
    action: Action
    from_object: str | None = None
    attributes: tuple[AttributeChange, ...] = ()
    class_: ChangeClass = ChangeClass.DRIFT
    sql: str = ""
    reverse_sql: str = ""
    explanation: str = ""
    parent: str | None = None

    def between(self, from_: str, to: str) -> Change:
        """The same with its explanation in the names of the sides, which it calls *from* and *to* until then."""
        return replace(self, explanation=self.explanation.replace("*from*", from_).replace("*to*", to))
