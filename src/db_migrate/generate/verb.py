"""The verb ``generate``: which kind of revision is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from db_migrate.errors import UsageError
from db_migrate.generate.by_hand import empty, from_sql
from db_migrate.generate.ground import Ground
from db_migrate.generate.make import to_models
from db_migrate.generate.merge import merge
from db_migrate.generate.request import Nobody, Questioner, Request
from db_migrate.results import Generate


def generate(ground: Ground, request: Request, questioner: Questioner | None) -> Generate:
    """The new revision. Raises UsageError where something has to be answered first and nobody does."""
    if request.merge:
        return merge(ground, request)
    if not request.head and len(ground.graph.heads) > 1:
        raise _several(ground.graph.heads, request)
    if request.empty:
        return empty(ground, request)
    if request.sql is not None:
        return from_sql(ground, request, request.sql)
    return to_models(ground, request, questioner or Nobody())


def _several(heads: Sequence[str], request: Request) -> UsageError:
    return UsageError(
        "generate.several-heads",
        "which of the heads does the revision come after?",
        why=f"the heads are: {', '.join(heads)}",
        state="nothing was written",
        next=["db-migrate generate --merge", *(replace(request, head=(head,)).command() for head in heads)],
    )
