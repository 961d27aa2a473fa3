"""Asks ``redirect`` in each driver's own connect function where to go.

That is the place since all ways lead there: a URL, ``connect_args``, the project's ``do_connect`` listeners before or
after anybody else's, ``creator=`` and ``async_creator=``.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

from db_migrate.project.child.redirect import Parameters, turned

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

_CLEARED_FOR_ASYNCPG = frozenset(
    {"dsn", "passfile", "service", "servicefile", "target_session_attrs", "krbsrvname", "gsslib", "sslnegotiation"}
)
_CLEARED_FOR_PG8000 = frozenset(
    {"host", "port", "unix_sock", "source_address", "ssl_context", "password", "user", "database", "sock"}
)


def _for_libpq(given: Parameters, database: Mapping[str, str]) -> Parameters:
    return {key: value for key, value in given.items() if key in _KEPT_BY_LIBPQ} | dict(database)


def _for_asyncpg(given: Parameters, database: Mapping[str, str]) -> Parameters:
    kept = {key: value for key, value in given.items() if key not in _CLEARED_FOR_ASYNCPG}
    names = {"host": "host", "user": "user", "password": "password", "dbname": "database"}
    turned_to = {theirs: database.get(ours) for ours, theirs in names.items()}
    port = int(database["port"]) if "port" in database else None
    return kept | turned_to | {"port": port, "dsn": None, "ssl": False, "direct_tls": False}


def _for_pg8000(given: Parameters, database: Mapping[str, str]) -> Parameters:
    kept = {key: value for key, value in given.items() if key not in _CLEARED_FOR_PG8000}
    host, port = database.get("host", "localhost"), int(database.get("port", "5432"))
    where = {"unix_sock": f"{host}/.s.PGSQL.{port}"} if host.startswith("/") else {"host": host, "port": port}
    names = {"user": "user", "password": "password", "dbname": "database"}
    return kept | where | {theirs: database.get(ours) for ours, theirs in names.items()}


def _patch_psycopg(module: Any) -> None:
    plain = module.Connection._get_connection_params.__func__
    waiting = module.AsyncConnection._get_connection_params.__func__

    def parameters(cls: Any, /, conninfo: str, **kwargs: Any) -> Any:
        return turned(dict(plain(cls, conninfo, **kwargs)), _for_libpq)

    async def parameters_async(cls: Any, /, conninfo: str, **kwargs: Any) -> Any:
        return turned(dict(await waiting(cls, conninfo, **kwargs)), _for_libpq)

    module.Connection._get_connection_params = classmethod(parameters)
    module.AsyncConnection._get_connection_params = classmethod(parameters_async)


def _patch_psycopg2(module: Any) -> None:
    connect = module._connect

    @wraps(connect)
    def connect_turned(dsn: str, *args: Any, **kwargs: Any) -> Any:
        extensions = module.extensions
        return connect(extensions.make_dsn(**turned(extensions.parse_dsn(dsn), _for_libpq)), *args, **kwargs)

    module._connect = connect_turned


def _patch_asyncpg(module: Any) -> None:
    connect = module.connect_utils._connect

    @wraps(connect)
    async def connect_turned(*, loop: Any, connection_class: Any, record_class: Any, **kwargs: Any) -> Any:
        parameters = turned(kwargs, _for_asyncpg)
        # Versions differ in the parameters that they know; all of theirs are in kwargs.
        known = {key: parameters.get(key) for key in kwargs}
        return await connect(loop=loop, connection_class=connection_class, record_class=record_class, **known)

    module.connect_utils._connect = connect_turned


def _patch_pg8000(module: Any) -> None:
    # Two functions of that name, of which SQLAlchemy takes the first.
    for owner in (module, module.dbapi):
        owner.connect = _pg8000_turned(owner.connect)


def _pg8000_turned(connect: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect)
    def connect_turned(user: str, *args: Any, **kwargs: Any) -> Any:
        names = ("host", "database", "port", "password")
        return connect(**turned({"user": user} | dict(zip(names, args, strict=False)) | kwargs, _for_pg8000))

    return connect_turned


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
    """Patch each PostgreSQL driver when the project imports it; called before any of the user's code is loaded."""
    sys.meta_path.insert(0, _Watcher())
