"""A new revision: what it does, what was left out and added, and whether it is proved."""

from __future__ import annotations

from db_migrate.language import said
from db_migrate.report.style import Style, block, count, indent, name
from db_migrate.report.text.changes import changes_text
from db_migrate.report.text.parts import page, target_line, warnings_of
from db_migrate.results import DirectionProof, Generate, Goal, NewRevision


def generate_text(result: Generate, style: Style) -> str:
    """The changes, the file, the proof; the file's text where it was not written."""
    return _text(result, style, said("nothing to generate: the revisions make what the models say"), _LEFT_OUT)


def fix_text(result: Generate, style: Style) -> str:
    """The same for a revision that was rewritten."""
    return _text(result, style, said("nothing to fix: no step has a safe form that it is not in"), _LEFT_AS_IT_IS)


_LEFT_OUT = "left out of what autogenerate proposed"
_LEFT_AS_IT_IS = "left as it is"


def _text(result: Generate, style: Style, nothing: str, left_out: str) -> str:
    if not result.operations and not result.revisions and result.proof is None:
        return page(
            target_line(result.target, style),
            f"{style.good('✓')} {nothing}",
            _left_out(result, style, left_out),
            warnings_of(result, style),
            style=style,
        )
    return page(
        target_line(result.target, style),
        changes_text([each.change for each in result.operations], style),
        _left_out(result, style, left_out),
        _added(result, style),
        _proof(result, style),
        [_revision(each, result, style) for each in result.revisions],
        _intents(result, style),
        warnings_of(result, style),
        style=style,
    )


def _intents(result: Generate, style: Style) -> str:
    if not result.findings:
        return ""
    lines = [said("before it is applied, say in the file why this is meant (db_migrate_allow):")]
    lines += [f"  {style.warn(name(each.name))}: {said(name(each.message))}" for each in result.findings]
    return "\n".join(dict.fromkeys(lines))


def _left_out(result: Generate, style: Style, title: str) -> str:
    if not result.left_out:
        return ""
    lines = [f"{said(title)} ({count(len(result.left_out), 'operation')}):"]
    for each in result.left_out:
        lines.append(f"  {style.dim(style.cut(each.python, style.width - 4))}")
        lines.append(f"    {said(name(each.reason))}")
    return "\n".join(lines)


def _added(result: Generate, style: Style) -> str:
    if not result.added:
        return ""
    shown = ", ".join(f"{said(each.change.kind.replace('_', ' '))} {name(each.change.object)}" for each in result.added)
    return indent(said(f"added, since autogenerate missed it: {shown}"), 2, first=style.dim(""))


def _proof(result: Generate, style: Style) -> str:
    if result.proof is None:
        return ""
    lines = [_direction("upgrade", said(_GOALS[result.proof.goal]), result.proof.upgrade, style)]
    if result.proof.goal is not Goal.EITHER_ORDER:
        lines.append(
            _direction("downgrade", said("back is the history, and up again the same"), result.proof.downgrade, style)
        )
    return "\n".join(lines)


_GOALS = {
    Goal.MODELS: "history and revision are the models",
    Goal.SQL: "it makes of the history what the SQL does",
    Goal.EITHER_ORDER: "the heads lead to the same schema in either order",
    Goal.AS_BEFORE: "it leads to what it led to before",
}


def _direction(title: str, meaning: str, proof: DirectionProof, style: Style) -> str:
    if proof.proved:
        return said(f"{style.good('✓')} {title} proved: {meaning}")
    lines = [said(f"{style.bad('✗')} {title} not proved") + (f": {said(block(proof.error))}" if proof.error else "")]
    if proof.differences:
        lines.append(changes_text(proof.differences, style))
    return "\n".join(lines)


def _revision(revision: NewRevision, result: Generate, style: Style) -> str:
    waits = said(f"\n  waits for: {name(revision.waits_for)}") if revision.waits_for else ""
    if result.written:
        return said(f"{style.good('✓')} wrote {style.info(name(revision.file))}{waits}")
    return said(f"{style.info(name(revision.file))} (not written){waits}\n{indent(block(revision.source), 2)}")
