"""Changes, table by table, and the drift that they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.objects import RELATION_KINDS, Value
from db_migrate.language import said
from db_migrate.report.style import Style, block, count, indent, name
from db_migrate.report.text.parts import page, target_line, warnings_of
from db_migrate.results import Comparison, Drift

_SIGNS = {Action.CREATED: "+", Action.DROPPED: "-", Action.ALTERED: "~", Action.RENAMED: ">"}
_MEANINGS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("history", "models"): ("the models say more than the revisions", "a revision is missing: db-migrate generate"),
    ("history", "live"): (
        "the database is not what the revisions made",
        "somebody changed the database by hand, or a revision that ran was edited",
    ),
    ("models", "live"): ("the database is not what the models say", "code that uses the models may fail here"),
}
_CLASSES: Mapping[ChangeClass, str] = {
    ChangeClass.NAME_ONLY: "same thing, other name",
    ChangeClass.ORDER_ONLY: "column order only",
    ChangeClass.EQUIVALENT: "stored differently, behaves the same",
}


def drift_text(drift: Drift, style: Style, *, sql: bool = False) -> str:
    """Every comparison with its changes listed table by table; ``sql`` adds what would make *from* into *to*."""
    return page(
        target_line(drift.target, style),
        [_comparison(each, style, sql) for each in drift.comparisons],
        warnings_of(drift, style),
        style=style,
    )


def _comparison(comparison: Comparison, style: Style, sql: bool) -> str:
    title = f"{comparison.source} → {comparison.to}"
    if not comparison.changes:
        none = said("no difference that is not acknowledged") if comparison.acknowledged else said("no difference")
        return "\n".join([f"{style.good('✓')} {style.bold(title)}: {none}", *_acknowledged(comparison, style)])
    drifted = sum(change.class_ is ChangeClass.DRIFT for change in comparison.changes)
    harmless = len(comparison.changes) - drifted
    sums = [count(drifted, "change")] if drifted else []
    sums += [count(harmless, "difference that is no drift", "differences that are no drift")] if harmless else []
    mark = style.bad("✗") if drifted else style.good("✓")
    lines = [f"{mark} {style.bold(title)}: {', '.join(sums)}"]
    meaning = _MEANINGS.get((comparison.from_.split("@")[0], comparison.to.split("@")[0])) if drifted else None
    if meaning:
        lines += [style.dim(f"  {said(meaning[0])}; {said(meaning[1])}")]
    return "\n".join([*lines, changes_text(comparison.changes, style, sql=sql), *_acknowledged(comparison, style)])


def _acknowledged(comparison: Comparison, style: Style) -> list[str]:
    return [
        style.dim(said(f"  acknowledged: {_kind(each.change.kind)} {name(each.change.object)} ({name(each.reason)})"))
        for each in comparison.acknowledged
    ]


def changes_text(changes: Sequence[Change], style: Style, *, sql: bool = False) -> str:
    """The changes grouped by the relation they belong to, indented by two."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(_group(change), []).append(change)
    lines = []
    for relation, members in groups.items():
        if len(members) == 1 and members[0].object == relation:
            lines.append(indent(change_text(members[0], style, sql=sql), 2))
            continue
        lines.append(f"  {style.bold(name(relation))}")
        lines += [indent(change_text(change, style, sql=sql, within=relation), 4) for change in members]
    return "\n".join(lines)


def change_text(change: Change, style: Style, *, sql: bool = False, within: str = "") -> str:
    """One change: sign, kind and name, then its attributes with both values, its explanation and its SQL."""
    sign = _SIGNS[change.action]
    paint = {"+": style.good, "-": style.bad}.get(sign, style.warn)
    shown = _short(change.object, within)
    if change.from_object:
        shown = f"{_short(change.from_object, within)} → {shown}"
    note = f" {style.dim('(' + said(_CLASSES[change.class_]) + ')')}" if change.class_ in _CLASSES else ""
    lines = [f"{paint(sign)} {_kind(change.kind)} {paint(shown)}{note}"]
    lines += [
        f"    {each.name}: {value_text(each.from_)} → {style.bold(value_text(each.to))}" for each in change.attributes
    ]
    if change.explanation:
        lines.append(indent(style.dim(said(block(change.explanation))), 4))
    if sql and change.sql:
        lines.append(indent(style.info(block(change.sql)), 4))
    return "\n".join(lines)


def value_text(value: Value) -> str:
    """An attribute's value as people write it; ``none`` where there is none."""
    if value is None:
        return said("none")
    if isinstance(value, bool):
        return said("yes") if value else said("no")
    if isinstance(value, tuple):
        return "(" + ", ".join(name(each) for each in value) + ")"
    return name(str(value)) or "''"


def brief(changes: Iterable[Change]) -> str:
    """Changes on one line: ``+ column public.users.nickname, - index public.ix_users_email``."""
    return ", ".join(f"{_SIGNS[each.action]} {_kind(each.kind)} {name(each.object)}" for each in changes)


def _kind(kind: str) -> str:
    return said(kind.replace("_", " "))


def _group(change: Change) -> str:
    if change.parent:
        return change.parent
    return change.object if change.kind in RELATION_KINDS else _schema_of(change)


def _schema_of(change: Change) -> str:
    """The heading for what belongs to no relation."""
    kind = change.kind.replace("_", " ")
    return said(kind if kind.endswith("s") else f"{kind}s")


def _short(text: str, within: str) -> str:
    return name(text.removeprefix(within + ".")) if within and text != within else name(text)
