"""Where the connections of the current job go: what each driver's connect function is asked before it connects.

A connection is turned round only while a pool of SQLAlchemy is making it. One that is made behind SQLAlchemy's back is
let be: the kernel refuses it, and where the kernel cannot, this module does.
"""

from __future__ import annotations

import contextvars
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from db_migrate.project import events
from db_migrate.project.child.places import caller, importing
from db_migrate.project.secrets import remember

Parameters = dict[str, Any]
Rewrite = Callable[[Parameters, Mapping[str, str]], Parameters]
"""A driver's parameters, and libpq-like ones of the database to go to, in; the driver's parameters for that, out."""

_MOST_ATTEMPTS = 20

_VARIABLES: Mapping[str, str] = {
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
    connect at all. ``targets``: what was asked for, in order. ``tell`` sends an event to the parent. ``guards_raw``:
    nothing else stops a driver that is called directly, since its C code connects unseen by an audit hook. ``only``:
    which of ``targets`` are the database that is meant; None where all are. ``tables``: likewise the version tables.
    """

    database: Mapping[str, str] | None = None
    learning: bool = False
    targets: list[events.Target] = field(default_factory=list)
    tell: Callable[[events.Event], None] = lambda _event: None
    enough: Callable[[], None] = lambda: None
    guards_raw: bool = False
    only: tuple[int, ...] | None = None
    tables: tuple[tuple[str, str, str], ...] | None = None

    def begin(self, database: Mapping[str, str] | None, *, learning: bool) -> None:
        """A new job begins."""
        self.database, self.learning = database, learning
        self.targets.clear()

    def is_meant(self, connection: int | None) -> bool:
        """Whether a connection of this number is to the database that is meant."""
        places = (place for place, each in enumerate(self.targets) if each.connection == connection)
        return self.only is None or connection is None or next(places, None) in self.only

    def refuse(self) -> NoReturn:
        """Do not connect. An env.py that catches everything and tries for ever is left after a while."""
        if len(self.targets) >= _MOST_ATTEMPTS:
            self.enough()
        raise NotConnecting


redirect = Redirect()
"""The current job's; the child does one job at a time."""

_driver: contextvars.ContextVar[str | None] = contextvars.ContextVar("driver", default=None)
"""SQLAlchemy's name of the driver with which a pool is making a connection in this context, if one is."""


@contextmanager
def pool_connects(driver: str) -> Iterator[None]:
    """A pool of SQLAlchemy makes a connection. What libpq would read from the environment is back afterwards."""
    before = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    token = _driver.set(driver)
    try:
        yield
    finally:
        _driver.reset(token)
        os.environ.update({name: value for name, value in before.items() if name not in os.environ})


def turned(parameters: Parameters, rewrite: Rewrite) -> Parameters:
    """The parameters to connect with in place of ``parameters``. Raises ``NotConnecting`` where we only learn."""
    given = {key: value for key, value in parameters.items() if value is not None}
    driver = _driver.get()
    if driver is None:
        _raw(given)
        return parameters
    remember(given.get("password"), given.get("user"), given.get("dbname"), given.get("database"))
    wanted = _with_environment(given) if redirect.learning else given
    redirect.targets.append(
        events.Target(drivername=f"postgresql+{driver}", parameters=_plain(wanted), at_import=importing())
    )
    if redirect.learning:
        redirect.refuse()
    if redirect.database is None:
        return parameters
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    return rewrite(given, redirect.database)


def _raw(parameters: Parameters) -> None:
    """Code connects behind SQLAlchemy's back: say where, and stop it if nobody else can."""
    file, line = caller()
    host = parameters.get("hostaddr") or parameters.get("host") or os.environ.get("PGHOST") or "localhost"
    address = f"{host}:{parameters.get('port') or os.environ.get('PGPORT') or 5432}"
    if redirect.guards_raw and (redirect.learning or redirect.database is not None):
        redirect.tell(events.Refused(address=address, by="python", file=file, line=line))
        raise PermissionError(errno.EACCES, f"db-migrate lets this process reach only its database, not {address}")
    redirect.tell(events.Attempt(address=address, file=file, line=line))


def _with_environment(given: Parameters) -> Parameters:
    """What libpq would really use: the environment, as the project has left it, fills what is not given.

    An address from the environment belongs to a host from there too; a service says all the rest.
    """
    found = {key: os.environ[name] for name, key in _VARIABLES.items() if os.environ.get(name)}
    if "host" in given:
        found.pop("hostaddr", None)
    if service := given.get("service") or found.get("service"):
        found = {"service": service}
    return found | given


def _plain(parameters: Parameters) -> Parameters:
    """``parameters`` as JSON can carry them: what is not text, number or a list of them says only what it is."""
    return {str(key): _plain_value(value) for key, value in parameters.items()}


def _plain_value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    return _plain(value) if isinstance(value, dict) else type(value).__name__
