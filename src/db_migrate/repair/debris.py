"""Diagnoses of what was left behind: by statements that did not finish, by runs that died, by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType

from db_migrate.catalog.objects import Catalog
from db_migrate.execute.verify import BUILDING, behind, flaws
from db_migrate.repair.position import locate
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.view import View
from db_migrate.results import Cure, Problem
from db_migrate.rules.finding import Severity

_EFFECTS = MappingProxyType(
    {
        "constraint.not-validated": "reads the table once, while others read and write, and holds each row against it",
        "trigger.disabled": "the trigger fires again from then on; what happened meanwhile it has not seen",
        "foreign-key.disabled": "the foreign key is enforced again; rows written meanwhile are not checked",
        "sequence.behind": "the next value is one that is free",
    }
)


_ABOUT = MappingProxyType(
    {
        "constraint.not-validated": "A constraint is NOT VALID: rows from before it may violate it.",
        "trigger.disabled": "A trigger is disabled.",
        "foreign-key.disabled": "A foreign key is not enforced, since its triggers are disabled.",
        "sequence.behind": "A sequence will give a value next that its column has already.",
    }
)


def wanted(view: View) -> Catalog | None:
    """The history where the target is, which may want something to be invalid; None where nobody can say."""
    nearest = view.once(locate).nearest
    return nearest.catalog if nearest else None


def all_flaws(view: View) -> tuple[Problem, ...]:
    """What PostgreSQL lets stand though it does not do its work."""
    with view.session() as connection:
        return (*flaws(connection, view.once(wanted)), *behind(connection))


def half_made(view: View) -> frozenset[str]:
    """The objects that a half-done revision makes or changes: they end with it."""
    partial = view.once(locate).partial
    if partial is None:
        return frozenset()
    before, after = partial.way.before.objects, partial.way.after.objects
    return frozenset(key[1] for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _flaw(code: str) -> Callable[[View], Iterator[Case]]:
    def find(view: View) -> Iterator[Case]:
        for each in view.once(all_flaws):
            if each.code == code and each.object not in view.once(half_made):
                cure = Cure("db-migrate repair", f"{each.command} {_EFFECTS[code]}")
                yield Case(each.object, each.message, cure, {"statement": each.command})

    find.__doc__ = _ABOUT[code]
    return find


for _code in _EFFECTS:
    diagnosis(_code, Severity.WARNING, Need.HISTORY)(_flaw(_code))


@diagnosis("index.invalid", Severity.ERROR, Need.HISTORY)
def invalid_index(view: View) -> Iterator[Case]:
    """A CREATE INDEX or REINDEX CONCURRENTLY did not finish, and it is not that of a half-done revision."""
    for each in view.once(all_flaws):
        if each.code == "index.invalid" and each.object not in view.once(half_made):
            statement = statement_for(view, each.object)
            effect = "is built anew, readers and writers go on" if statement.startswith("REINDEX") else "is gone"
            cure = Cure("db-migrate repair", f"{statement} the index {effect}")
            yield Case(each.object, each.message, cure, {"statement": statement})


@diagnosis(BUILDING, Severity.NOTE, Need.HISTORY)
def index_being_built(view: View) -> Iterator[Case]:
    """Somebody builds an index concurrently at this moment: it is not valid before that ends, and all is well."""
    for each in view.once(all_flaws):
        if each.code == BUILDING:
            yield Case(each.object, each.message, Cure("", "wait for whoever builds it; nothing has to be done"))


def statement_for(view: View, index: str) -> str:
    """What ends an invalid index: it is built anew where a revision has it, else dropped."""
    history = view.once(wanted)
    belongs = history is not None and any(each.name == index for each in history)
    return f"REINDEX INDEX CONCURRENTLY {index};" if belongs else f"DROP INDEX CONCURRENTLY IF EXISTS {index};"
