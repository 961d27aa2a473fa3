"""A revision after somebody has done what a finding says: the code of the advice put where the advice says."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from textwrap import indent

from db_migrate.rules import Finding
from db_migrate.rules.advice import AFTER, BACK, BEFORE, LEAVE_OUT, MODELS

_PLACES = (
    (re.compile(re.escape(BEFORE)), "before"),
    (re.compile(re.escape(AFTER)), "after"),
    (re.compile(re.escape(BACK)), "downgrade"),
    (re.compile(r"# in a later revision, once .*:"), "later"),
    (re.compile(re.escape(MODELS) + ".*"), "models"),
    (re.compile(re.escape(LEAVE_OUT)), "out"),
    (re.compile("# leave this index out"), "out"),
    (re.compile("# leave the (?:foreign key|CHECK) out of the table, and after it:"), "after, without"),
    (re.compile(r"# in place of line (\d+):"), "instead of line"),
    (re.compile(r"# in place of this and line ([\d, ]+):"), "instead of lines"),
    (re.compile(r"# in place of the column (.*):"), "column"),
    (re.compile("# here leave it out, and at the beginning of upgrade\\(\\):"), "first"),
    (re.compile(r"# in upgrade\(\), instead of it:"), "upgrade"),
    (re.compile("# in a revision of its own, before this one:"), "earlier"),
    (re.compile("-- on the target; its answer is the line to write:"), "answer"),
    (re.compile("-- .*:"), "query"),
    (re.compile("# remove db_migrate_allow"), "no intents"),
    (re.compile("# prove it on some rows:"), "command"),
    (re.compile("# or say in the revision .*:"), "instead"),
    (re.compile("# .*:"), "instead"),
)
"""What a line of an advice may say of the lines that follow it; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of an advice, and where they go; ``about`` is the line or the column that the place is named by."""

    place: str
    code: str
    about: str = ""


def pieces(fix: str) -> list[Piece]:
    """An advice cut at the lines that say where what follows them goes."""
    found: list[Piece] = []
    place, about, lines = "instead", "", list[str]()
    for line in [*fix.split("\n"), "# end:"]:
        said = next(((match, name) for pattern, name in _PLACES if (match := pattern.fullmatch(line))), None)
        starts = line.startswith(("db_migrate_allow = {", "def downgrade("))
        if said is None and not starts:
            lines.append(line)
            continue
        if lines or place not in ("instead",):
            found.append(Piece(place, "\n".join(lines), about))
        place, about, lines = ("module", "", [line]) if said is None else (said[1], "".join(said[0].groups()), [])
    return found


@dataclass
class Advised:
    """A revision's source with the advice in it, and what the advice puts elsewhere."""

    source: str
    earlier: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def advised(source: str, findings: Sequence[Finding], ask: Callable[[str], str]) -> Advised:
    """The revision's source after all the findings, which are of one rule, were followed; ``ask`` runs a query."""
    work = _Work(source, ask)
    for finding in findings:
        for piece in pieces(finding.fix):
            work.put(piece, finding.line)
    return work.done()


@dataclass
class _Edit:
    """What becomes of the lines of one statement, which are ``own``."""

    own: str
    before: list[str] = field(default_factory=list)
    instead: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it in order."""
        return "\n".join((*self.before, *(self.instead or [self.own]), *self.after))


class _Work:
    """The edits of one source: lines replaced from the last to the first, so that numbers stay what they are."""

    def __init__(self, source: str, ask: Callable[[str], str]) -> None:
        self.ask = ask
        self.lines = source.split("\n")
        self.tree = ast.parse(source)
        self.upgrade = next(n for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.name == "upgrade")
        self.edits: dict[tuple[int, int], _Edit] = {}
        self.intents: dict[str, str] = {}
        self.found = Advised(source)

    def put(self, piece: Piece, line: int) -> None:
        """One piece, of a finding about that line."""
        getattr(self, "_" + re.sub(r"\W+", "_", piece.place))(piece, line)

    def _statement(self, line: int, body: list[ast.stmt] | None = None) -> ast.stmt:
        """What stands by itself in ``upgrade()``, or anywhere in the module, and covers the line."""
        every = [*self.upgrade.body, *self.tree.body] if body is None else body
        return next(s for s in every if s.lineno <= line <= (s.end_lineno or 0))

    def _innermost(self, line: int) -> ast.stmt:
        covering = [
            n for n in ast.walk(self.tree) if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or 0)
        ]
        return min(covering, key=lambda each: (each.end_lineno or 0) - each.lineno)

    def _own(self, node: ast.stmt) -> str:
        return "\n".join(self.lines[node.lineno - 1 : node.end_lineno])

    def _edit(self, node: ast.stmt) -> _Edit:
        return self.edits.setdefault((node.lineno, node.end_lineno or node.lineno), _Edit(self._own(node)))

    def _replace(self, node: ast.stmt, code: str, *, raw: bool = False) -> None:
        text = code if raw else _indented(code, node.col_offset)
        if not code.strip() or _only_comments(code):
            text = indent("pass", " " * node.col_offset)
        edit = self._edit(node)
        if text not in edit.instead:
            edit.instead.append(text)

    def _instead(self, piece: Piece, line: int) -> None:
        if piece.code.strip():
            self._replace(self._statement(line), piece.code)

    def _before(self, piece: Piece, line: int) -> None:
        node = self._statement(line)
        self._edit(node).before.append(_indented(piece.code, node.col_offset))

    def _after(self, piece: Piece, line: int) -> None:
        node = self._statement(line)
        self._edit(node).after.append(_indented(piece.code, node.col_offset))

    def _after_without(self, piece: Piece, line: int) -> None:
        node = self._statement(line)
        bare = ast.unparse(_WithoutConstraint().visit(ast.parse(dedented(self._own(node)))))
        self._replace(node, bare)
        self._after(piece, line)

    def _out(self, _piece: Piece, line: int) -> None:
        self._replace(self._innermost(line), "")

    def _first(self, piece: Piece, line: int) -> None:
        self._out(piece, line)
        self._before(piece, self.upgrade.body[0].lineno)

    def _instead_of_line(self, piece: Piece, _line: int) -> None:
        self._instead(piece, int(piece.about))

    def _instead_of_lines(self, piece: Piece, line: int) -> None:
        for each in piece.about.split(", "):
            self._replace(self._statement(int(each)), "")
        self._instead(piece, line)

    def _column(self, piece: Piece, line: int) -> None:
        node = self._statement(line)
        tree = ast.parse(dedented(self._own(node)))
        self._replace(node, ast.unparse(_OtherColumn(piece.about, piece.code).visit(tree)))

    def _upgrade(self, piece: Piece, _line: int) -> None:
        first, *rest = self.upgrade.body
        self._replace(first, piece.code)
        for node in rest:
            self._replace(node, "")

    def _downgrade(self, piece: Piece, _line: int) -> None:
        node = next(n for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.name == "downgrade")
        self._replace(node, "def downgrade() -> None:\n" + _indented(piece.code, 4), raw=True)

    def _module(self, piece: Piece, line: int) -> None:
        if piece.code.startswith("def downgrade"):
            self._downgrade(Piece("downgrade", dedented("\n".join(piece.code.split("\n")[1:]))), line)
        else:
            self.intents |= ast.literal_eval(piece.code.partition(" = ")[2])
            self._no_intents(piece, line)

    def _no_intents(self, _piece: Piece, _line: int) -> None:
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "db_migrate_allow":
                self._replace(node, "")

    def _earlier(self, piece: Piece, line: int) -> None:
        self.found.earlier.append(piece.code)
        self._replace(self._statement(line), "")

    def _later(self, piece: Piece, _line: int) -> None:
        self.found.later.append(piece.code)

    def _query(self, piece: Piece, _line: int) -> None:
        self.found.queries.append(piece.code)

    def _answer(self, piece: Piece, line: int) -> None:
        self._instead(Piece("instead", self.ask(piece.code)), line)

    def _models(self, piece: Piece, _line: int) -> None:
        self.found.models.append(piece.code)

    def _command(self, piece: Piece, _line: int) -> None:
        self.found.commands.append(piece.code)

    def done(self) -> Advised:
        """The source with all edits."""
        for (first, last), edit in sorted(self.edits.items(), reverse=True):
            self.lines[first - 1 : last] = edit.text.split("\n")
        if self.intents:
            self.lines.append(f"\ndb_migrate_allow = {self.intents!r}")
        self.found.source = "\n".join(self.lines)
        return self.found


class _WithoutConstraint(ast.NodeTransformer):
    """Takes foreign keys and CHECKs out of a call of ``op.create_table``."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        gone = ("sa.ForeignKey", "sa.ForeignKeyConstraint", "sa.CheckConstraint")
        node.args = [a for a in node.args if not (isinstance(a, ast.Call) and ast.unparse(a.func) in gone)]
        return node


@dataclass
class _OtherColumn(ast.NodeTransformer):
    """Puts another ``sa.Column`` in the place of the one of that name."""

    name: str
    code: str

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        first = node.args[0] if node.args else None
        if ast.unparse(node.func) == "sa.Column" and isinstance(first, ast.Constant) and first.value == self.name:
            return ast.parse(self.code, mode="eval").body
        return node


def _only_comments(code: str) -> bool:
    return all(line.lstrip().startswith("#") for line in code.split("\n") if line.strip())


def _indented(code: str, by: int) -> str:
    from db_migrate.rules.python_text import indent as by_columns

    return by_columns(code, by)


def dedented(code: str) -> str:
    first = next(line for line in code.split("\n") if line.strip())
    width = len(first) - len(first.lstrip())
    return "\n".join(line[width:] if not line[:width].strip() else line for line in code.split("\n"))
