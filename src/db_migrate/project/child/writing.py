"""The job that makes a revision file: the project's template, its naming, its post-write hooks; into a folder of ours.

Nothing is written into the project: the text goes to the parent, which puts it in place once it is proved.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from db_migrate.project import jobs
from db_migrate.project.child.alembic_project import AlembicProject


class _Made(Exception):
    """Ends Alembic's ``generate_revision`` when the text is there, before it looks for the file in the project."""

    def __init__(self, path: Path) -> None:
        self.path = path


def write(project: AlembicProject, job: jobs.WriteRevision) -> jobs.WrittenRevision:
    """The file as Alembic itself would write it. Raises Alembic's ``CommandError``."""
    from alembic.script import write_hooks

    with project.entered("revision") as (config, script), tempfile.TemporaryDirectory() as folder:
        made: Any = script
        render = made._generate_template

        def into_our_folder(source: Any, destination: Any, **arguments: Any) -> None:
            aside = Path(folder) / Path(destination).name
            said = arguments | {"message": in_docstring(str(arguments.get("message") or ""))}
            render(source, aside, **{**said, "imports": ""})
            imports = "\n".join(missing(job.imports, aside.read_text(encoding="utf-8")))
            render(source, aside, **{**said, "imports": imports})
            hooks = made.hooks if hasattr(made, "hooks") else made.hook_config  # the section itself, up to 1.15
            if hooks:
                write_hooks._run_hooks(str(aside), hooks)
            aside.with_suffix(".place").write_text(str(destination), encoding="utf-8")
            raise _Made(aside)

        made._generate_template = into_our_folder
        made._ensure_directory = lambda _path: None
        arguments = {
            "config": config,
            **project.template_args,
            **dict(zip(project.tokens, (job.upgrade, job.downgrade), strict=True)),
        }
        try:
            script.generate_revision(
                job.revision,
                job.message,
                head=list(job.head) or "head",
                splice=job.splice,
                branch_labels=job.branch_label,
                version_path=job.version_path,
                depends_on=list(job.depends_on) or None,
                **arguments,
            )
        except _Made as found:
            destination = Path(found.path.with_suffix(".place").read_text(encoding="utf-8"))
            text = found.path.read_text(encoding="utf-8")
            return jobs.WrittenRevision(folder=str(destination.parent), name=destination.name, text=text)
    raise RuntimeError("Alembic made no revision file")


def in_docstring(message: str) -> str:
    """The message as it stands between a template's triple quotes: what it says, and nothing that ends them."""
    escaped = message.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').replace("\0", "\\0")
    return f'{escaped[:-1]}\\"' if escaped.endswith('"') else escaped


def missing(imports: Iterable[str], text: str) -> list[str]:
    """The import lines of which a file's own do not do the same."""
    try:
        there = _imported(text)
        return [line for line in imports if not _imported(line) or not _imported(line) <= there]
    except SyntaxError:  # in a hook's text, or a template that is no Python without what belongs into it
        return list(imports)


def _imported(text: str) -> set[tuple[str, ...]]:
    """What each import at the top of a text makes known: its module, and its name there and here."""
    found: set[tuple[str, ...]] = set()
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Import):
            found |= {(each.name, each.asname or "") for each in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            found |= {(module, each.name, each.asname or each.name) for each in statement.names}
    return found
