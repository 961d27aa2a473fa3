"""Intents that rot: for rules and objects that do not exist, that allow nothing, or whose reason is no longer true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from db_migrate.rules.context import Context
from db_migrate.rules.intents import Intent
from db_migrate.rules.names import parts
from db_migrate.rules.registry import Rule
from db_migrate.trace.effects import TracedRevision

STALE = "intent-stale"
UNKNOWN = "unused-or-unknown-suppression"


@dataclass(frozen=True, slots=True)
class Rot:
    """What is wrong with an intent; ``rule`` is the rule that says so."""

    rule: str
    intent: Intent
    message: str
    file: str
    line: int


def find_rot(
    context: Context, rules: Mapping[str, Rule], intents: Iterable[Intent], used: Set[Intent]
) -> Iterator[Rot]:
    """The intents that should go; those of the settings are for many runs and may be idle in this one."""
    revisions = {each.revision: each for each in context.trace.revisions}
    for intent in intents:
        revision = revisions.get(intent.revision)
        found = _untrue(context, intent) if intent in used else None
        if intent not in used:
            found = _unused(context, rules, intent, revision)
        if found is None:
            continue
        source = context.source(revision) if revision is not None else None
        line = source.assignment_line("db_migrate_allow") if source is not None else 0
        yield Rot(found[0], intent, found[1], revision.file if revision is not None else "", line)


def _unused(
    context: Context, rules: Mapping[str, Rule], intent: Intent, revision: TracedRevision | None
) -> tuple[str, str] | None:
    rule = rules.get(intent.rule)
    if rule is None:
        return UNKNOWN, f"there is no rule called {intent.rule}"
    if not _exists(context, revision, intent.object):
        return UNKNOWN, f"there is no object called {intent.object}"
    unknowable = rule.needs_facts and not context.facts.known
    stopped = any(each.error is not None for each in context.trace.revisions)
    idle = intent.by == "settings" or stopped or unknowable
    if idle or (revision is not None and _may_be_for_the_way_back(intent, revision)):
        return None
    return STALE, f"{intent.name} no longer allows anything"


def _untrue(context: Context, intent: Intent) -> tuple[str, str] | None:
    """A reason that says that a table is empty, when it is not."""
    if "empty" not in intent.reason.lower().split():
        return None
    wanted = parts(intent.object)
    for name, table in context.facts.tables.items():
        own = parts(name)
        if table.rows and wanted in (own, own[1:]):
            return STALE, f"the reason of {intent.name} says empty, but {name} has rows"
    return None


def _is_named(name: str, wanted: tuple[str, ...]) -> bool:
    found = parts(name)
    return wanted in (found, found[1:])


def _exists(context: Context, revision: TracedRevision | None, name: str) -> bool:
    """Whether any object, before or after, has the name, qualified or not; revisions are objects of some rules."""
    wanted = parts(name.strip())
    if any(name == each.revision for each in context.trace.revisions):
        return True
    looked_at = context.trace.revisions if revision is None else (revision,)
    catalogs = [catalog for each in looked_at for catalog in (each.before, each.after)]
    return any(_is_named(item.name, wanted) for catalog in catalogs for item in catalog)


def _may_be_for_the_way_back(intent: Intent, revision: TracedRevision) -> bool:
    """Whether the revision makes or changes the object, so that undoing that may need the intent."""
    wanted = parts(intent.object)
    changed = {change.object for statement in revision.statements for change in statement.effects.changes}
    created = {item.name for item in revision.after} - {item.name for item in revision.before}
    return any(_is_named(name, wanted) for name in changed | created)
