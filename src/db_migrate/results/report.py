"""All that a report shows."""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.results.base import Result
from db_migrate.results.plan import Plan
from db_migrate.results.project import Drift, History, Schema, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData(Result):
    """All that a report shows. ``made_at`` is ISO 8601 in UTC; ``file`` is where the page was written, if it was.

    A part is None where it could not be made; ``problems`` says why.
    """

    made_at: str
    status: Status
    history: History
    drift: Drift | None
    plan: Plan | None
    schema: Schema | None
    problems: tuple[str, ...] = ()
    file: str = ""
