"""What doctor found: each diagnosis with what shows it and what ends it."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import Kind, Value
from db_migrate.language import said
from db_migrate.report.style import Style, block, count, indent, name
from db_migrate.report.text.parts import page, target_line, warnings_of
from db_migrate.results import Diagnosis, Doctor
from db_migrate.rules.finding import Severity

_LISTED = 8
"""How many values of one piece of evidence are shown; the JSON has all."""


def doctor_text(doctor: Doctor, style: Style) -> str:
    """Every diagnosis, the gravest first, and how many there are to cure."""
    return page(
        target_line(doctor.target, style),
        [_diagnosis(each, style) for each in doctor.diagnoses],
        _verdict(doctor, style),
        warnings_of(doctor, style),
        style=style,
    )


def _diagnosis(each: Diagnosis, style: Style) -> str:
    mark = style.bad if each.severity is Severity.ERROR else style.warn
    lines = [f"{mark(each.severity.value)}[{each.code}]: {style.bold(said(name(each.message)))}"]
    lines += [f"  {style.dim(said(label) + ':')} {text}" for label, text in _evidence(each)]
    if each.cure.command:
        lines.append(f"  {style.dim(said('cure:'))} {style.info(name(each.cure.command))}")
    lines.append(indent(said(block(each.cure.effect)), 8))
    return "\n".join(lines)


def _evidence(each: Diagnosis) -> Iterator[tuple[str, str]]:
    for label, value in each.evidence.items():
        text = _shown(value)
        if text:
            yield label.replace("_", " "), text


def _shown(value: Value) -> str:
    if isinstance(value, tuple):
        more = len(value) - _LISTED
        return ", ".join(_one(each) for each in value[:_LISTED]) + (said(f" and {more} more") if more > 0 else "")
    if isinstance(value, bool):
        return said("yes") if value else said("no")
    return "" if value is None else said(name(str(value)))


def _one(value: str) -> str:
    """A text, or an object with its kind before it."""
    text = said(name(value))
    kind, _, object = text.partition(" ")
    return f"{said(kind.replace('_', ' '))} {object}" if text == name(value) and kind in set(Kind) else text


def _verdict(doctor: Doctor, style: Style) -> str:
    if doctor.healthy:
        return f"{style.good('✓')} {style.bold(said('nothing to cure'))}"
    number = sum(each.severity is not Severity.NOTE for each in doctor.diagnoses)
    return style.bad(count(number, "thing") + said(" to cure"))
