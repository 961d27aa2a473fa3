"""A half-done revision that the files do not show: one below it was edited since, or its own file is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db_migrate.errors import ConnectionLost, DbMigrateError
from db_migrate.repair.finding import Found, find_file, parents_of
from db_migrate.repair.older import Older, as_if, gone_after
from db_migrate.repair.search import applied_scripts, find_partial, loose_steps
from db_migrate.repair.view import View

_MOST_TRIED = 4


def begun_with(view: View, texts: Sequence[Older] = (), more: Mapping[str, bytes] | None = None) -> str:
    """The revision that is half-done, were these texts and files those of the project; empty where none is."""
    try:
        with as_if(view, texts, more or {}) as former:
            partial = find_partial(former)
    except ConnectionLost:
        raise
    except DbMigrateError:
        return ""  # it does not run so
    return partial.way.revision if partial else ""


def lost_and_begun(view: View) -> Found | None:
    """The file of the revision that comes next, is half-done and has no file: the journal names it, or git had it."""
    recorded = [each.revision for each in view.once(loose_steps) if each.revision not in view.graph.revisions]
    for revision in list(dict.fromkeys([*recorded, *gone_after(view)]))[:_MOST_TRIED]:
        found = find_file(view.project, revision, view.once(applied_scripts))
        if found is None or not set(parents_of(found)) <= set(view.graph.revisions):
            continue
        if begun_with(view, more={f"{revision}_lost.py": found.content}) == revision:
            return found
    return None
