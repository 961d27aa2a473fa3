"""A diagnosis is data and one function: its code, how bad it is, what it looks at, and the cases it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from db_migrate.catalog.objects import Value
from db_migrate.repair.view import View
from db_migrate.results import Cure, Diagnosis
from db_migrate.rules.finding import Severity


class Need(StrEnum):
    """What has to be there for a diagnosis to apply."""

    FILES = "the revision files"
    GRAPH = "the revision graph"
    TARGET = "the target"
    HISTORY = "the history, replayed"


@dataclass(frozen=True, slots=True)
class Case:
    """One time that a diagnosis applies."""

    object: str
    message: str
    cure: Cure
    evidence: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    severity: Severity | None = None
    """Where it is not the kind's own."""


Find = Callable[[View], Iterable[Case]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of diagnosis; ``about`` is a sentence for the manual."""

    code: str
    severity: Severity
    need: Need
    find: Find
    about: str

    def look(self, view: View) -> tuple[Diagnosis, ...]:
        """The diagnoses of this kind."""
        return tuple(
            Diagnosis(self.code, each.severity or self.severity, each.object, each.message, each.evidence, each.cure)
            for each in self.find(view)
        )


KINDS: dict[str, Kind] = {}
"""Every kind of diagnosis by its code, in the order in which their modules were imported."""


def diagnosis(code: str, severity: Severity, need: Need) -> Callable[[Find], Find]:
    """Register a function as what finds the cases of ``code``."""

    def register(find: Find) -> Find:
        if code in KINDS:
            raise ValueError(f"two diagnoses are called {code}")
        about = " ".join((find.__doc__ or "").strip().split("\n\n")[0].split())
        KINDS[code] = Kind(code, severity, need, find, about)
        return find

    return register
