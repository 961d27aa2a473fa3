"""A downgrade derived from the catalogs, where a revision's own is missing, fails or leads elsewhere; proved, offered.

The same engine writes it that derives the downgrades of ``generate --sql``: it leads from the history at the revision
to the history before it. What else the target has is left alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from db_migrate.catalog.change import Change, ChangeClass
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.errors import DbMigrateError, Refused
from db_migrate.execute.consent import NO_WAY_BACK
from db_migrate.generate.body import Direction, body
from db_migrate.generate.dispose import decision
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.propose import types_of
from db_migrate.generate.renaming import Renames
from db_migrate.generate.safe import Choices
from db_migrate.plan.document import plan_hash
from db_migrate.plan.make import Proved
from db_migrate.plan.ways_back import History, Unusable, plain
from db_migrate.results.typed import DERIVE
from db_migrate.rules.finding import Finding
from db_migrate.rules.python_text import indent

RULE = NO_WAY_BACK

_FILLS = (
    (("text", "character", "bpchar", "citext"), "''"),
    (("smallint", "integer", "bigint", "numeric", "real", "double precision"), "0"),
    (("boolean",), "false"),
    (("timestamp", "date", "time"), "now()"),
    (("json",), "'{}'"),
)
"""What rows that were written since get in a column that may not be NULL, by the beginning of the type's name."""

Prove = Callable[[Mapping[str, str]], Proved]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: ``to`` is the destination in the user's words; ``derive``: by derived downgrades if need be.

    ``hidden`` are relations of no side.
    """

    to: str
    derive: bool
    hidden: Collection[str]


def find_way_back(prove: Prove, history: History, wish: Wish) -> Proved:
    """The proved way back. Where a downgrade is not usable, a derived one is proved in its place.

    Without ``derive`` the plan stays that of the project's own downgrades, whose finding then offers the derived one.
    Raises ``Refused`` (``rollback.not-derivable``) when ``derive`` is wanted, and none leads back.
    """
    own = prove({})
    if own.ways_back.unusable is None:
        return own
    if not wish.derive and not _asks(own):
        return own
    derived: dict[str, str] = {}
    proved = own
    while (found := proved.ways_back.unusable) is not None:
        name = found.revision.revision
        text, why = "", found.problem
        if name not in derived:
            try:
                text = _derived(proved, found, history, wish.hidden)
            except DbMigrateError as error:
                why = error.message
        if not text:
            if wish.derive:
                raise _not_derivable(found, why, wish.to)
            return own
        derived[name] = text
        proved = prove(derived)
    return proved if wish.derive else _offering(own, derived, wish.to)


def _asks(proved: Proved) -> bool:
    """Whether somebody has to say something before the plan is executed: no intent allows the downgrade."""
    failed = any(each.error is not None for each in proved.plan.revisions)
    return failed or any(each.rule == RULE and each.stops for each in proved.plan.findings)


def _not_derivable(found: Unusable, why: str, to: str) -> Refused:
    name = found.revision.revision
    return Refused(
        "rollback.not-derivable",
        f"no way back from revision {name} could be derived and proved",
        why=why,
        where=found.revision.file,
        state="nothing was changed",
        next=[
            "db-migrate doctor",
            "db-migrate drift --from history --to live",
            f"db-migrate plan {shlex.quote(to)} --down",
        ],
    )


def _derived(proved: Proved, found: Unusable, history: History, hidden: Collection[str]) -> str:
    """Python that defines ``downgrade``; one that does nothing where only rows were changed, of which some are kept."""
    parents = plain(history(tuple(sorted(found.step.to_heads))), hidden)
    revision = plain(history(tuple(sorted(found.step.from_heads))), hidden)
    changes = [c for c in diff(parents, revision) if c.class_ is not ChangeClass.ORDER_ONLY]
    due = {each.label.object for each in proved.due if each.label.revision == found.revision.revision}
    decided = decision(parents, revision, Renames(), changes, ())
    here, there = types_of(None, parents, revision)
    # What is due back comes in the last transaction: until then nobody is to see what stands in for it.
    choices = Choices(safe=False, apart=not due, fills=_fills(parents, changes, due))
    made = body(decided.backward(choices), Direction(decided.back, (there, here)))
    return _module(made.text or "pass", made.imports)


def _module(text: str, imports: Collection[str]) -> str:
    lines = ("from alembic import op", "import sqlalchemy as sa", *sorted(imports))
    head = "\n".join(dict.fromkeys(lines))
    return f"{head}\n\n\ndef downgrade() -> None:\n{indent(text)}\n"


def _fills(parents: Catalog, changes: Collection[Change], due: Collection[str]) -> Mapping[str, Fill]:
    """For columns that come back with what is kept of them: what stands in them until that is put back."""
    found = {}
    for each in changes:
        column = parents.get(Kind.COLUMN, each.object) if each.kind == Kind.COLUMN and each.object in due else None
        if column is None or column.attributes.get("nullable", True) or column.attributes.get("default") is not None:
            continue
        kind = str(column.attributes.get("type", ""))
        expression = next((value for begins, value in _FILLS if kind.startswith(begins)), None)
        if expression is not None and not kind.endswith("]"):
            found[each.object] = Fill(How.DEFAULT, expression)
    return MappingProxyType(found)


def _offering(own: Proved, derived: Mapping[str, str], to: str) -> Proved:
    """The plan, whose findings about unusable downgrades show what was derived and proved, and how to use it."""
    findings = tuple(_with_offer(each, derived, to) for each in own.plan.findings)
    plan = replace(own.plan, findings=findings)
    return replace(own, plan=replace(plan, hash=plan_hash(plan)))


def _with_offer(finding: Finding, derived: Mapping[str, str], to: str) -> Finding:
    if finding.rule != RULE:
        return finding
    command = f"db-migrate rollback {shlex.quote(to)} {DERIVE}"
    texts = "\n\n".join(f"# in place of the downgrade of {name}\n{text}" for name, text in derived.items())
    return replace(finding, fix=f"# derived from the catalogs, and proved; `{command}` goes back by it\n{texts}")
