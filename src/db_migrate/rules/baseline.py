"""A baseline: the findings that a project had when it began to be linted. They are allowed, and may only get fewer."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from pathlib import Path

import msgspec

from db_migrate.errors import UsageError
from db_migrate.rules.finding import Allowed, Finding, Severity
from db_migrate.rules.rot import STALE

FORMAT = 1
REASON = "known when the baseline was written"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of the baseline: which rule, on what, in which revision, and why it may stay."""

    rule: str
    object: str
    revision: str
    reason: str = REASON


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    findings: list[Known]


def write(findings: Iterable[Finding], before: Iterable[Known] = ()) -> str:
    """The text of a baseline with every finding that nothing else allows; reasons written before are kept."""
    reasons = {(k.rule, k.object, k.revision): k.reason for k in before}
    keys = sorted({_key(each) for each in findings if each.allowed is None or each.allowed.by == "baseline"})
    known = [Known(rule=k[1], object=k[2], revision=k[0], reason=reasons.get((k[1], k[2], k[0]), REASON)) for k in keys]
    return msgspec.json.format(msgspec.json.encode(_File(format=FORMAT, findings=known)), indent=2).decode() + "\n"


def read(file: Path) -> tuple[Known, ...]:
    """The baseline in a file.

    Raises UsageError (``baseline.unreadable``) where it is not there or is none, and (``intent.reason``) for an entry
    without a reason.
    """
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError) as error:
        raise _unreadable(file, str(error)) from error
    if found.format != FORMAT:
        raise _unreadable(file, f"its format is {found.format}, known is {FORMAT}")
    for each in found.findings:
        if not each.reason.strip():
            raise UsageError(
                "intent.reason",
                f"{each.rule}:{each.object} has no reason in the baseline",
                why="whoever reads it later has to know why it was allowed",
                where=str(file),
            )
    return tuple(found.findings)


def apply(findings: Iterable[Finding], known: Iterable[Known], file: Path, covered: Set[str]) -> tuple[Finding, ...]:
    """The findings with those of the baseline allowed; entries that no longer match are notes at the end.

    ``covered`` are the revisions that were looked at: of others nothing can be said.
    """
    waiting = {(each.revision, each.rule, each.object): each for each in known}
    used: set[tuple[str, str, str]] = set()
    judged = [_allowed(each, waiting, used) for each in findings]
    gone = (each for key, each in waiting.items() if key not in used and key[0] in covered)
    return (*judged, *_stale(gone, file))


def _allowed(finding: Finding, known: dict[tuple[str, str, str], Known], used: set[tuple[str, str, str]]) -> Finding:
    entry = known.get(_key(finding))
    if entry is None:
        return finding
    used.add(_key(finding))
    return finding if finding.allowed else replace(finding, allowed=Allowed(entry.reason, "baseline"))


def _key(finding: Finding) -> tuple[str, str, str]:
    return (finding.revision, finding.rule, finding.object)


def _stale(entries: Iterable[Known], file: Path) -> Iterator[Finding]:
    for each in entries:
        yield Finding(
            rule=STALE,
            severity=Severity.NOTE,
            revision=each.revision,
            statement=None,
            object=f"{each.rule}:{each.object}",
            message=f"the baseline lists {each.rule}:{each.object}, which is no longer found",
            why="the next finding of that name would be allowed by an entry that was written for another",
            fix=f"db-migrate lint --baseline {shlex.quote(str(file))} --write-baseline",
            file=str(file),
            line=0,
        )


def _unreadable(file: Path, why: str) -> UsageError:
    return UsageError(
        "baseline.unreadable",
        f"{file} is not a baseline",
        why=why,
        where=str(file),
        state="nothing was changed",
        next=(f"db-migrate lint --baseline {shlex.quote(str(file))} --write-baseline",),
    )
