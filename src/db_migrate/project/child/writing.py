"""The job that makes a revision file: the project's template, its naming, its post-write hooks; into a folder of ours.

Nothing is written into the project: the text goes to the parent, which puts it in place once it is proved.
"""

from __future__ import annotations

import tempfile
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
            render(source, aside, **arguments)
            write_hooks._run_hooks(aside, script.hooks)
            aside.with_suffix(".place").write_text(str(destination), encoding="utf-8")
            raise _Made(aside)

        made._generate_template = into_our_folder
        made._ensure_directory = lambda _path: None
        arguments = {
            "config": config,
            **project.template_args,
            **dict(zip(project.tokens, (job.upgrade, job.downgrade), strict=True)),
            "imports": "\n".join(job.imports),
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
