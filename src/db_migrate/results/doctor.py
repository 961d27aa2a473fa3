"""What is wrong with a project or its target, and what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db_migrate.catalog.objects import Value
from db_migrate.results.base import Result
from db_migrate.rules.finding import Severity


@dataclass(frozen=True, slots=True)
class Cure:
    """What ends a diagnosis: ``command`` can be typed as it is, ``effect`` says what it will have done."""

    command: str
    effect: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Something that is not as it should be, what shows it, and what ends it.

    ``object`` is a revision, a file, an object of the schema or a session. A note needs no cure.
    """

    code: str
    severity: Severity
    object: str
    message: str
    evidence: Mapping[str, Value]
    cure: Cure


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor(Result):
    """Every diagnosis that applies, the gravest first."""

    diagnoses: tuple[Diagnosis, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to cure: notes alone are none."""
        return all(each.severity is Severity.NOTE for each in self.diagnoses)
