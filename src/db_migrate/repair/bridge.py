"""A revision that leads from the nearest known one to the schema that is here: the way across where no file is left."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.sql import with_sql
from db_migrate.errors import Refused
from db_migrate.generate.drafting import Content, draft, random_id
from db_migrate.generate.ground import Ground
from db_migrate.generate.merge import commuting
from db_migrate.generate.request import Request
from db_migrate.generate.write import Draft, draft_folder, next_id, put_aside, put_in_place
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.project.files import read_revision
from db_migrate.project.graph import Graph, build_graph
from db_migrate.repair.graph_trouble import is_labelled
from db_migrate.repair.position import locate
from db_migrate.repair.view import View
from db_migrate.repair.words import drift_command, revisions_named, summary_of
from db_migrate.rules.python_text import sql_string
from db_migrate.schemas.history import replay, template_of
from db_migrate.schemas.scratch import read


@dataclass(frozen=True, slots=True)
class Bridge:
    """The statements from ``start`` (heads) to the live schema, and those back."""

    start: tuple[str, ...]
    forward: tuple[str, ...]
    backward: tuple[str, ...]


def write_bridge(view: View) -> tuple[Draft, ...]:
    """Write the revision into the project, proved in both directions.

    Where others come after the same, one more joins them, once it is proved that it makes no difference which ran
    first. Raises ``Refused`` (``repair.not-proved``, ``repair.clash``).
    """
    nearest = view.once(locate).nearest
    assert nearest is not None
    changes = drifted(with_sql(diff(nearest.catalog, view.live), nearest.catalog, view.live))
    bridge = Bridge(
        nearest.heads,
        tuple(each.sql for each in changes if each.sql),
        tuple(each.reverse_sql for each in reversed(changes) if each.reverse_sql),
    )
    why = _why_not(view, bridge, nearest.catalog)
    if why:
        raise Refused(
            "repair.not-proved",
            f"no bridge from {revisions_named(bridge.start)} to the schema that is here was proved",
            why=why,
            state="nothing was changed",
            next=[drift_command(bridge.start)],
        )
    return _written(view, bridge)


def _why_not(view: View, bridge: Bridge, before: Catalog) -> str:
    """What keeps the statements from leading there and back, on a copy of the history; empty where they do."""
    begun = replay(view.scratch, view.graph, bridge.start)
    with view.scratch.database("a bridge", template=template_of(view.scratch, begun)) as database:
        for statements, wanted in ((bridge.forward, view.live), (bridge.backward, before)):
            why = refused(database, statements)
            left = () if why else view.differences(wanted, view.plain(read(database)))
            if why or left:
                return why or f"it would end with another schema: {summary_of(left)}"
    return ""


def refused(database: ConnInfo, statements: Sequence[str]) -> str:
    """The server's words for the first statement that it refuses; empty when there is none."""
    from psycopg import errors

    with contextlib.closing(connect(database, told=True)) as connection:
        for each in statements:
            try:
                connection.execute(each.encode())
            except errors.Error as error:
                return f"{str(error).strip()}\n{each}"
    return ""


def _written(view: View, bridge: Bridge) -> tuple[Draft, ...]:
    """The bridge, and what joins it to the heads that it would stand beside."""
    with draft_folder() as folder, view.scratch.child.seeing(folder):
        message = f"bridge from {revisions_named(bridge.start)} to what {view.database} has"
        content = Content(_sending(bridge.forward), _sending(bridge.backward))
        files = [_drafted(view, view.graph, message, bridge.start or ("base",), content)]
        put_aside(files, folder)
        graph = build_graph([*view.reading.files, read_revision(folder / files[0].written.name)])
        beside = _beside(graph, bridge.start, files[0].revision)
        if beside:
            _check_order(view, graph, bridge, (files[0].revision, *beside))
            message = f"join {files[0].revision} and {', '.join(beside)}"
            joined = (files[0].revision, *beside)
            files.append(_drafted(view, graph, message, joined, Content(["pass"], ["pass"])))
        put_in_place(files)
    return tuple(files)


def _drafted(view: View, graph: Graph, message: str, head: tuple[str, ...], content: Content) -> Draft:
    revision = next_id(graph, view.settings, None) or random_id()
    request = Request(message=message, revision=revision, head=head, splice=True)
    return draft(Ground(view.scratch, graph, view.settings), request, content)


def _beside(graph: Graph, start: tuple[str, ...], revision: str) -> tuple[str, ...]:
    """The other heads that come after ``start``, but for branches that have a label of their own."""
    others = (each for each in graph.effective_heads if each != revision and not is_labelled(graph, each))
    return tuple(each for each in others if not start or set(start) & graph.ancestors(each))


def _check_order(view: View, graph: Graph, bridge: Bridge, heads: tuple[str, ...]) -> None:
    """Raise where it makes a difference whether the bridge is crossed before what else comes after its start."""
    proof = commuting(view.scratch, graph, heads, view.plain)
    if proof.proved:
        return
    beside = ", ".join(heads[1:])
    first = ["db-migrate apply", "db-migrate repair --bridge"] if proof.differences else []
    raise Refused(
        "repair.clash",
        f"what is here and {beside}, which comes after {revisions_named(bridge.start)} too, clash",
        why=(proof.error or "").replace(heads[0], "the bridge"),
        state="nothing was changed",
        next=[*first, drift_command(bridge.start)],
    )


def _sending(statements: Sequence[str]) -> list[str]:
    """Python that sends the statements."""
    return [f"op.execute({sql_string(each)})" for each in statements] or ["pass"]
