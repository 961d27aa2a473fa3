"""Rows of the version table that are another project's, or may be: they are never taken away."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from db_migrate.catalog.objects import ROUTINE_KINDS, TABLE_KINDS, TYPE_KINDS, Kind, Value
from db_migrate.catalog.tokens import literal, quoted
from db_migrate.errors import Refused
from db_migrate.repair.finding import Found, find_file
from db_migrate.repair.lineage import beside, folder_of, has_revisions, is_joined
from db_migrate.repair.position import all_states, is_foreign
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.search import applied_scripts
from db_migrate.repair.view import View
from db_migrate.repair.words import psql
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity

_APART = TABLE_KINDS | TYPE_KINDS | ROUTINE_KINDS | {Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.SEQUENCE}
_CALLED = re.compile(r"context\.configure\(\s*(?:\w+\s*=|\*\*|\)|$)", re.MULTILINE)
"""Where a further keyword can be put first: nothing is given by place."""


def lost_files(view: View) -> Mapping[str, Found | None]:
    """The files of the revisions that the database names and that have none, as far as somebody has them."""
    scripts = view.once(applied_scripts)
    missing = (each for each in view.current if each not in view.graph.revisions)
    return {each: find_file(view.project, each, scripts) for each in missing}


def of_others(view: View) -> tuple[str, ...]:
    """The rows that are another project's: its files have them, or nobody has them, and they stand beside ours."""
    files = view.once(lost_files)
    theirs = [name for name, found in files.items() if found is not None and not _is_ours(view, found)]
    nobodys = [name for name, found in files.items() if found is None]
    if len(theirs) + len(nobodys) < len(view.current):
        theirs += nobodys
    return tuple(sorted(theirs))


def _is_ours(view: View, found: Found) -> bool:
    """Whether a file belongs to this history: it comes after it, or lies where that lies, or in nobody's folder."""
    scripts = {each.revision: each for each in view.once(applied_scripts)}
    project = view.project
    if not view.graph.revisions or is_joined(view.graph, found, beside(project.script_location, found), scripts):
        return True
    folder = folder_of(project, found)
    if folder is None:
        return False
    if any(folder.is_relative_to(each.resolve()) for each in (*project.version_locations, project.script_location)):
        return True
    return not has_revisions(folder)


def may_be_others(view: View) -> tuple[str, ...]:
    """The rows whose file nobody has, with nothing of ours beside them, while here is more than we ever made."""
    files = view.once(lost_files)
    if any(found is not None for found in files.values()) or len(files) < len(view.current):
        return ()
    more = bool(view.settings.exclude_schemas) or view.once(is_more_here)
    return tuple(files) if more else ()


def is_more_here(view: View) -> bool:
    """Whether the database has objects that no revision of this history has ever made."""
    made = {each.key for state in view.once(all_states).states for each in state.catalog}
    return any(each.kind in _APART and not each.parent and each.key not in made for each in view.live)


def check_rows_stay(view: View, confirm: str | None = None) -> None:
    """Raise ``Refused`` where a row that is, or may be, another project's would be taken away.

    ``version.shared``: it is; ``consent.missing``: it may be, and ``confirm`` is not the database's name.
    """
    theirs = view.once(of_others)
    if theirs:
        case = next(iter(_shared(view, theirs)))
        raise Refused(
            "version.shared",
            f"this would take the row of another project away: {', '.join(theirs)}",
            why=f"{case.message}. {case.cure.effect}",
            where=_table(view),
            state="nothing was changed",
            next=[case.cure.command, "db-migrate doctor"],
        )
    unsure = view.once(may_be_others)
    if unsure and confirm != view.database:
        raise Refused(
            "consent.missing",
            f"this needs the name of the database: --confirm {view.database}",
            why=f"{', '.join(unsure)} goes from {_table(view)}, and nobody knows whether it is the row of another "
            "project, whose tables are here too. If it is, give this project a version_table of its own in env.py",
            where=_table(view),
            state="nothing was changed",
            next=[f"db-migrate repair --bridge --confirm {shlex.quote(view.database)}", "db-migrate doctor"],
        )


@diagnosis("version.shared", Severity.ERROR, Need.HISTORY)
def shared(view: View) -> Iterator[Case]:
    """The version table has the row of another project, which migrates this database too, or may have."""
    if not view.known and not view.once(is_foreign):
        theirs = view.once(of_others)
        yield from _shared(view, theirs) if theirs else ()


def _shared(view: View, theirs: Sequence[str]) -> Iterator[Case]:
    ours = tuple(each for each in view.current if each not in theirs)
    files = view.once(lost_files)
    places = tuple(found.place for each in theirs if (found := files[each]) is not None)
    named = ", ".join(theirs)
    message = f"{_table(view)} says {named}, which is no revision of this project"
    message += (
        f": it is one of {places[0]}" if places else f", beside {', '.join(ours)}: nobody has a file of that name"
    )
    name = _free_name(view)
    moved = " ".join(_moving(view, name, ours))
    commands = [*_told_env_py(view, name), *([psql(view.target.conninfo, moved)] if moved else [])]
    taken = psql(view.target.conninfo, f"DELETE FROM {_table(view)} WHERE version_num IN ({_literals(theirs)})")
    effect = (
        f'gives this project a version table of its own, version_table="{name}" in each context.configure() of env.py,'
        f" and moves its row there; {named} stays where the other project looks for it. What that one has made is then "
        "drift, which `db-migrate drift --accept --reason TEXT` acknowledges"
    )
    if not places:
        effect += f". If {named} was a revision of this project after all, `{taken}` takes it away instead"
    evidence: dict[str, Value] = {"rows": tuple(view.current), "theirs": tuple(theirs), "found_in": places}
    evidence["env_py"] = f'version_table="{name}"'
    evidence["statement"] = moved
    yield Case(_table(view), message, Cure(" && ".join(commands) or _shows_calls(view), effect), evidence)


def _table(view: View) -> str:
    (table, _), *_others = view.live_state.heads
    return f"{quoted(table.home)}.{quoted(table.name)}"


def _free_name(view: View) -> str:
    """A name for a version table of this project alone, after its folder."""
    (table, _), *_others = view.live_state.heads
    folder = re.sub(r"\W+", "_", view.settings.root.resolve().name.lower()).strip("_") or "own"
    wanted = f"{table.name}_{folder}"[:50]
    taken = {each.name for each in view.live} | {each.object for each in view.other_tables}
    number, name = 1, wanted
    while f"{table.home}.{name}" in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _moving(view: View, name: str, ours: Sequence[str]) -> Iterator[str]:
    """The statements that move our rows into a version table of another name."""
    if not ours:
        return
    (table, _), *_others = view.live_state.heads
    old, new = (f"{quoted(table.home)}.{quoted(each)}" for each in (table.name, name))
    which = f"WHERE version_num IN ({_literals(ours)});"
    yield f"CREATE TABLE {new} (LIKE {old} INCLUDING ALL);"
    yield f"INSERT INTO {new} SELECT * FROM {old} {which}"
    yield f"DELETE FROM {old} {which}"


def _literals(names: Sequence[str]) -> str:
    return ", ".join(literal(each) for each in names)


def _shows_calls(view: View) -> str:
    return f"grep -n context.configure {shlex.quote(str(view.project.script_location / 'env.py'))}"


def _told_env_py(view: View, name: str) -> Iterator[str]:
    """The command that lets env.py say so; none where it says another table already, or gives arguments by place."""
    file = view.project.script_location / "env.py"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    calls = text.count("context.configure(")
    if calls and len(_CALLED.findall(text)) == calls and "version_table=" not in text.replace(" ", ""):
        edit = f's/context\\.configure\\(/&version_table="{name}", /'
        yield f"sed -i -E {shlex.quote(edit)} {shlex.quote(str(file))}"
