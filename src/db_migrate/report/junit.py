"""Findings as JUnit's XML: each revision a suite, each finding a test that failed, was skipped (allowed) or passed."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.sax.saxutils import escape, quoteattr

from db_migrate.report.ci import Annotation, annotated, by_revision
from db_migrate.report.style import Style
from db_migrate.results import Lint, Plan
from db_migrate.rules.finding import Severity

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(plan: Plan, _style: Style) -> str:
    """The report. What fails is what the exit code counts: in a plan errors, in lint what reaches the threshold."""
    counts = _threshold(plan)
    suites = [_suite(revision, found, counts) for revision, found in by_revision(annotated(plan), plan)]
    text = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="db-migrate">', *suites])
    return (text + "\n</testsuites>\n").encode("ascii", "xmlcharrefreplace").decode()


def _threshold(plan: Plan) -> Callable[[Annotation], bool]:
    levels = list(Severity)
    least = Severity(plan.fail_on) if isinstance(plan, Lint) else Severity.ERROR
    return lambda each: each.allowed is None and levels.index(each.severity) <= levels.index(least)


def _suite(revision: str, found: list[Annotation], counts: Callable[[Annotation], bool]) -> str:
    failures = sum(1 for each in found if counts(each))
    skipped = sum(1 for each in found if each.allowed is not None)
    cases = [_case(each, counts) for each in found] or [f'    <testcase name="no findings" classname={_a(revision)}/>']
    head = f'tests="{len(cases)}" failures="{failures}" errors="0" skipped="{skipped}"'
    return "\n".join([f"  <testsuite name={_a(revision)} {head}>", *cases, "  </testsuite>"])


def _case(each: Annotation, counts: Callable[[Annotation], bool]) -> str:
    where = f" file={_a(each.path)} line={_a(str(each.line))}" if each.path else ""
    head = f"    <testcase name={_a(each.rule + ': ' + each.title)} classname={_a(each.revision)}{where}"
    if each.allowed is not None:
        inner = f"<skipped message={_a(each.allowed.reason)}/>"
    elif counts(each):
        kind = _a(each.severity.value)
        inner = f"<failure type={kind} message={_a(each.title)}>{escape(_xml(each.text))}</failure>"
    else:
        inner = f"<system-out>{escape(_xml(each.text))}</system-out>"
    return f"{head}>{inner}</testcase>"


def _a(text: str) -> str:
    """A quoted attribute."""
    return quoteattr(_xml(text), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _xml(text: str) -> str:
    """The text without the characters that XML 1.0 has no way to write."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
