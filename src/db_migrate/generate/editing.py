"""Statements of a revision's ``upgrade()`` replaced by others, with every comment and all other text as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst as cst


@dataclass(frozen=True, slots=True)
class Replacement:
    """What takes the place of the statement that stands on a line: Python without indentation, and its imports."""

    line: int
    text: str
    imports: tuple[str, ...] = ()


def rewrite(source: str, replacements: Sequence[Replacement]) -> tuple[str, tuple[Replacement, ...]]:
    """The source with the statements replaced, and the replacements that found no statement of their own.

    Only what stands by itself in the body of ``upgrade()`` is replaced: not what is in a loop, a condition or another
    function, since it may run for more than what was seen, nor what shares its line or gives a value to a name.
    """
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider

    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    upgrade = next(
        (n for n in wrapper.module.body if isinstance(n, cst.FunctionDef) and n.name.value == "upgrade"), None
    )
    if upgrade is None or not isinstance(upgrade.body, cst.IndentedBlock):
        return source, tuple(replacements)
    waiting = list(replacements)
    body: list[cst.BaseStatement] = []
    for statement in upgrade.body.body:
        place = positions[statement]
        found = [each for each in waiting if place.start.line <= each.line <= place.end.line]
        if len(found) != 1 or not _is_alone(statement):
            body.append(statement)
            continue
        waiting.remove(found[0])
        body += _instead(cst.ensure_type(statement, cst.SimpleStatementLine), found[0].text)
    changed = upgrade.with_changes(body=upgrade.body.with_changes(body=body))
    module = wrapper.module.with_changes(body=[changed if n is upgrade else n for n in wrapper.module.body])
    done = [each for each in replacements if each not in waiting]
    return _with_imports(module, done).code, tuple(waiting)


def _is_alone(statement: cst.BaseStatement) -> bool:
    """Whether a line is one call, with no other statement beside it, of which nobody takes the value."""
    import libcst as cst

    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return False
    only = statement.body[0]
    return isinstance(only, cst.Expr) and isinstance(only.value, cst.Call)


def _instead(statement: cst.SimpleStatementLine, text: str) -> list[cst.BaseStatement]:
    """The new statements, with the comments of the old one."""
    import libcst as cst

    made: list[cst.BaseStatement] = [
        each for each in cst.parse_module(f"pass\n{text}\n").body[1:] if isinstance(each, cst.BaseStatement)
    ]
    lines = list(statement.leading_lines)
    if (comment := statement.trailing_whitespace.comment) is not None:
        lines.append(cst.EmptyLine(indent=True, comment=comment))
    first = made[0]
    return [first.with_changes(leading_lines=[*lines, *getattr(first, "leading_lines", ())]), *made[1:]]


def _with_imports(module: cst.Module, done: Sequence[Replacement]) -> cst.Module:
    """The module with the imports that the new text needs and that it does not have."""
    import libcst as cst

    text = "\n".join(each.text for each in done)
    wanted = {line for each in done for line in each.imports}
    wanted |= {"import sqlalchemy as sa"} if "sa." in text else set()
    code = module.code
    missing = sorted(line for line in wanted if line not in code)
    last = max((at for at, node in enumerate(module.body) if _is_import(node)), default=-1)
    added = [cst.parse_statement(line) for line in missing]
    return module.with_changes(body=[*module.body[: last + 1], *added, *module.body[last + 1 :]])


def _is_import(node: cst.CSTNode) -> bool:
    import libcst as cst

    return isinstance(node, cst.SimpleStatementLine) and any(
        isinstance(each, cst.Import | cst.ImportFrom) for each in node.body
    )
