"""Whether a revision has been applied anywhere that we can look."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.config import Settings
from db_migrate.errors import DbMigrateError, Refused
from db_migrate.postgres.session import read_only
from db_migrate.project.graph import Graph
from db_migrate.schemas.finding import find_target
from db_migrate.schemas.scratch import Scratch
from db_migrate.schemas.target import look_at


def refuse_applied(settings: Settings, graph: Graph, scratch: Scratch, revision: str, warnings: list[str]) -> None:
    """Raise Refused (``fix.applied``) where one of the targets has the revision; warn of those not to be reached."""
    for name in dict.fromkeys((settings.target, *settings.targets)):
        try:
            with (
                find_target(replace(settings, target=name), scratch) as target,
                read_only(target.conninfo, again=True) as connection,
            ):
                current = look_at(connection, target).current
        except DbMigrateError as error:
            warnings.append(f"whether target {name} has the revision is not known: {error.message}")
            continue
        if revision in graph.ancestors(*(each for each in current if each in graph.revisions)):
            raise Refused(
                "fix.applied",
                f"revision {revision} has been applied to target {name}",
                why="what ran there would no longer be what the file says",
                where=str(graph.revisions[revision].file),
                state="nothing was changed",
                next=["db-migrate status"],
            )
