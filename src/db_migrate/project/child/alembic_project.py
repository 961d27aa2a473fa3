"""The user's Alembic project as Alembic sees it: its ``Config``, its script directory, its env.py."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db_migrate.project import jobs
from db_migrate.project.child import inputs
from db_migrate.project.child.failures import ProjectError

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

FLASK = "flask"
"""The value of ``around`` that stands for the context of the project's Flask application."""

Work = Callable[[Any, "MigrationContext"], Any]
"""What Alembic is to do with each configured context: the current heads and the context in, steps out."""


class AlembicProject:
    """What the parent said about the project, made into Alembic's objects, anew for every job."""

    def __init__(self, start: jobs.Start) -> None:
        self._start = start
        self.seen: str | None = None
        """A folder with more revisions than the project's own, for this job; with all of them after ``=``."""
        self.template_args: dict[str, Any] = {}
        """What env.py gave the template of revision files, the last time that it was asked."""
        self.tokens = ("upgrades", "downgrades")
        """What the template calls the two bodies of the database that is meant, where env.py migrates several."""

    def config(self, command: str = "current") -> Config:
        """The project's ``Config``: from its own callable where one is set, else as ``alembic`` makes it."""
        if self._start.alembic_config:
            return self._own_config(self._start.alembic_config)
        return self._usual_config(command)

    def _usual_config(self, command: str) -> Config:
        from alembic.config import Config

        start = self._start
        options = Namespace(
            config=start.ini,
            name=start.name,
            x=list(start.x) or None,
            raiseerr=False,
            quiet=False,
            verbose=False,
            cmd=(getattr(importlib.import_module("alembic.command"), command), [], []),
        )
        sys.argv = ["alembic", *(("-c", start.ini) if start.ini else ()), "-n", start.name, command]
        extra: dict[str, Any] = {}
        if start.pyproject and "toml_file" in inspect.signature(Config.__init__).parameters:
            extra["toml_file"] = start.pyproject
        config = Config(file_=start.ini, ini_section=start.name, cmd_opts=options, **extra)
        if start.script_location:
            config.set_main_option("script_location", start.script_location.replace("%", "%%"))
        return config

    def _own_config(self, path: str) -> Config:
        from alembic.config import Config

        made = resolve(path, "alembic_config")()
        if not isinstance(made, Config):
            raise ProjectError(f"alembic_config: {path}() gives a {type(made).__name__}, not an alembic.config.Config")
        if made.cmd_opts is None:
            made.cmd_opts = Namespace(x=list(self._start.x) or None)
        return made

    def script(self, config: Config) -> ScriptDirectory:
        """The script directory; this reads env.py's folder only, and puts ``prepend_sys_path`` where Alembic does."""
        from alembic.script import ScriptDirectory

        before = list(sys.path)
        script = ScriptDirectory.from_config(config)
        added = [path for path in sys.path[: len(sys.path) - len(before)] if path not in before]
        sys.path[:] = added + before
        if self.seen is not None:
            own = list(script._version_locations)
            name = self.seen.removeprefix("=")
            more: Any = Path(name) if own and isinstance(own[0], Path) else name
            found = [more] if name != self.seen else [*own, more]
            vars(script)["_version_locations"] = found
            script.version_locations = [str(each) for each in found]  # up to 1.15, only with these it reads the others
        return script

    def around(self) -> AbstractContextManager[Any]:
        """The context manager that the settings want around env.py; one that does nothing where they want none."""
        path = self._start.around
        if not path:
            return contextlib.nullcontext()
        made = application_context() if path == FLASK else resolve(path, "around")()
        if not isinstance(made, AbstractContextManager):
            raise ProjectError(f"around: {path}() gives a {type(made).__name__}, not a context manager")
        return made

    @contextlib.contextmanager
    def entered(self, command: str = "current") -> Iterator[tuple[Config, ScriptDirectory]]:
        """The project's config and script directory, inside of what the settings want around them."""
        with self.around():
            config = self.config(command)
            yield config, self.script(config)

    def describe(self) -> jobs.Described:
        """The folders that the project's own ``Config`` names."""
        with self.entered() as (_config, script):
            return jobs.Described(
                script_location=str(script.dir),
                version_locations=tuple(str(path) for path in script._version_locations),
                recursive=script.recursive_version_locations,
            )

    def hear_tokens(self, context: MigrationContext) -> None:
        """Keep what env.py says that the template calls the bodies (``upgrade_token``)."""
        self.tokens = (context.opts["upgrade_token"], context.opts["downgrade_token"])

    def run_env(self, work: Work, *, command: str, **options: Any) -> None:
        """Execute env.py, with ``work`` as what Alembic does in ``run_migrations``."""
        from alembic.runtime.environment import EnvironmentContext

        with self.entered(command) as (config, script):
            with inputs.notes.by_revisions():
                # Load the revisions now: what is wrong with them is not env.py's error.
                next(iter(script.walk_revisions()), None)
            with EnvironmentContext(config, script, fn=work, as_sql=False, starting_rev=None, **options):
                script.run_env()


def application_context() -> AbstractContextManager[Any]:
    """The context of the Flask application that ``flask db`` would find, by FLASK_APP, wsgi.py or app.py."""
    from flask.cli import ScriptInfo, load_dotenv

    load_dotenv()
    made: AbstractContextManager[Any] = ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app().app_context()
    return made


def resolve(path: str, setting: str) -> Callable[..., Any]:
    """The callable that ``module:attribute.attribute`` names. Raises ``ProjectError`` naming ``setting``."""
    module_name, colon, attributes = path.partition(":")
    if not colon or not attributes:
        raise ProjectError(f"{setting}: {path!r} is not of the form module:callable")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ProjectError(f"{setting}: there is no module {error.name}") from error
        raise
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise ProjectError(f"{setting}: {path}: no {attribute} there")
        found = getattr(found, attribute)
    if not callable(found):
        raise ProjectError(f"{setting}: {path} cannot be called")
    return found  # type: ignore[no-any-return] # callable(), of which mypy makes nothing of an Any
