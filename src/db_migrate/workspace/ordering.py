"""The plans of several databases or schemas, each with the workspace that executes it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from db_migrate.errors import Refused
from db_migrate.results import Plan, TargetSummary

if TYPE_CHECKING:
    from db_migrate.plan.make import Proved
    from db_migrate.workspace.sides import Sides

W = TypeVar("W", bound="Sides")

Name = tuple[str, str, str]


@dataclass(frozen=True)
class Ordered(Generic[W]):
    """What is to be executed, and where; ``proved`` where it was proved by this command."""

    part: W
    plan: Plan
    proved: Proved | None

    @property
    def place(self) -> tuple[str, int, str]:
        """The database."""
        conninfo = self.part.target.conninfo
        return conninfo.host, conninfo.port, conninfo.dbname

    def confirmed(self, names: Sequence[str]) -> str | None:
        """The database's name, if it is among those that were given."""
        return self.place[2] if self.place[2] in names else None

    def check(self, verb: str, names: Sequence[str]) -> None:
        """Raise ``Refused`` where somebody has to say something first."""
        from db_migrate.execute.consent import check_consent

        check_consent(
            self.plan,
            confirm=self.confirmed(names),
            production=self.part.settings.chosen.production,
            database=self.place[2],
            verb=verb,
        )


def check_names(ordered: Sequence[Ordered[W]], again: str, names: Sequence[str]) -> None:
    """Raise ``Refused`` (``consent.wrong-name``) for a name that is none of the databases'.

    ``again`` is the command to which the right ones are added.
    """
    databases = list(dict.fromkeys(each.place[2] for each in ordered))
    wrong = next((each for each in names if each not in databases), None)
    if wrong is not None:
        raise Refused(
            "consent.wrong-name",
            f"--confirm names {wrong!r}, env.py migrates {', '.join(databases)}",
            state="nothing was changed",
            next=[" ".join((again, *(f"--confirm {shlex.quote(each)}" for each in databases)))],
        )


def name_of(target: TargetSummary | None) -> Name:
    """What a plan's target is known by."""
    return ("", "", "") if target is None else (target.database, target.schema, target.server_id)


def other_targets(planned: Collection[Name], found: Collection[Name]) -> Refused:
    """The plan is about other databases or schemas than env.py migrates."""
    return Refused(
        "plan.other-target",
        f"the plan is about {_listed(planned)}, and env.py migrates {_listed(found)}",
        state="nothing was changed",
        next=["db-migrate plan"],
    )


def _listed(names: Collection[Name]) -> str:
    return (
        ", ".join(f"{schema} in {database}" if schema else database for database, schema, _ in sorted(names)) or "one"
    )
