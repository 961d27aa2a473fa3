"""What keeps env.py from running, told from what it raised: a driver, a URL, an event loop, an import, a variable."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from importlib import metadata, util
from pathlib import Path
from types import MappingProxyType

from db_migrate.catalog.objects import Value
from db_migrate.postgres.redact import redact
from db_migrate.project import events
from db_migrate.project.config import ProjectConfig
from db_migrate.project.outcomes import ChildError
from db_migrate.repair.registry import Case
from db_migrate.results import Cure, Diagnosis
from db_migrate.rules.finding import Severity

_PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]", "asyncpg": "asyncpg", "pg8000": "pg8000"}
"""PostgreSQL's drivers that SQLAlchemy knows, and what installs each."""

_MODULE = re.compile(r"No module named '([\w.]+)'")
_DIALECT = re.compile(r"Can't load plugin: sqlalchemy\.dialects:(\S+)")
_FRAME = re.compile(r'\s*File "(.+)", line (\d+)')
_SET_URL = re.compile(r"set_main_option\([^,]+,.+\)\s*$")

ABOUT = MappingProxyType(
    {
        "project.scripts": "The ini file names no folder with an env.py; those that have one are named.",
        "project.config": "The ini file cannot be read, has not the section, or is a link that leads nowhere.",
        "driver.missing": "The URL asks for a driver that is not installed. `postgresql://` without one is psycopg2 "
        "for SQLAlchemy 2.0, and psycopg (3) from 2.1 on.",
        "url.percent": "A percent sign in the URL, which ConfigParser takes for the beginning of a variable.",
        "url.dialect": "A URL whose scheme SQLAlchemy does not know, above all `postgres://`.",
        "async.loop": "env.py starts an event loop where one is running, or uses one that has ended.",
        "async.driver": "env.py uses as synchronous what is asynchronous, or the other way round.",
        "env.variable": "An environment variable that env.py asks for is not set.",
        "models.import": "What env.py imports cannot be imported; the first line of user code is named.",
        "project.raised": "env.py raises anything else.",
        "connect.database": "The server has no database of that name; those that it has are named.",
        "connect.authentication": "The server does not let the role in.",
        "target.versions": "The role may not read the version table; the GRANT is given.",
        "target.locked": "Somebody who is at work has locked what has to be read; who does nothing is `session.idle`.",
        "connect.failed": "The server cannot be reached.",
        "connect.lost": "The connection was lost while the target was looked at: what is told is so, but not all.",
        "target.canceled": "Somebody, or a limit of the server's, has ended what was asked of the target.",
        "scratch.lost": "The scratch server has ended while it was needed.",
        "scratch.broken": "The scratch server's installation was removed or replaced while it was running.",
    }
)
"""What keeps everything else from being looked at: codes, and what they mean."""

_NOT_PYTHON = ("builtins.SyntaxError", "builtins.IndentationError", "builtins.TabError")

_Told = tuple[str, Case]
_Explain = Callable[[events.Failure, ProjectConfig], _Told | None]


def explained(error: ChildError, project: ProjectConfig) -> Diagnosis:
    """The diagnosis of what user code raised before anything could be looked at."""
    failure = error.failure
    found = next((told for explain in _EXPLAINED if (told := explain(failure, project)) is not None), None)
    code, case = found or _anything(error, project)
    evidence: dict[str, Value] = {"raised": f"{failure.type.removeprefix('builtins.')}: {failure.message}"}
    place = _place(failure)
    if place is not None:
        file, line = place
        evidence["where"] = f"{file}:{line}"
        evidence["line"] = redact(_line(file, line).strip())
    return Diagnosis(code, Severity.ERROR, case.object, case.message, {**evidence, **case.evidence}, case.cure)


def _place(failure: events.Failure) -> tuple[str, int] | None:
    """The first line of user code, seen from where it was raised; in a file that is not Python, that which is not."""
    if failure.type in _NOT_PYTHON:
        frames = [match for each in failure.traceback if (match := _FRAME.match(each))]
        return (frames[-1][1], int(frames[-1][2])) if frames else None
    return (failure.file, failure.line) if failure.file and failure.line else None


def _line(file: str, number: int) -> str:
    """A line of a file; empty where there is none."""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").splitlines()[number - 1]
    except (OSError, IndexError):
        return ""


def _where(failure: events.Failure, project: ProjectConfig) -> str:
    place = _place(failure)
    return f"{place[0]}:{place[1]}" if place else str(project.script_location / "env.py")


def _driver(failure: events.Failure, project: ProjectConfig) -> _Told | None:
    """A driver that the URL asks for is not installed; which one ``postgresql://`` means depends on SQLAlchemy."""
    found = _MODULE.search(failure.message)
    name = "psycopg" if "no pq wrapper available" in failure.message else found[1].partition(".")[0] if found else ""
    if name not in _PACKAGES:
        return None
    version = metadata.version("sqlalchemy")
    bare = "psycopg2" if version.startswith(("1.", "2.0.")) else "psycopg"
    others = tuple(each for each in _PACKAGES if each != name and util.find_spec(each) is not None)
    effect = f"installs {name}"
    if others:
        effect += f"; {' and '.join(others)} can be used at once, with postgresql+{others[0]}:// in the URL"
    evidence: dict[str, Value] = {
        "driver": name,
        "installed": others,
        "sqlalchemy": version,
        "means": f"postgresql:// is {bare} from SQLAlchemy {version.rpartition('.')[0]}; before 2.1 it was psycopg2",
    }
    message = f"the URL asks for the driver {name}, which is not installed"
    cure = Cure(f"python -m pip install {shlex.quote(_PACKAGES[name])}", effect)
    return "driver.missing", Case(_where(failure, project), message, cure, evidence)


def _percent(failure: events.Failure, project: ProjectConfig) -> _Told | None:
    """A percent sign in a URL, which ConfigParser takes for the beginning of a variable."""
    if "InterpolationSyntaxError" not in failure.type and "invalid interpolation syntax" not in failure.message:
        return None
    message = "a percent sign in the URL stands for itself, and ConfigParser takes it for a variable"
    return "url.percent", Case(_where(failure, project), message, _doubled(failure, project))


def _doubled(failure: events.Failure, project: ProjectConfig) -> Cure:
    place = _place(failure)
    if place is not None and _SET_URL.search(_line(*place)):
        pattern = r's/(set_main_option\([^,]+, *)(.+)\)\s*$/\1(\2).replace("%", "%%"))/'
        command = f"sed -i -E {shlex.quote(f'{place[1]}{pattern}')} {shlex.quote(place[0])}"
        return Cure(command, "writes each percent sign twice, as ConfigParser wants it")
    ini = str(project.ini or project.pyproject)
    command = f"sed -i -E {shlex.quote('/^sqlalchemy.url/s/%+/%%/g')} {shlex.quote(ini)}"
    return Cure(command, f"writes each percent sign of sqlalchemy.url in {Path(ini).name} twice")


def _dialect(failure: events.Failure, project: ProjectConfig) -> _Told | None:
    """A URL whose scheme SQLAlchemy does not know, above all ``postgres://``."""
    found = _DIALECT.search(failure.message)
    if found is None:
        return None
    scheme = found[1]
    message = f"SQLAlchemy knows no dialect {scheme!r}: since 1.4 PostgreSQL's is called postgresql"
    folders = f"{shlex.quote(str(project.script_location))} {shlex.quote(str(project.ini or project.directory))}"
    command = f"grep -rn {shlex.quote(f'{scheme}://')} {folders}; env | grep {shlex.quote(f'{scheme}://')}"
    effect = "shows where the URL stands; write postgresql:// there, with +DRIVER if it is to be one in particular"
    return "url.dialect", Case(_where(failure, project), message, Cure(command, effect), {"dialect": scheme})


_LOOPS = ("running event loop", "event loop is already running", "Event loop is closed", "different loop")
_ASYNC = ("MissingGreenlet", "requires an async driver", "'AsyncConnection' object", "coroutine")


def _asynchronous(failure: events.Failure, project: ProjectConfig) -> _Told | None:
    """An event loop where there is one already, or synchronous and asynchronous parts that do not fit together."""
    text = f"{failure.type}: {failure.message}"
    if any(each in text for each in _LOOPS):
        code, message = "async.loop", "env.py starts an event loop where one is running, or uses one that has ended"
    elif any(each in text for each in _ASYNC):
        code, message = (
            "async.driver",
            "env.py uses as synchronous what is asynchronous, or the other way round",
        )
    else:
        return None
    cure = Cure(
        "alembic init --template async async_example",
        "writes an env.py that does it as Alembic means it: async_engine_from_config, one asyncio.run at the end, and "
        "`await connection.run_sync(do_run_migrations)`; take these over, and delete the folder",
    )
    return code, Case(_where(failure, project), message, cure)


def _importing(failure: events.Failure, project: ProjectConfig) -> _Told | None:
    """A module that is not there, or one of the project's own that raises while it is imported."""
    found = _MODULE.search(failure.message) if failure.type.endswith("ModuleNotFoundError") else None
    place = _place(failure)
    if found is not None:
        return "models.import", _missing_module(found[1], failure, project)
    env = project.script_location / "env.py"
    inside = place is not None and not Path(place[0]).is_relative_to(project.script_location)
    if not inside and failure.type not in (*_NOT_PYTHON, "builtins.ImportError"):
        return None
    via = [f"{match[1]}:{match[2]}" for each in failure.traceback if (match := _FRAME.match(each))]
    asked = next((each for each in via if each.startswith(f"{env}:")), "")
    message = "what env.py imports cannot be imported" if inside else "env.py cannot be imported"
    return "models.import", Case(_where(failure, project), message, _trace(project), {"imported_from": asked})


def _missing_module(name: str, failure: events.Failure, project: ProjectConfig) -> Case:
    first = name.partition(".")[0]
    message = f"there is no module {name}"
    folder = next(_holding(first, project), None)
    if folder is None:
        cure = Cure(f"python -c {shlex.quote(f'import {name}')}", "is quiet once the package that has it is installed")
        return Case(_where(failure, project), message, cure, {"module": name})
    relative = folder.relative_to(project.directory).as_posix() or "."
    evidence: dict[str, Value] = {"module": name, "found_in": str(folder)}
    if project.ini is None or not project.ini.is_relative_to(project.directory):
        cure = Cure(f"export PYTHONPATH={shlex.quote(str(folder))}", f"lets Python look for {first} in {relative}")
        return Case(_where(failure, project), message, cure, evidence)
    asked = f"s|^(script_location *=.*)|\\1\\nprepend_sys_path = {relative}|"
    command = f"sed -i -E {shlex.quote(asked)} {shlex.quote(str(project.ini))}"
    return Case(
        _where(failure, project), message, Cure(command, f"lets Alembic look for {first} in {relative}"), evidence
    )


def _holding(module: str, project: ProjectConfig) -> Iterator[Path]:
    """Folders of the project that have the module and are not looked into."""
    for folder in (project.directory, project.directory / "src", project.script_location.parent):
        here = folder.is_relative_to(project.directory)
        if here and ((folder / f"{module}.py").is_file() or (folder / module).is_dir()):
            yield folder


def _variable(failure: events.Failure, project: ProjectConfig) -> _Told | None:
    """An environment variable that env.py needs and that is not set."""
    place = _place(failure)
    if not failure.type.endswith("KeyError") or place is None or "environ" not in _line(*place):
        return None
    name = failure.message.strip("'\"")
    cure = Cure(f"export {name}=VALUE", "env.py finds what it asks for; how it was set elsewhere is for you to know")
    message = f"the environment variable {name} is not set"
    return "env.variable", Case(_where(failure, project), message, cure, {"variable": name})


def _application(failure: events.Failure, project: ProjectConfig) -> _Told | None:
    if not failure.message.startswith("Working outside of application context"):
        return None
    cure = Cure("db-migrate init", "writes the setting `around`, which env.py is run in: for Flask-Migrate `flask`")
    return "project.raised", Case(_where(failure, project), "env.py needs an application context", cure)


_EXPLAINED: tuple[_Explain, ...] = (_application, _driver, _percent, _dialect, _asynchronous, _variable, _importing)


def _anything(error: ChildError, project: ProjectConfig) -> _Told:
    command = error.next[0] if error.next else ""
    cure = Cure(command, "shows what is wrong") if command else _trace(project)
    return error.code, Case(_where(error.failure, project), error.message, cure)


def _trace(project: ProjectConfig) -> Cure:
    named = f" -c {shlex.quote(str(project.ini))}" if project.ini else ""
    return Cure(f"alembic{named} current", "shows the whole traceback; nothing can be told of the target before")
