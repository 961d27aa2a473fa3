"""Written allowances for findings: which finding an intent names, and which intents name nothing any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from db_migrate.errors import UsageError
from db_migrate.rules.finding import Allowed, Finding
from db_migrate.rules.names import parts


@dataclass(frozen=True, slots=True)
class Intent:
    """One allowance. ``name`` is ``rule:object``; ``by`` is ``revision``, ``flag`` or ``settings``.

    ``revision`` limits it to the findings of one revision, the one in whose file it is written.
    """

    name: str
    reason: str
    by: str
    revision: str = ""

    @property
    def rule(self) -> str:
        """The rule that it allows."""
        return self.name.partition(":")[0]

    @property
    def object(self) -> str:
        """The object that it allows the rule for, as it was written."""
        return self.name.partition(":")[2]


def check(intent: Intent) -> None:
    """Raise UsageError (``intent.reason``, ``intent.name``) for an intent without a reason or without an object."""
    if not intent.rule or not intent.object:
        raise UsageError(
            "intent.name",
            f"{intent.name!r} is not an intent",
            why="an intent names a rule and an object, as in drop-column:public.users.legacy_email",
            where=intent.revision,
        )
    if not intent.reason.strip():
        raise UsageError(
            "intent.reason",
            f"the intent {intent.name} has no reason",
            why="whoever reads it later has to know why it was allowed",
            where=intent.revision,
        )


def apply_intents(
    findings: Sequence[tuple[Finding, tuple[str, ...]]], intents: Iterable[Intent], search_path: Sequence[str]
) -> tuple[list[Finding], set[Intent]]:
    """The findings with what allows them, and the intents that allowed something.

    Each finding comes with the further rules whose intent for its object allows it. Raises UsageError
    (``intent.ambiguous``) for an unqualified name that means several objects on the search path.
    """
    judged = [finding for finding, _also in findings]
    used: set[Intent] = set()
    for intent in intents:
        check(intent)
        for index in _named(intent, findings, search_path):
            used.add(intent)
            if judged[index].allowed is None:
                judged[index] = replace(judged[index], allowed=Allowed(intent.reason, intent.by))
    return judged, used


def _named(
    intent: Intent, findings: Sequence[tuple[Finding, tuple[str, ...]]], search_path: Sequence[str]
) -> list[int]:
    """The indexes of the findings that an intent names."""
    candidates = [
        index
        for index, (finding, also) in enumerate(findings)
        if intent.rule in (finding.rule, *also) and intent.revision in ("", finding.revision)
    ]
    wanted = _key(intent.object)
    exact = [index for index in candidates if _key(findings[index][0].object) == wanted]
    if exact:
        return exact
    found = {
        schema: [index for index in candidates if _key(findings[index][0].object) == (schema, *wanted)]
        for schema in search_path
    }
    schemas = [schema for schema, indexes in found.items() if indexes]
    if len(schemas) > 1:
        raise UsageError(
            "intent.ambiguous",
            f"the intent {intent.name} names several objects",
            why=f"{intent.object} is in the schemas {', '.join(schemas)} of the search path",
            where=intent.revision,
            next=[f"write it as {intent.rule}:{schema}.{intent.object}" for schema in schemas],
        )
    return found[schemas[0]] if schemas else []


def _key(name: str) -> tuple[str, ...]:
    """A name as it is compared: without quotes, and without blanks around it."""
    return parts(name.strip())
