"""From a trace and facts to findings: every enabled rule, the intents that allow what they found, in one order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module

from db_migrate.errors import ConfigurationError
from db_migrate.rules.advice import INTENT
from db_migrate.rules.context import Context, Hit, Place, RuleSettings
from db_migrate.rules.facts import Facts
from db_migrate.rules.finding import Finding, Severity
from db_migrate.rules.intents import Intent, apply_intents
from db_migrate.rules.names import py
from db_migrate.rules.registry import Rule, registered
from db_migrate.rules.rot import find_rot
from db_migrate.trace.effects import Trace

FAMILIES = (
    "columns",
    "additions",
    "drops",
    "withdrawals",
    "renames",
    "column_types",
    "constraints",
    "validation",
    "checks",
    "domains",
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
    "release",
    "going_back",
    "absent",
    "suppressions",
    "data",
    "risks",
    "dependence",
    "variation",
)


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by section and name."""
    for family in FAMILIES:
        import_module(f"db_migrate.rules.{family}")
    return registered()


def find_rule(id: str) -> Rule | None:
    """The rule of that name, or None."""
    return next((each for each in all_rules() if each.id == id), None)


def check_names(names: Iterable[str]) -> None:
    """Raise ConfigurationError (``rules.unknown``) for settings about rules that do not exist, with the nearest."""
    known = {each.id for each in all_rules()}
    unknown = [name for name in names if name not in known]
    if unknown:
        near = {name: get_close_matches(name, known, n=1) for name in unknown}
        raise ConfigurationError(
            "rules.unknown",
            f"the settings name rules that do not exist: {', '.join(unknown)}",
            why="; ".join(f"did you mean rules.{found[0]}?" for found in near.values() if found),
            state="nothing was read or changed",
            next=["db-migrate explain", "db-migrate config --sources"],
        )


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
    judged, used = apply_intents(tuple(_advised_alike(found.values())), intents, chosen.search_path)
    return tuple(sorted((*judged, *_about_intents(context, intents, used)), key=_order(trace)))


def _advised_alike(
    found: Collection[tuple[Finding, tuple[str, ...]]],
) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    """A general rule that can only be allowed advises what a special case of it knows about the same statement."""
    general = {each.id: each.general for each in all_rules()}
    better = {
        (finding.revision, finding.statement, general[finding.rule]): finding.fix
        for finding, _also in found
        if not finding.fix.startswith(INTENT)
    }
    for finding, also in found:
        fix = better.get((finding.revision, finding.statement, finding.rule), finding.fix)
        yield (replace(finding, fix=fix) if finding.fix.startswith(INTENT) else finding), also


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


def _order(trace: Trace) -> Callable[[Finding], tuple[int, int, int, str, str]]:
    """Findings in the order in which the statements run, the worst first within a statement."""
    revisions = {each.revision: index for index, each in enumerate(trace.revisions)}

    def key(finding: Finding) -> tuple[int, int, int, str, str]:
        revision = revisions.get(finding.revision, len(revisions))
        statement = sys.maxsize if finding.statement is None else finding.statement
        return (revision, statement, list(Severity).index(finding.severity), finding.rule, finding.object)

    return key


def _about_intents(context: Context, intents: Iterable[Intent], used: Set[Intent]) -> Iterator[Finding]:
    """Findings about the intents themselves, with the severities that the settings give to their rules."""
    rules = {each.id: each for each in all_rules()}
    for rot in find_rot(context, rules, intents, used):
        rule = rules[rot.rule]
        said = _severity_of(rule, context.settings)
        if said is None:
            continue
        yield Finding(
            rule=rule.id,
            severity=rule.severity if said == "on" else Severity(said),
            revision=rot.intent.revision,
            statement=None,
            object=rot.intent.name,
            message=rot.message,
            why=rule.why,
            fix=_without(context, rot.intent, rules),
            file=rot.file,
            line=rot.line,
        )


def _without(context: Context, intent: Intent, rules: Iterable[str]) -> str:
    """The intents of the revision without that one, or with the rule that it means."""
    if intent.by != "revision":
        return f"# remove {intent.name!r} from the {intent.by}"
    revision = next(each for each in context.trace.revisions if each.revision == intent.revision)
    meant = get_close_matches(intent.rule, rules, n=1) if intent.rule not in rules else []
    corrected = {f"{meant[0]}:{intent.object}": intent.reason} if meant else {}
    left = {name: reason for name, reason in revision.allow.items() if name != intent.name} | corrected
    if not left:
        return "# remove db_migrate_allow"
    lines = [f"    {py(name)}: {py(reason)}," for name, reason in left.items()]
    return "\n".join(("db_migrate_allow = {", *lines, "}"))
