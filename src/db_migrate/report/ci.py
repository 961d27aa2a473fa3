"""Findings for programs of continuous integration: SARIF, GitHub annotations, GitLab code quality, JUnit, JSON lines.

Every text of these may come from a hostile name: each format escapes it by its own rules. All output is ASCII, so that
it survives whatever locale the runner has.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from db_migrate import __version__
from db_migrate.report.builtins import to_builtins
from db_migrate.report.style import Style, block, name
from db_migrate.results import Plan, PlannedRevision
from db_migrate.rules.finding import Allowed, Finding, Severity

FAILS = "revision-fails"
"""Stands for a rule where a revision fails on scratch."""

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_GITHUB: Mapping[Severity, str] = MappingProxyType(
    {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
)
_GITLAB: Mapping[Severity, str] = MappingProxyType(
    {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "info"}
)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One finding, or a failing revision, with what all formats need. ``path`` is relative to the repository's root.

    ``fingerprint`` is the same for the same finding as long as its rule, revision and object are, wherever its line is.
    """

    rule: str
    severity: Severity
    title: str
    text: str
    path: str
    line: int
    fingerprint: str
    allowed: Allowed | None
    revision: str


def annotated(plan: Plan) -> tuple[Annotation, ...]:
    """The findings in their order, after the revisions that fail."""
    seen: Counter[str] = Counter()
    root = _root()
    failing = (_failing(each) for each in plan.revisions if each.error)
    return tuple(_annotation(each, root, seen) for each in (*failing, *plan.findings))


def _failing(revision: PlannedRevision) -> Finding:
    """At the line that failed, where that is in the revision itself."""
    message = f"fails on scratch: {revision.error}"
    file, _, line = revision.error_place.rpartition(":")
    number = int(line) if file == revision.file and line.isdigit() else 0
    return Finding(
        FAILS, Severity.ERROR, revision.revision, None, revision.revision, message, "", "", revision.file, number
    )


def _annotation(finding: Finding, root: Path, seen: Counter[str]) -> Annotation:
    identity = f"{finding.rule}\n{finding.revision}\n{finding.object}"
    seen[identity] += 1
    fingerprint = hashlib.sha256(f"{identity}\n{seen[identity]}".encode(errors="backslashreplace")).hexdigest()
    notes = [finding.why, *([f"instead:\n{finding.fix}"] if finding.fix else [])]
    text = "\n".join([f"{finding.object}: {finding.message}", *filter(None, notes)])
    path = _relative(finding.file, root)
    return Annotation(
        rule=finding.rule,
        severity=finding.severity,
        title=finding.message,
        text=block(text),
        path=path,
        line=max(finding.line, 1),
        fingerprint=fingerprint,
        allowed=finding.allowed,
        revision=finding.revision,
    )


def _root() -> Path:
    """The folder that paths are relative to: the repository's, else the current one."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def _relative(file: str, root: Path) -> str:
    path = Path.cwd() / file
    return path.relative_to(root).as_posix() if file and path.is_relative_to(root) else file


def sarif(plan: Plan, _style: Style) -> str:
    """SARIF 2.1.0; what an intent or a baseline allows is there as a suppressed result."""
    found = annotated(plan)
    rules = list(dict.fromkeys(each.rule for each in found))
    driver = {
        "name": "db-migrate",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_sarif_rule(each) for each in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(each, rules.index(each.rule)) for each in found],
    }
    return _json({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _sarif_rule(id: str) -> dict[str, Any]:
    from db_migrate.rules.judge import find_rule

    rule = find_rule(id)
    if rule is None:
        return {"id": id, "shortDescription": {"text": id.replace("-", " ")}}
    return {
        "id": id,
        "shortDescription": {"text": rule.catches},
        "fullDescription": {"text": f"{rule.catches}: {rule.effect}. {rule.why}."},
        "help": {"text": f"{rule.instead}\n\nFound:\n\n{rule.bad}\n\nNot found:\n\n{rule.good}"},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _sarif_result(each: Annotation, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": each.rule,
        "ruleIndex": index,
        "level": each.severity.value,
        "message": {"text": each.text},
        "partialFingerprints": {"dbMigrateFinding/v1": each.fingerprint},
    }
    if each.path:
        location = {"uri": quote(each.path), "uriBaseId": "%SRCROOT%"}
        if Path(each.path).is_absolute():
            location = {"uri": Path(each.path).as_uri()}
        region = {"startLine": each.line}
        result["locations"] = [{"physicalLocation": {"artifactLocation": location, "region": region}}]
    if each.allowed is not None:
        kind = "inSource" if each.allowed.by == "revision" else "external"
        result["suppressions"] = [{"kind": kind, "justification": each.allowed.reason}]
    return result


def github(plan: Plan, _style: Style) -> str:
    """Workflow commands, one line each (documentation: "Workflow commands for GitHub Actions")."""
    return "".join(
        f"::{_GITHUB[each.severity]} {_properties(each)}::{_data(each.text)}\n"
        for each in annotated(plan)
        if each.allowed is None
    )


def _properties(each: Annotation) -> str:
    values = {"title": f"{each.rule}: {each.title}", "file": each.path, "line": str(each.line) if each.path else ""}
    return ",".join(f"{key}={_property(value)}" for key, value in values.items() if value)


def _data(text: str) -> str:
    """A command's text, as actions/toolkit escapes it (``packages/core/src/command.ts``)."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.encode("ascii", "backslashreplace").decode()


def _property(text: str) -> str:
    return _data(name(text)).replace(":", "%3A").replace(",", "%2C")


def gitlab(plan: Plan, _style: Style) -> str:
    """GitLab's code quality report (documentation: "Code Quality", "Code Quality report format")."""
    return _json(
        [
            {
                "description": name(each.title),
                "check_name": each.rule,
                "fingerprint": each.fingerprint,
                "severity": _GITLAB[each.severity],
                "location": {"path": each.path or each.revision, "lines": {"begin": each.line}},
            }
            for each in annotated(plan)
            if each.allowed is None
        ]
    )


def jsonl(plan: Plan, _style: Style) -> str:
    """One JSON document on each line: every revision, every finding, and the end."""
    lines: list[dict[str, Any]] = [{"event": "revision", **to_builtins(each)} for each in plan.revisions]
    lines += [{"event": "finding", **to_builtins(each)} for each in plan.findings]
    lines.append({"event": "finished", "revisions": len(plan.revisions), "findings": len(plan.findings)})
    return "".join(json.dumps(each, ensure_ascii=True) + "\n" for each in lines)


def by_revision(found: Sequence[Annotation], plan: Plan) -> Iterator[tuple[str, list[Annotation]]]:
    """The annotations of each revision, also of those that have none, and then those of no revision."""
    names = [each.revision for each in plan.revisions]
    for revision in [*names, *sorted({each.revision for each in found} - set(names))]:
        yield revision, [each for each in found if each.revision == revision]


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"
