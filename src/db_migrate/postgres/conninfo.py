"""How a database is addressed, whatever spelled it: a SQLAlchemy URL, a libpq URI or keyword string, driver arguments.

Facts: libpq's parameters and environment variables are in the PostgreSQL documentation, "Database Connection Control
Functions" and "Environment Variables".
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, Unpack
from urllib.parse import unquote

from db_migrate.errors import ConfigurationError
from db_migrate.home import home, is_there
from db_migrate.postgres.redact import redact

DEFAULT_PORT = 5432

_ENVIRONMENT: Mapping[str, str] = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""Parameters that libpq reads from the environment when they are not given, and that change whom we talk to."""

_KEPT_OPTIONS = frozenset(_ENVIRONMENT) - {"host", "port", "user", "password", "dbname", "service"} | {
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "require_auth",
    "sslpassword",
    "sslsni",
    "krbsrvname",
}
"""Connection parameters beside the five that name a database, which a session of ours has to use as well."""

SECRETS = ("dsn", "conninfo", "sslpassword")
"""Parameters that are secret, or may contain what is, beside the password."""

NAMES = (_KEPT_OPTIONS | frozenset(_ENVIRONMENT) | {"username", "database", "db", "ssl"}) - {"password", *SECRETS}
"""Parameters, by libpq's names and drivers' own, that say which database it is and how to reach it."""

_PATIENCE = "10"

_SOCKET_DIRECTORIES = ("/var/run/postgresql", "/run/postgresql", "/private/tmp", "/tmp")


class _Address(TypedDict, total=False):
    host: str
    port: int
    user: str
    password: str | None
    dbname: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConnInfo:
    """The address of one database on one server, and as whom to connect.

    ``host`` is a host name, an address, or the directory of a Unix socket; ``options`` are further libpq parameters
    such as ``sslmode``. The password is not part of the representation.
    """

    host: str
    port: int = DEFAULT_PORT
    user: str = ""
    password: str | None = field(default=None, repr=False)
    dbname: str = ""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def from_url(cls, url: str) -> ConnInfo:
        """The database that ``url`` names: SQLAlchemy URL, libpq URI or ``key=value`` string.

        What it leaves out is filled from the environment as libpq does. Raises ``ConfigurationError``
        (``connect.url``, ``connect.multi-host``, ``connect.service``), never with the password in it.
        """
        return from_parameters(_parse(url), where=redact(url))

    @classmethod
    def from_sqlalchemy_params(cls, drivername: str, cparams: Mapping[str, object]) -> ConnInfo:
        """The database that a DBAPI driver would connect to when given ``cparams``, as ``do_connect`` sees them."""
        parameters: dict[str, str] = {}
        for dsn in (cparams.get("dsn"), cparams.get("conninfo")):
            if isinstance(dsn, str) and dsn:
                parameters |= _parse(dsn)
        for key, value in cparams.items():
            if key in ("dsn", "conninfo") or value is None:
                continue
            if key == "ssl":
                parameters.setdefault("sslmode", _sslmode(value))
            elif isinstance(value, list | tuple) and key in ("host", "port"):
                parameters[key] = ",".join(str(item) for item in value)
            elif isinstance(value, str | int | os.PathLike):
                parameters[_libpq_name(key)] = str(value)
        return from_parameters(parameters, where=f"the parameters of {drivername}")

    def as_libpq(self) -> dict[str, str]:
        """The connection parameters under libpq's names, the password included where there is one."""
        parameters = {"host": self.host, "port": str(self.port), "user": self.user, "dbname": self.dbname}
        if self.password is not None:
            parameters["password"] = self.password
        return {**self.options, **{key: value for key, value in parameters.items() if value}}

    def dsn(self) -> str:
        """A libpq connection string. It contains the password: never print it."""
        return " ".join(f"{key}={_quoted(value)}" for key, value in self.as_libpq().items())

    def url(self, drivername: str = "postgresql") -> str:
        """A SQLAlchemy URL for ``drivername``. It contains the password: never print it."""
        from sqlalchemy.engine import URL

        socket = self.host.startswith("/")
        query = {"host": self.host} if socket else {}
        if "asyncpg" not in drivername:
            query |= self.options
        elif "sslmode" in self.options:
            query["ssl"] = self.options["sslmode"]
        url = URL.create(
            drivername, self.user or None, self.password, None if socket else self.host, self.port, self.dbname, query
        )
        return url.render_as_string(hide_password=False)

    def redacted(self) -> str:
        """The address for people: ``user@host:port/dbname``, without password and options."""
        return f"{self.user}@{self.host}:{self.port}/{self.dbname}"

    def replace(self, **changes: Unpack[_Address]) -> ConnInfo:
        """The same address with ``changes``."""
        return replace(self, **changes)

    def same_server(self, other: ConnInfo) -> bool:
        """Whether both addresses name one server, as far as can be told without connecting."""
        return (_canonical(self.host), self.port) == (_canonical(other.host), other.port)


def from_parameters(given: Mapping[str, str], *, where: str = "") -> ConnInfo:
    """The address that libpq would use for ``given``: service file, then environment, then defaults fill the rest.

    Raises ``ConfigurationError`` when several hosts are named, a port is not a number or a service is not found.
    """
    parameters = dict(given)
    parameters |= {key: value for key, value in _service(parameters).items() if key not in parameters}
    for key, variable in _ENVIRONMENT.items():
        # An address from the environment belongs to a host from the environment, not to one that is spelled out.
        if key == "hostaddr" and "host" in given:
            continue
        value = os.environ.get(variable)
        if value and key not in parameters:
            parameters[key] = value
    _refuse_several_hosts(parameters, where)
    port = _port(parameters.get("port", ""), where)
    user = parameters.get("user") or _operating_system_user()
    return ConnInfo(
        host=parameters.get("host") or parameters.get("hostaddr") or _default_host(port),
        port=port,
        user=user,
        password=parameters.get("password") or None,
        dbname=parameters.get("dbname") or user,
        options={key: value for key, value in parameters.items() if key in _KEPT_OPTIONS and value},
    )


def _parse(url: str) -> dict[str, str]:
    """The parameters that ``url`` spells out, under libpq's names."""
    if not url.strip():
        raise _unreadable(url)
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _parse_libpq(url)
    if "+" not in scheme and "," not in rest:
        try:
            return _parse_libpq(url)
        except ConfigurationError:
            return _parse_sqlalchemy(url)
    return _parse_sqlalchemy(url) if "+" in scheme else _parse_libpq(url)


def _parse_libpq(text: str) -> dict[str, str]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        return {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
    except ProgrammingError as error:
        raise _unreadable(text) from error


_PLAIN_URL = re.compile(
    r"postgres(?:ql)?\+\w+://(?:(?P<user>[^:/@?]+)(?::(?P<password>[^:/@?]+))?@)?"
    r"(?P<host>[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]+))?/(?P<dbname>[^/%?\s]+)"
)
"""What SQLAlchemy reads in the same way; a command that only looks needs it for nothing else."""


def _parse_sqlalchemy(text: str) -> dict[str, str]:
    if plain := _PLAIN_URL.fullmatch(text):
        found = {key: unquote(value) for key, value in plain.groupdict().items() if value is not None}
        return found | ({"port": str(int(found["port"]))} if "port" in found else {})
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not chained: SQLAlchemy's message repeats the URL with its password.
        raise _unreadable(text) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError(
            "connect.url",
            f"{url.get_backend_name()} is not PostgreSQL",
            why="db-migrate works with PostgreSQL only",
            where=redact(text),
        )
    named = {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database}
    parameters = {key: str(value) for key, value in named.items() if value is not None and value != ""}
    for key, value in url.query.items():
        text_value = value if isinstance(value, str) else ",".join(value)
        if key == "ssl":
            parameters["sslmode"] = _sslmode(text_value)
        elif key == "host":
            parameters |= _hosts_of_query(text_value)
        else:
            parameters[_libpq_name(key)] = text_value
    return parameters


def _hosts_of_query(value: str) -> dict[str, str]:
    """``?host=name:port``, which SQLAlchemy reads beside ``?host=name`` and ``?host=/directory``."""
    host, colon, port = value.rpartition(":")
    if colon and port.isdigit() and not value.startswith("/"):
        return {"host": host, "port": port}
    return {"host": value}


def _unreadable(text: str) -> ConfigurationError:
    return ConfigurationError(
        "connect.url",
        "the database URL cannot be read",
        why="it is neither a SQLAlchemy URL nor a libpq connection string; characters such as @ / % in a user name or "
        "a password must be percent-encoded",
        where=redact(text),
        next=["db-migrate config"],
    )


def _libpq_name(key: str) -> str:
    return {"database": "dbname", "username": "user", "db": "dbname"}.get(key, key)


def _sslmode(value: object) -> str:
    """asyncpg's and pg8000's ``ssl`` argument as libpq's ``sslmode``."""
    if isinstance(value, bool):
        return "require" if value else "disable"
    if isinstance(value, str):
        return {"true": "require", "1": "require", "false": "disable", "0": "disable"}.get(value.lower(), value)
    return "require"  # an ssl.SSLContext


def _refuse_several_hosts(parameters: Mapping[str, str], where: str) -> None:
    if any("," in parameters.get(key, "") for key in ("host", "hostaddr", "port")):
        raise ConfigurationError(
            "connect.multi-host",
            "the database URL names several hosts",
            why="which of them is the target must not be left to chance",
            where=where,
            next=["db-migrate --url postgresql://USER@PRIMARY/DATABASE status"],
        )


def _port(text: str, where: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigurationError("connect.url", f"{text!r} is not a port number", where=where)
    return int(text)


def _operating_system_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return os.environ.get("USER", "")


def _default_host(port: int) -> str:
    for directory in _SOCKET_DIRECTORIES:
        if Path(directory, f".s.PGSQL.{port}").exists():
            return directory
    return "localhost"


def _canonical(host: str) -> str:
    if host.startswith("/"):
        return os.path.realpath(host)
    return {"127.0.0.1": "localhost", "::1": "localhost"}.get(host.lower(), host.lower())


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _service_files() -> Iterable[Path]:
    if "PGSERVICEFILE" in os.environ:
        yield Path(os.environ["PGSERVICEFILE"])
    else:
        yield home() / ".pg_service.conf"
    yield Path(os.environ.get("PGSYSCONFDIR", "/etc/postgresql-common"), "pg_service.conf")


def _service(parameters: Mapping[str, str]) -> dict[str, str]:
    """What the connection service file says about the service that is asked for, if one is."""
    name = parameters.get("service") or os.environ.get("PGSERVICE", "")
    if not name:
        return {}
    for path in _service_files():
        if is_there(path) and path.is_file() and (found := _section(path.read_text(), name)) is not None:
            return found
    raise ConfigurationError(
        "connect.service",
        f"the connection service {name!r} is not defined",
        where=", ".join(map(str, _service_files())),
    )


def _section(text: str, name: str) -> dict[str, str] | None:
    found: dict[str, str] | None = None
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{name}]"
            found = {} if inside and found is None else found
        elif inside and found is not None and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key.strip(), value.strip())
    return found


def connect_timeout_given() -> str:
    """How many seconds a server gets to let us in where an address does not say: PGCONNECT_TIMEOUT, else 10."""
    return os.environ.get("PGCONNECT_TIMEOUT") or _PATIENCE
