"""From a trace and facts to findings: every enabled rule, the intents that allow what they found, in one order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module

from db_migrate.errors import ConfigurationError
from db_migrate.rules.context import Context, Hit, Place, RuleSettings
from db_migrate.rules.facts import Facts
from db_migrate.rules.finding import Finding, Severity
from db_migrate.rules.intents import Intent, apply_intents
from db_migrate.rules.names import owner_of, parts
from db_migrate.rules.quiet import ELSEWHERE
from db_migrate.rules.registry import Rule, registered
from db_migrate.trace.effects import Direction, Trace, TracedRevision

FAMILIES = (
    "columns",
    "additions",
    "drops",
    "withdrawals",
    "renames",
    "column_types",
    "constraints",
    "validation",
    "constraint_design",
    "indexes",
    "index_design",
    "transactions",
    "timeouts",
    "transaction_text",
    "enums",
    "views",
    "partitions",
    "storage",
    "security",
    "policies",
    "process",
    "suppressions",
    "data",
    "risks",
)

STALE = "intent-stale"
UNKNOWN = "unused-or-unknown-suppression"


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by section and name."""
    for family in FAMILIES:
        import_module(f"db_migrate.rules.{family}")
    return registered()


def find_rule(id: str) -> Rule | None:
    """The rule of that name, or None."""
    return next((each for each in all_rules() if each.id == id), None)


def judge(
    trace: Trace, facts: Facts, settings: RuleSettings | None = None, *, allow: Iterable[Intent] = ()
) -> tuple[Finding, ...]:
    """All findings over the trace, each with the intent that allows it, in the order of the statements.

    Intents come from the revisions' own files and from ``allow``. Raises UsageError for an intent that has no reason
    or is ambiguous, ConfigurationError (``rules.severity``) for a severity that is none.
    """
    chosen = settings or RuleSettings()
    context = Context(trace, facts, chosen)
    found: dict[tuple[str, str, int | None, str], tuple[Finding, tuple[str, ...]]] = {}
    for rule in all_rules():
        severity = _severity_of(rule, chosen)
        if severity is None:
            continue
        for hit in rule.check(context):
            finding = _finding(rule, hit, chosen)
            also = (rule.general, *hit.also) if rule.general else hit.also
            found.setdefault((finding.rule, finding.revision, finding.statement, finding.object), (finding, also))
    intents = (*_written(trace), *allow)
    judged, used = apply_intents(tuple(found.values()), intents, chosen.search_path)
    rot = _rot(context, [intent for intent in intents if intent not in used])
    return tuple(sorted((*judged, *rot), key=_order(trace)))


def _severity_of(rule: Rule, settings: RuleSettings) -> str | None:
    """What the settings say of the rule: a severity, ``on``, or None for off."""
    said = settings.severities.get(rule.id, "on" if rule.on_by_default else "off")
    if said not in ("on", "off", *Severity):
        raise ConfigurationError(
            "rules.severity",
            f"{said!r} is not a severity of the rule {rule.id}",
            why="a rule is error, warning, note, on or off",
        )
    return None if said == "off" else said


def _finding(rule: Rule, hit: Hit, settings: RuleSettings) -> Finding:
    said = settings.severities.get(rule.id, "on")
    severity = (hit.severity or rule.severity) if said == "on" else Severity(said)
    if isinstance(hit.place, Place):
        revision, statement = hit.place.revision, hit.place.statement
        index, file, line = hit.place.index, statement.file or revision.file, hit.line or statement.line
    else:
        revision, index, file, line = hit.place, None, hit.place.file, hit.line
    return Finding(
        rule=rule.id,
        severity=severity,
        revision=revision.revision,
        statement=index,
        object=hit.object,
        message=hit.message,
        why=rule.why,
        fix=hit.fix or rule.instead,
        file=file,
        line=line,
    )


def _written(trace: Trace) -> Iterator[Intent]:
    """The intents in the revisions' own files."""
    for revision in trace.revisions:
        for name, reason in revision.allow.items():
            yield Intent(name, reason, "revision", revision.revision)


def _order(trace: Trace) -> _Order:
    return _Order({each.revision: index for index, each in enumerate(trace.revisions)})


class _Order:
    """Findings in the order in which the statements run, the worst first within a statement."""

    def __init__(self, revisions: Mapping[str, int]) -> None:
        self._revisions = revisions

    def __call__(self, finding: Finding) -> tuple[int, int, int, str, str]:
        revision = self._revisions.get(finding.revision, len(self._revisions))
        statement = 1_000_000 if finding.statement is None else finding.statement
        return (revision, statement, list(Severity).index(finding.severity), finding.rule, finding.object)


def _rot(context: Context, unused: Sequence[Intent]) -> Iterator[Finding]:
    """Intents that allowed nothing: unknown ones, and stale ones."""
    revisions = {each.revision: each for each in context.trace.revisions}
    rules = {each.id: each for each in all_rules()}
    elsewhere = {each.id for each in ELSEWHERE}
    for intent in unused:
        if intent.rule in elsewhere:
            continue
        revision = revisions.get(intent.revision)
        rule = rules.get(intent.rule)
        if rule is None:
            yield from _about_intent(UNKNOWN, intent, revision, context, f"there is no rule called {intent.rule}")
        elif not _exists(context, revision, intent.object):
            yield from _about_intent(UNKNOWN, intent, revision, context, f"there is no object called {intent.object}")
        elif _is_stale(rule, intent, revision, context):
            yield from _about_intent(STALE, intent, revision, context, f"{intent.name} no longer allows anything")


def _about_intent(
    rule_id: str, intent: Intent, revision: TracedRevision | None, context: Context, message: str
) -> Iterator[Finding]:
    rule = find_rule(rule_id)
    assert rule is not None  # registered in this package
    if _severity_of(rule, context.settings) is None:
        return
    file = revision.file if revision is not None else ""
    hit_severity = context.settings.severities.get(rule_id, "on")
    yield Finding(
        rule=rule_id,
        severity=rule.severity if hit_severity == "on" else Severity(hit_severity),
        revision=intent.revision,
        statement=None,
        object=intent.name,
        message=message,
        why=rule.why,
        fix=f"remove {intent.name!r} from " + ("db_migrate_allow" if intent.by == "revision" else f"the {intent.by}"),
        file=file,
        line=_line_of_intents(context, revision),
    )


def _line_of_intents(context: Context, revision: TracedRevision | None) -> int:
    source = context.source(revision) if revision is not None else None
    return source.assignment_line("db_migrate_allow") if source is not None else 0


def _exists(context: Context, revision: TracedRevision | None, name: str) -> bool:
    """Whether any object, before or after, has the name, qualified or not; revisions are objects of some rules."""
    wanted = parts(name.strip())
    trace = context.trace
    if any(name == each.revision for each in trace.revisions):
        return True
    if revision is None:
        catalogs = [trace.before, trace.after, *(each.after for each in trace.revisions)]
    else:
        catalogs = [revision.before, revision.after]
    for catalog in catalogs:
        for item in catalog:
            found = parts(item.name)
            if found == wanted or found[1:] == wanted:
                return True
    return False


def _is_stale(rule: Rule, intent: Intent, revision: TracedRevision | None, context: Context) -> bool:
    """Whether the intent can be seen to allow nothing: not when facts are missing, nor when it is for the way back."""
    if rule.needs_facts and not context.facts.known:
        return False
    if revision is None:
        return True
    there = {parts(item.name) for item in revision.after} - {parts(item.name) for item in revision.before}
    wanted = parts(intent.object)
    created = any(found in (wanted, (*schema, *wanted)) for found in there for schema in [found[:1]])
    other_way = revision.direction is Direction.UPGRADE and created
    return not other_way and not _only_downgrade_touches(intent, revision)


def _only_downgrade_touches(intent: Intent, revision: TracedRevision) -> bool:
    """Whether the object stays but is changed by the revision, so that undoing the change may need the intent."""
    touched = {change.object for statement in revision.statements for change in statement.effects.changes}
    wanted = parts(intent.object)
    return any(
        parts(name) == wanted or parts(name)[1:] == wanted or owner_of(name) == intent.object for name in touched
    )
