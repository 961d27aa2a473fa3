"""What is there before db-migrate: findings about old revisions, and tables that no revision has made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db_migrate.catalog.diff import drifted
from db_migrate.errors import DbMigrateError
from db_migrate.generate.request import Request
from db_migrate.report.sql import schema_sql
from db_migrate.report.style import Style
from db_migrate.results import Generate, NextStep
from db_migrate.rules import baseline
from db_migrate.setup.place import Place
from db_migrate.setup.proposal import Proposed, now
from db_migrate.workspace import Workspace

FINDINGS = "db-migrate-baseline.json"
MESSAGE = "baseline"


def known_findings(workspace: Workspace, place: Place, warnings: list[str]) -> Proposed | None:
    """The findings that the revisions have now, which lint then allows; None where there are none that count."""
    path = place.project / FINDINGS
    there = now(path)
    if there is not None:
        return Proposed(path, _KNOWN, there, there)
    try:
        lint = workspace.lint()
    except DbMigrateError as error:
        warnings.append(f"no baseline of findings was made, since lint failed: {error.message}")
        return None
    warnings += [
        f"{each.revision} fails on scratch, and lint will say so: {each.error}" for each in lint.revisions if each.error
    ]
    return Proposed(path, _KNOWN, None, baseline.write(lint.findings).encode()) if lint.counted else None


_KNOWN = "the findings that the revisions have today; lint allows them, and tells of new ones"


@dataclass(frozen=True, slots=True)
class First:
    """The revision that makes what the database has already, and whether the models want more than that."""

    files: tuple[Proposed, ...]
    more: bool

    def steps(self) -> Iterator[NextStep]:
        """What is done when the file is there."""
        yield NextStep("say that the database is at the baseline; refused if it is not", "db-migrate stamp heads")
        if self.more:
            yield NextStep(
                "write the revision for what the models have beyond the database",
                'db-migrate generate -m "what the models have beyond the baseline"',
            )


def first_revision(workspace: Workspace, warnings: list[str]) -> First | None:
    """The baseline of a database that has tables and no history; None where there is nothing to be one of.

    The models' own form is taken where they are what the database is, else the database's SQL.
    """
    try:
        if not drifted(workspace.drift(from_="history", to="live").comparisons[0].changes):
            return None
    except DbMigrateError as error:
        why = error.why.partition("\n")[0] or error.code
        warnings.append(
            f"the database was not looked at: {error.message} ({why}). If it has tables already, run db-migrate init "
            "again when it can be reached: it then makes the baseline"
        )
        return None
    try:
        more = _models_want_more(workspace)
        made = workspace.generate(_request(workspace, from_models=not more))
        if not more and made.exit_code:
            made = workspace.generate(_request(workspace, from_models=False))
    except DbMigrateError as error:
        warnings.append(f"no baseline revision could be made: {error.message}. {error.why}".strip())
        return None
    if made.exit_code:
        left = ", ".join(each.object for each in made.remaining[:5])
        warnings.append(f"no baseline revision could be proved; what it would not make: {left}")
        return None
    return First(tuple(_proposed(made)), more)


def _models_want_more(workspace: Workspace) -> bool:
    """Whether models and database differ; without models there is only the database."""
    try:
        return bool(drifted(workspace.drift(from_="models", to="live").comparisons[0].changes))
    except DbMigrateError as error:
        if error.code == "models.missing":
            return True
        raise


def _request(workspace: Workspace, *, from_models: bool) -> Request:
    sql = None if from_models else schema_sql(workspace.schema("live"), Style())
    return Request(message=MESSAGE, sql=sql, dry_run=True)


def _proposed(made: Generate) -> Iterator[Proposed]:
    purpose = "the baseline: a revision that makes what the database has already"
    for each in made.revisions:
        yield Proposed(Path(each.file).absolute(), purpose, None, each.source.encode())
