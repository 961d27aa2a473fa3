"""Every connection that SQLAlchemy opens goes where it may, whatever the project says.

The place to turn it round is the driver's own connect function, since all ways lead there: a URL, ``connect_args``,
the project's ``do_connect`` listeners before or after anybody else's, ``creator=`` and ``async_creator=``. It is turned
only while a pool of SQLAlchemy is making a connection; a driver that is called behind SQLAlchemy's back is let be, and
meets the jail.
"""

from __future__ import annotations

import contextvars
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from types import ModuleType
from typing import Any, NoReturn

from db_migrate.project import events
from db_migrate.project.child.places import caller, importing
from db_migrate.project.secrets import remember

_KEPT_BY_LIBPQ = frozenset(
    {
        "application_name",
        "fallback_application_name",
        "options",
        "connect_timeout",
        "client_encoding",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    }
)
"""libpq parameters that do not say whom to talk to, nor how to prove who we are."""

_MOST_ATTEMPTS = 20

_CLEARED_FOR_ASYNCPG = frozenset(
    {"dsn", "passfile", "service", "servicefile", "target_session_attrs", "krbsrvname", "gsslib", "sslnegotiation"}
)

LIBPQ_VARIABLES: Mapping[str, str] = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "dbname",
    "PGSERVICE": "service",
    "PGOPTIONS": "options",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
}
"""What libpq takes from the environment when nobody says otherwise, and which a project may set half-way through."""


class NotConnecting(BaseException):
    """Raised out of a connect while we only learn where it would go. Not an ``Exception``: a retry loop would stay."""


@dataclass(slots=True)
class Redirect:
    """Where connections go in the current job.

    ``database``: libpq parameters of the database to go to, or None to leave connections alone. ``learning``: do not
    connect at all. ``targets``: what was asked for, in order.
    """

    database: Mapping[str, str] | None = None
    learning: bool = False
    targets: list[events.Target] = field(default_factory=list)
    enough: Callable[[], None] = lambda: None

    def refuse(self) -> NoReturn:
        """Do not connect. An env.py that catches everything and tries for ever is left after a while."""
        if len(self.targets) >= _MOST_ATTEMPTS:
            self.enough()
        raise NotConnecting


redirect = Redirect()
"""The current job's; the child does one job at a time."""

_dialect: contextvars.ContextVar[str | None] = contextvars.ContextVar("dialect", default=None)
"""The SQLAlchemy driver name of the pool that is making a connection in this context, if one is."""

tell_attempt: Callable[[events.Attempt], None] = lambda _attempt: None  # noqa: E731 - replaced once, by the main module


def connecting(driver: str) -> contextvars.Token[str | None]:
    """A pool of SQLAlchemy begins to make a connection."""
    return _dialect.set(driver)


def connected(token: contextvars.Token[str | None]) -> None:
    """It has made it, or failed."""
    _dialect.reset(token)


def _turn(parameters: dict[str, Any], rewrite: Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]]) -> Any:
    """The parameters to connect with in place of ``parameters``."""
    driver = _dialect.get()
    if driver is None:
        _tell_raw(parameters)
        return parameters
    remember(parameters.get("password"), parameters.get("user"), parameters.get("dbname"), parameters.get("database"))
    redirect.targets.append(
        events.Target(drivername=f"postgresql+{driver}", parameters=_plain(parameters), at_import=importing())
    )
    if redirect.learning:
        redirect.refuse()
    if redirect.database is None:
        return parameters
    for variable in LIBPQ_VARIABLES:
        os.environ.pop(variable, None)
    return rewrite(parameters, redirect.database)


def _tell_raw(parameters: Mapping[str, Any]) -> None:
    file, line = caller()
    host = parameters.get("host") or parameters.get("hostaddr") or os.environ.get("PGHOST", "")
    tell_attempt(events.Attempt(address=f"{host}:{parameters.get('port') or 5432}", file=file, line=line))


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` as JSON can carry them: what is not text, number or a list of them says only what it is."""
    return {key: _plain_value(value) for key, value in parameters.items() if value is not None}


def _plain_value(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain_value(item) for key, item in value.items()}
    return type(value).__name__


def _with_environment(parameters: dict[str, Any]) -> dict[str, Any]:
    """What libpq would really use: the environment, as the project has left it, fills what is not given."""
    given = {key: value for key, value in parameters.items() if value is not None}
    if "host" in given or redirect.database is not None:
        return given
    found = {key: os.environ[variable] for variable, key in LIBPQ_VARIABLES.items() if os.environ.get(variable)}
    return found | given


def _rewrite_libpq(parameters: dict[str, Any], database: Mapping[str, str]) -> dict[str, Any]:
    kept = {key: value for key, value in parameters.items() if key in _KEPT_BY_LIBPQ}
    return kept | dict(database)


def _rewrite_asyncpg(parameters: dict[str, Any], database: Mapping[str, str]) -> dict[str, Any]:
    kept = {key: value for key, value in parameters.items() if key not in _CLEARED_FOR_ASYNCPG}
    names = {"host": "host", "user": "user", "password": "password", "dbname": "database"}
    turned = {theirs: database.get(ours) for ours, theirs in names.items()}
    port = int(database["port"]) if "port" in database else None
    return kept | turned | {"port": port, "dsn": None, "ssl": False, "direct_tls": False}


def _rewrite_pg8000(parameters: dict[str, Any], database: Mapping[str, str]) -> dict[str, Any]:
    cleared = {"host", "port", "unix_sock", "source_address", "ssl_context", "password", "user", "database", "sock"}
    kept = {key: value for key, value in parameters.items() if key not in cleared}
    host, port = database.get("host", "localhost"), int(database.get("port", "5432"))
    where = {"unix_sock": f"{host}/.s.PGSQL.{port}"} if host.startswith("/") else {"host": host, "port": port}
    return kept | where | {ours: database.get(theirs) for ours, theirs in _PG8000_NAMES.items()}


_PG8000_NAMES = {"user": "user", "password": "password", "database": "dbname"}


def _patch_psycopg(module: Any) -> None:
    plain = module.Connection._get_connection_params.__func__
    waiting = module.AsyncConnection._get_connection_params.__func__

    def parameters(cls: Any, /, conninfo: str, **kwargs: Any) -> Any:
        return _turn(_with_environment(dict(plain(cls, conninfo, **kwargs))), _rewrite_libpq)

    async def parameters_async(cls: Any, /, conninfo: str, **kwargs: Any) -> Any:
        return _turn(_with_environment(dict(await waiting(cls, conninfo, **kwargs))), _rewrite_libpq)

    module.Connection._get_connection_params = classmethod(parameters)
    module.AsyncConnection._get_connection_params = classmethod(parameters_async)


def _patch_psycopg2(module: Any) -> None:
    connect = module._connect

    @wraps(connect)
    def turned(dsn: str, *args: Any, **kwargs: Any) -> Any:
        from psycopg2.extensions import make_dsn, parse_dsn

        parameters = _turn(_with_environment(dict(parse_dsn(dsn))), _rewrite_libpq)
        return connect(make_dsn(**parameters), *args, **kwargs)

    module._connect = turned


def _patch_asyncpg(module: Any) -> None:
    connect = module.connect_utils._connect

    @wraps(connect)
    async def turned(*, loop: Any, connection_class: Any, record_class: Any, **kwargs: Any) -> Any:
        given = {key: value for key, value in kwargs.items() if value is not None}
        parameters = _turn(given, _rewrite_asyncpg)
        arguments = {key: parameters.get(key) for key in kwargs}
        return await connect(loop=loop, connection_class=connection_class, record_class=record_class, **arguments)

    module.connect_utils._connect = turned


def _patch_pg8000(module: Any) -> None:
    # Two functions of that name, of which SQLAlchemy takes the first.
    for owner in (module, module.dbapi):
        owner.connect = _turned_pg8000(owner.connect)


def _turned_pg8000(connect: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect)
    def turned(user: str, *args: Any, **kwargs: Any) -> Any:
        names = ("host", "database", "port", "password")
        given = {"user": user} | dict(zip(names, args, strict=False)) | kwargs
        return connect(**_turn(given, _rewrite_pg8000))

    return turned


_PATCHES: dict[str, Callable[[Any], None]] = {
    "psycopg": _patch_psycopg,
    "psycopg2": _patch_psycopg2,
    "asyncpg": _patch_asyncpg,
    "pg8000": _patch_pg8000,
}


class _Watcher:
    """An import hook that patches a driver as soon as it has been imported."""

    def __init__(self) -> None:
        self._busy: set[str] = set()

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        """The module's own spec, with a loader that patches after it has loaded."""
        if name not in _PATCHES or name in self._busy:
            return None
        self._busy.add(name)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            _patch_after(spec.loader, _PATCHES[name])
        return spec


def _patch_after(loader: Any, patch: Callable[[Any], None]) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        patch(module)

    loader.exec_module = exec_module


def watch() -> None:
    """Patch each PostgreSQL driver when the project imports it; ours is loaded before any of the user's code."""
    sys.meta_path.insert(0, _Watcher())
