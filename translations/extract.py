"""Every text of the source that a person may read, as a template: what an f-string puts in is a named place.

Texts are sentences and parts of sentences: what has a blank and a word that stands alone, and is neither SQL nor
code; any argument of ``said``, single words too; what ``count`` counts; what a verb's docstring says in its help; and
words that are the same in JSON: kinds and actions of changes, states of runs, what a diagnosis calls its evidence.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "db_migrate"
NOT_SAID = re.compile(
    r"(?:agent|schemas|language|jail)/.*|trace/(?:observation|unseen)\.py|repair/privileges\.py|catalog/tokens\.py"
    r"|report/(?:ci|json|json_schema|junit|markdown|mermaid|prometheus|sql|timeline)\.py"
)
"""What speaks to programs alone, or knows what PostgreSQL says."""

PROSE = frozenset({"catches", "effect", "why", "instead", "versions", "message", "state", "help"})
"""Arguments that are prose, though they begin as SQL does or are a single word."""

KINDS = re.compile(r"catalog/(?:objects|change)\.py|rules/finding\.py")
"""Whose enumerations have values that are shown."""

WORDS = (
    *("done", "unchanged", "stopped", "partial", "crashed", "running", "failed", "committed"),  # runs and steps
    *("move", "copy", "park", "rows"),  # how something is kept
    *(
        "reads",
        "writes",
        "blocks",
        "allow",
        "reads and writes",
        "k",
        "M",
        "G",
        "kB",
        "MB",
        "GB",
        "TB",
        "s",
        "ms",
        "min",
        "h",
        "write",
        "sql",
        "state",
        "why",
        "where",
        "created",
        "changed",
    ),
)
"""Words of results and labels that stand in no other text."""

COUNTED = ("error", "warning", "note", "row", "value", "pair", "table", "privilege", "session", "object")
"""What is counted in other ways than by ``count``."""

CLICK = (
    "Show this message and exit.",
    "(Did you mean one of: {choices}?)",
    "{message} Did you mean {choice}?",
    "Invalid value for {hint}: {message}",
    "Invalid value: {message}",
    "default: {value}",
    "Missing argument {hint}.",
    "Missing option {hint}.",
    "Missing argument {hint}. {message}",
    "Missing option {hint}. {message}",
    "Choose from:\n\t{choices}",
    "No such option {option}.",
    "No such option {option}. {message}",
    "Option {option} does not take a value.",
    "Option {option} requires an argument.",
    "Option {option} requires {number} arguments.",
    "Got unexpected extra argument ({value})",
    "Got unexpected extra arguments ({value})",
    "{value} is not one of {choices}.",
    "{value} is not a valid {kind}.",
    "{value} is not in the range {choices}.",
    "integer",
    "float",
    "file",
    "directory",
    "path",
    "{kind} {file} does not exist.",
    "{kind} {file} is a directory.",
    "{kind} {file} is a file.",
    "{kind} {file} is not readable.",
    "{kind} {file} is not writable.",
)
"""What click says of the words of a command."""

_PROSE = re.compile(r"(?<![\w{.:/-])[a-z]{2,}(?![\w}(=./:-])|^[A-Z][a-z]+ [a-z]{2,}")
"""A word that stands alone: in what has none there is nothing to translate."""

_CODE = re.compile(
    r"""^\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE|DROP|COMMENT|GRANT|REVOKE|SET|SHOW|EXPLAIN|LOCK|COPY|REFRESH
        |TRUNCATE|BEGIN|CALL|DO|FROM|AND|WHERE|LEFT\ JOIN|JOIN|UNION|VALUES|ORDER\ BY)\s[^a-z]*[\s{(\w]
    |^(?:cd\ \S+\ &&\ )?db-migrate\ (?:-\S+|status|help|doctor|plan|apply|rollback|repair|config|history|kept|stamp
        |init|lint|explain|generate)\b | \(\?: | \\[Sd][+*)] | ^\(\w+\ BY | ^(?:pre-commit|find|ls)\s
    |\bop\.\w+\( | sa\.\w+\( | \(\?P< | \\Z | \[a-z-?\w | ^\s*<\w+[\s>] | pg_catalog\.
    | ^\s*(?:def|import|from|try|class)\s
    | ^\w+\s=\s | ::\w+ | ^(?:psql|git|pip|alembic|python|rm|ln|cat|apt-get|sed|mv|grep|export)\s | \$\$ | ^/\w+/""",
    re.VERBOSE,
)
"""SQL, Python, a pattern, a command: nobody's language."""

_SENTENCE = re.compile(
    r"""\A(?!.*\b(?:op|sa)\.)[^\n]*(?:(?:\b[a-z]+\ ){3}[a-z]+|[A-Z],\ .*\b(?:and|or|without)\ )[^\n]*\Z
    |[A-Z ]+(?:and|or|without)\ [A-Z]""",
    re.VERBOSE,
)
"""So many words in a row are prose, though it begins as SQL does."""

_IN_TEMPLATE = re.compile(r"""\bsaid\("((?:[^"\\]|\\.)*)"\)""")


@dataclass(frozen=True, slots=True)
class Text:
    """One text and where it is. ``plural``: its form for many, where it names what is counted."""

    template: str
    file: str
    line: int
    plural: str = ""


def texts(folder: Path = SOURCE) -> Iterator[Text]:
    """All of them, by file and line, each as often as it is written."""
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.html")]):
        file = path.relative_to(folder).as_posix()
        if not NOT_SAID.fullmatch(file):
            read = of_module if path.suffix == ".py" else of_template
            yield from read(path.read_text("utf-8"), file)
    yield from (Text(each, "results", 1) for each in WORDS)
    yield from (Text(each, "results", 1, f"{each}s") for each in COUNTED)
    yield from (Text(each, "click", 1) for each in CLICK)


def of_template(source: str, file: str) -> Iterator[Text]:
    """Those of a template of the report."""
    for number, line in enumerate(source.splitlines(), 1):
        for found in _IN_TEMPLATE.finditer(line):
            yield Text(found[1], file, number)


def of_module(source: str, file: str) -> Iterator[Text]:
    """Those of one module."""
    tree = ast.parse(source)
    passed, meant = _not_said(tree), _meant(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="count")):
                yield from _counted(node, file)
            case ast.ClassDef() if KINDS.fullmatch(file) and "Enum" in ast.unparse(
                node.bases[0] if node.bases else node
            ):
                yield from _kinds(node, file)
            case ast.Dict() if file.startswith("repair/"):
                yield from _labels(node, file)
            case ast.FunctionDef() if any("command" in ast.unparse(each) for each in node.decorator_list):
                yield from _help(node, file)
        if not isinstance(node, ast.expr) or id(node) in passed:
            continue
        template = _template(node)
        if template is not None and (id(node) in meant or _is_prose(template)) and _says(template):
            yield Text(template.strip(), file, node.lineno)
            yield from _comments(template, file, node.lineno)


def _says(template: str) -> bool:
    """Whether it has letters of its own, and nothing that no text has."""
    return bool(re.search("[a-z]", re.sub(r"\{\w+\}", "", template))) and template.replace("\n", "").isprintable()


def _is_prose(template: str) -> bool:
    code = _CODE.search(template) and not _SENTENCE.search(template)
    return " " in template.strip() and bool(_PROSE.search(template)) and not code


def _counted(node: ast.Call, file: str) -> Iterator[Text]:
    words = [str(each.value) for each in node.args[1:] if isinstance(each, ast.Constant)]
    if words:
        yield Text(words[0], file, node.lineno, words[1] if len(words) > 1 else words[0] + "s")


def _comments(template: str, file: str, line: int) -> Iterator[Text]:
    """What the comments of advice say, one by one: the code between them is made for each case."""
    lines = template.split("\n")
    if len(lines) > 1:
        yield from (Text(each.removeprefix("# ").strip(), file, line) for each in lines if each.startswith("# "))


def _kinds(node: ast.ClassDef, file: str) -> Iterator[Text]:
    for each in node.body:
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant):
            word = str(each.value.value).replace("_", " ")
            yield Text(word, file, each.lineno)
            yield Text(word if word.endswith("s") else f"{word}s", file, each.lineno)


def _labels(node: ast.Dict, file: str) -> Iterator[Text]:
    """What evidence is called."""
    for key in node.keys:
        if isinstance(key, ast.Constant) and re.fullmatch("[a-z_]+", str(key.value)):
            yield Text(str(key.value).replace("_", " "), file, key.lineno)


def _help(node: ast.FunctionDef, file: str) -> Iterator[Text]:
    for paragraph in inspect.cleandoc(ast.get_docstring(node) or "").split("\n\n"):
        yield Text(" ".join(paragraph.split()), file, node.lineno)


def _not_said(tree: ast.AST) -> set[int]:
    """Docstrings, parts of other strings, and words that are counted."""
    found = set[int]()
    for node in ast.walk(tree):
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            for each in body if isinstance(body, list) else ():
                if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                    found.add(id(each.value))
        if isinstance(node, ast.JoinedStr):
            found |= {id(each) for each in node.values if isinstance(each, ast.Constant)}
            found |= {id(each.format_spec) for each in node.values if isinstance(each, ast.FormattedValue)}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "count":
            found |= {id(each) for each in node.args}
    return found


def _meant(tree: ast.AST) -> set[int]:
    """What is given to ``said`` itself, and what the pages of rules, errors and options are made of."""
    found = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "said" and node.args:
                found.add(id(node.args[0]))
            found |= {id(each.value) for each in node.keywords if each.arg in PROSE}
    return found


def _template(node: ast.AST) -> str | None:
    """What a string or an f-string says; None for all else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _literal(node.value)
    if not isinstance(node, ast.JoinedStr):
        return None
    taken: list[str] = []
    parts = []
    for each in node.values:
        if isinstance(each, ast.Constant):
            parts.append(_literal(str(each.value)))
        else:
            taken.append(_place(each, taken))
            parts.append(f"{{{taken[-1]}}}")
    return "".join(parts)


def _literal(text: str) -> str:
    """What is no place; explanations of changes name the two sides so that they are put in later."""
    bare = text.replace("{", "{{").replace("}", "}}")
    return bare.replace("*from*", "{from_side}").replace("*to*", "{to_side}")


def _place(node: ast.AST, taken: Sequence[str]) -> str:
    """A name for what is put in: the first that its expression says."""
    names = [
        each.attr if isinstance(each, ast.Attribute) else each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute | ast.Name)
    ]
    names = [each for each in names if each not in ("said", "name", "block", "style", "quote")] or names
    base = (names[0] if names else "value").strip("_").lower()
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.IfExp):
        base = f"if_{base}"  # an ending of a word most often, which another language does without
    return base if base not in taken else f"{base}{sum(each.startswith(base) for each in taken) + 1}"
