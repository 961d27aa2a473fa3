"""Diagnoses of the target's place in the history: its version table against its schema."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import TABLE_KINDS, Kind, Value
from db_migrate.repair.others import is_more_here
from db_migrate.repair.position import Place, Position, locate, unlike
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import OtherTable, View, heads_of
from db_migrate.repair.words import psql, revisions_named, stamp_command
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity
from db_migrate.schemas.states import State


@diagnosis("version.rows", Severity.ERROR, Need.HISTORY)
def several_rows(view: View) -> Iterator[Case]:
    """The version table has more rows than there are heads: one revision twice, or one that another stands on."""
    surplus = tuple(sorted(set(view.current) - set(view.heads)))
    rows = view.once(version_rows)
    twice = tuple(sorted({each for each in rows if rows.count(each) > 1}))
    if not (surplus or twice) or not view.known:
        return
    if unlike(view, view.history(view.heads)):
        return  # which of them is right is told by the schema
    named = revisions_named(view.heads)
    what = (
        f"{', '.join(surplus)} beside {named}, which stands on it" if surplus else f"{', '.join(twice)} more than once"
    )
    message = f"the version table has {what}; Alembic then refuses, or changes two rows where it expects one"
    effect = f"the schema is exactly that of {named}: the version table says that alone, once; nothing else changes"
    yield Case(view.database, message, Cure("db-migrate repair", effect), {"rows": rows, "schema_of": view.heads})


def version_rows(view: View) -> tuple[str, ...]:
    """The rows of the version tables as they are, one that is there twice twice."""
    from psycopg import sql

    found: list[str] = []
    with view.session() as connection:
        for table, heads in view.live_state.heads:
            if heads:
                name = sql.Identifier(table.schema or "public", table.name)
                rows = connection.execute(sql.SQL("SELECT version_num FROM {} ORDER BY 1").format(name)).fetchall()
                found += [str(each) for (each,) in rows]
    return tuple(found)


@diagnosis("version.elsewhere", Severity.WARNING, Need.HISTORY)
def other_version_tables(view: View) -> Iterator[Case]:
    """Another version table names revisions of this history, and nothing that they made is beside it."""
    for each in view.other_tables:
        if not each.ours or not (each.alone or not view.current) or _is_a_coincidence(view, each):
            continue
        rows = ", ".join(each.rows)
        evidence: dict[str, Value] = {"rows": each.rows, "used": _used(view), "recorded": view.current}
        message = f"there is another version table, {each.name}, which says {rows}; the one in use is {_used(view)}"
        cure = Cure(
            psql(view.target.conninfo, _without(view, each)),
            "whoever comes with another search_path no longer finds it; set version_table_schema in env.py, so that "
            "there is one place whatever the search_path is",
        )
        back = view.once(moved_away)
        if back is not None and back[0] == each.name:
            message = f"there is no {_used(view)}, and {each.name} says {rows}: it was renamed or moved"
            evidence["statement"] = back[1]
            cure = Cure("db-migrate repair", f"{back[1]} nothing else changes")
        elif not view.current:
            message = f"no revision is recorded in {_used(view)}, and {each.name} says {rows}"
            cure = Cure(
                stamp_command(each.rows),
                f"lets {_used(view)} say so if the schema is that",
            )
        yield Case(each.name, message, cure, evidence, None if view.current else Severity.ERROR)


def _is_a_coincidence(view: View, table: OtherTable) -> bool:
    """Whether its ids are another project's too: what it names is not here, or more than that is."""
    if table.alone:
        return False
    heads = heads_of(view.graph, table.rows)
    named = {each.name for each in view.history(heads) if each.kind in TABLE_KINDS}
    return named.isdisjoint(each.name for each in view.live) or view.once(is_more_here)


def _without(view: View, table: OtherTable) -> str:
    """What drops a version table, with its schema where that has nothing else."""
    from psycopg import sql

    schema = table.object.rpartition(".")[0]
    statement = f"DROP TABLE {table.name}"
    if schema == "public" or view.live.get(Kind.SCHEMA, schema) is not None:
        return statement
    return f"{statement}; DROP SCHEMA {sql.Identifier(schema).as_string(None)}"


def moved_away(view: View) -> tuple[str, str] | None:
    """The version table under another name, where there is none under its own, and what moves it back."""
    from psycopg import sql

    missing = [table for table, heads in view.live_state.heads if heads is None]
    ours = [each for each in view.other_tables if each.ours]
    if len(missing) != 1 or len(ours) != 1 or len(view.live_state.heads) != 1:
        return None
    (table,), (found,) = missing, ours
    schema, _, name = found.object.rpartition(".")
    wanted, steps = table.schema or "public", []
    if schema != wanted:
        steps.append(f"ALTER TABLE {found.name} SET SCHEMA {sql.Identifier(wanted).as_string(None)};")
    if name != table.name:
        moved = sql.Identifier(wanted, name).as_string(None)
        steps.append(f"ALTER TABLE {moved} RENAME TO {sql.Identifier(table.name).as_string(None)};")
    return found.name, " ".join(steps)


def _used(view: View) -> str:
    return ", ".join(table.qualified for table, _ in view.live_state.heads)


@diagnosis("version.missing", Severity.ERROR, Need.HISTORY)
def version_missing(view: View) -> Iterator[Case]:
    """The version table is empty or not there, and the schema is exactly that of a revision."""
    position = view.once(locate)
    if view.current or position.place is not Place.ELSEWHERE or view.once(moved_away):
        return
    yield _elsewhere(
        view, position, f"no revision is recorded, and the schema is that of {_shown(position.matches[-1])}"
    )


@diagnosis("version.wrong", Severity.ERROR, Need.HISTORY)
def version_wrong(view: View) -> Iterator[Case]:
    """The version table names a revision, and the schema is exactly that of another."""
    position = view.once(locate)
    if not view.current or not view.known or position.place is not Place.ELSEWHERE:
        return
    said = revisions_named(view.current)
    yield _elsewhere(
        view, position, f"the version table says {said}, and the schema is that of {_shown(position.matches[-1])}"
    )


def _elsewhere(view: View, position: Position, message: str) -> Case:
    best = position.matches[-1]
    effect = f"the version table says {_shown(best)}; nothing else changes"
    if len(position.matches) > 1:
        others = ", ".join(_shown(each) for each in position.matches[:-1])
        effect += (
            f". {others} has the same schema: what lies between changes only rows, so if that has not run, stamp that"
        )
    evidence: dict[str, Value] = {
        "recorded": view.current,
        "schema_of": best.heads,
        "also_schema_of": tuple(_shown(each) for each in position.matches[:-1]),
        "fingerprint": view.live.fingerprint,
    }
    return Case(view.database, message, Cure(stamp_command(best.heads), effect), evidence)


def _shown(state: State) -> str:
    return revisions_named(state.heads)
