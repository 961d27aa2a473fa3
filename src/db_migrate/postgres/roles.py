"""Roles, which belong to a server and not to a database: what a schema names, made again on scratch.

Facts: ``pg_roles``, ``pg_auth_members`` and ``pg_shdepend`` can be read by everyone. Objects of the bootstrap
superuser (number 10) leave no trace in ``pg_shdepend``, so it is always among those read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db_migrate.postgres.ownership import is_alive, is_own, own_mark
from db_migrate.postgres.upkeep import upkeep

if TYPE_CHECKING:
    import psycopg

    from db_migrate.postgres.server import Server


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role's attributes, without login and password; ``admin_of`` are those of ``member_of`` it may grant."""

    name: str
    superuser: bool = False
    createdb: bool = False
    createrole: bool = False
    inherit: bool = True
    bypassrls: bool = False
    member_of: tuple[str, ...] = ()
    admin_of: tuple[str, ...] = ()


_READ_ROLES = """
WITH RECURSIVE needed AS (
  SELECT d.refobjid AS oid
  FROM pg_catalog.pg_shdepend AS d
  WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
    AND d.dbid IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
    AND (d.dbid <> 0 OR d.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
         AND d.objid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
  UNION SELECT 10::pg_catalog.oid
  UNION SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname IN (CURRENT_USER, SESSION_USER)
  UNION SELECT m.roleid FROM pg_catalog.pg_auth_members AS m JOIN needed AS n ON n.oid = m.member
)
SELECT r.rolname, r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolinherit, r.rolbypassrls,
       ARRAY(SELECT DISTINCT g.rolname::text FROM pg_catalog.pg_auth_members AS m
             JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1),
       ARRAY(SELECT DISTINCT g.rolname::text FROM pg_catalog.pg_auth_members AS m
             JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid WHERE m.member = r.oid AND m.admin_option ORDER BY 1)
FROM pg_catalog.pg_roles AS r
WHERE r.oid IN (SELECT oid FROM needed) AND r.rolname !~ '^pg_'
ORDER BY r.rolname
"""


def read_roles(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[RoleSpec, ...]:
    """The roles that this database's objects, privileges and policies name, those who run here, and their groups."""
    rows = connection.execute(_READ_ROLES).fetchall()
    return tuple(
        RoleSpec(
            name=str(name),
            superuser=bool(superuser),
            createdb=bool(createdb),
            createrole=bool(createrole),
            inherit=bool(inherit),
            bypassrls=bool(bypassrls),
            member_of=_names(member_of),
            admin_of=_names(admin_of),
        )
        for name, superuser, createdb, createrole, inherit, bypassrls, member_of, admin_of in rows
    )


def _names(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)  # a text[]
    return tuple(str(name) for name in value)


def ensure_roles(
    connection: psycopg.Connection[tuple[object, ...]], specs: Iterable[RoleSpec], *, login: str | None = None
) -> tuple[str, ...]:
    """Make the roles exist on scratch with exactly these attributes and memberships.

    They stay while this process lives or something depends on them. All are NOLOGIN but ``login``, which the revision
    runs as. Returns memberships, as ``"ROLE in GROUP"``, that cannot be made since the group is a predefined role that
    this server's version does not have. ``connection`` must be a superuser's.
    """
    wanted = {spec.name: spec for spec in specs}
    with connection.transaction():
        # Cluster-wide: two processes that make the same role at once would both find it missing.
        connection.execute("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE")
        claims = {str(name): _claims(comment) for name, comment in connection.execute(_ROLE_COMMENTS).fetchall()}
        for spec in wanted.values():
            _ensure_role(connection, spec, exists=spec.name in claims, login=spec.name == login)
            _claim(connection, spec.name, claims.get(spec.name, ()))
        return _ensure_memberships(connection, wanted, set(claims) | set(wanted))


def _ensure_role(
    connection: psycopg.Connection[tuple[object, ...]], spec: RoleSpec, *, exists: bool, login: bool
) -> None:
    from psycopg import sql

    flags = {
        "SUPERUSER": spec.superuser,
        "CREATEDB": spec.createdb,
        "CREATEROLE": spec.createrole,
        "INHERIT": spec.inherit,
        "BYPASSRLS": spec.bypassrls,
    }
    if login or not exists:
        # Never taken away again: another process may be about to log in as it.
        flags["LOGIN"] = login
    attributes = " ".join(word if on else f"NO{word}" for word, on in flags.items())
    verb = "ALTER" if exists else "CREATE"
    statement = sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(spec.name), sql.SQL(attributes))
    connection.execute(statement)


_ROLE_COMMENTS = """
SELECT rolname, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles
"""


def _claims(comment: object) -> tuple[str, ...]:
    """The processes that need a role: its comment lists their marks."""
    return tuple(str(comment).split()) if comment else ()


def _claim(connection: psycopg.Connection[tuple[object, ...]], name: str, claims: tuple[str, ...]) -> None:
    from psycopg import sql

    marks = " ".join([*(mark for mark in claims if is_alive(mark) and not is_own(mark)), own_mark()])
    connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(name), sql.Literal(marks)))


_MEMBERSHIPS = """
SELECT m.rolname, g.rolname, pg_catalog.bool_or(a.admin_option)
FROM pg_catalog.pg_auth_members AS a
JOIN pg_catalog.pg_roles AS m ON m.oid = a.member JOIN pg_catalog.pg_roles AS g ON g.oid = a.roleid
WHERE m.rolname = ANY (%s) GROUP BY 1, 2
"""


def _ensure_memberships(
    connection: psycopg.Connection[tuple[object, ...]], wanted: Mapping[str, RoleSpec], existing: set[str]
) -> tuple[str, ...]:
    from psycopg import sql

    rows = connection.execute(_MEMBERSHIPS, [list(wanted)]).fetchall()
    present = {(str(member), str(group)): bool(admin) for member, group, admin in rows}
    needed = {(spec.name, group): group in spec.admin_of for spec in wanted.values() for group in spec.member_of}
    for member, group in present.keys() - {key for key, admin in needed.items() if present.get(key) == admin}:
        revoke = sql.SQL("REVOKE {} FROM {} CASCADE")
        connection.execute(revoke.format(sql.Identifier(group), sql.Identifier(member)))
    impossible = []
    for (member, group), admin in needed.items():
        if group not in existing:
            impossible.append(f"{member} in {group}")
        elif present.get((member, group)) != admin:
            grant = sql.SQL("GRANT {} TO {} WITH ADMIN OPTION" if admin else "GRANT {} TO {}")
            connection.execute(grant.format(sql.Identifier(group), sql.Identifier(member)))
    return tuple(impossible)


_UNUSED_ROLES = """
SELECT r.rolname, pg_catalog.shobj_description(r.oid, 'pg_authid')
FROM pg_catalog.pg_roles AS r
WHERE r.rolname !~ '^pg_' AND r.oid <> 10
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_shdepend AS d
                  WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = r.oid)
"""


_HELD_BY = """
SELECT pg_catalog.shobj_description(r.oid, 'pg_authid'),
       ARRAY(SELECT DISTINCT b.datname::text FROM pg_catalog.pg_shdepend AS d
             JOIN pg_catalog.pg_database AS b ON b.oid = CASE d.dbid WHEN 0 THEN d.objid ELSE d.dbid END
             WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = r.oid ORDER BY 1)
FROM pg_catalog.pg_roles AS r WHERE r.rolname = %s
"""


@dataclass(frozen=True, slots=True)
class Held:
    """Who needs a role: whether a target has it (``claimed``), and the databases where something depends on it."""

    claimed: bool
    databases: tuple[str, ...]


def holders(connection: psycopg.Connection[tuple[object, ...]], name: str) -> Held | None:
    """Who needs a role; None where there is none of this name."""
    found = connection.execute(_HELD_BY, [name]).fetchone()
    if found is None:
        return None
    return Held(any(is_alive(mark) for mark in _claims(found[0])), _names(found[1]))


def drop_role(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    """Drop a role, unless something depends on it; whether it is gone."""
    with connection.transaction():
        return _drop_role(connection, name)


def reset_roles(server: Server) -> tuple[str, ...]:
    """Remove the roles that this process's or ended processes' scratch work made; returns their names.

    So a revision with CREATE ROLE does not find what an earlier run made. Roles stay that a database depends on, or
    another process that is alive, or may: those that revisions made, while another process has a scratch database.
    """
    with upkeep(server) as connection:
        return _forget_roles(connection, own=True)


def forget_unclaimed_roles(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[str, ...]:
    """As ``reset_roles``, but leaving alone what this process has asked for; on the superuser's ``connection``."""
    return _forget_roles(connection, own=False)


def _forget_roles(connection: psycopg.Connection[tuple[object, ...]], *, own: bool) -> tuple[str, ...]:
    with connection.transaction():
        connection.execute("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE")
        databases = connection.execute("SELECT datname FROM pg_catalog.pg_database").fetchall()
        others = any(is_alive(str(name)) and not (own and is_own(str(name))) for (name,) in databases)
        unused = [
            str(name)
            for name, comment in connection.execute(_UNUSED_ROLES).fetchall()
            if not _claimed(_claims(comment), own=own, others=others)
        ]
        return tuple(name for name in unused if _drop_role(connection, name))


def _drop_role(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    from psycopg import errors, sql

    try:
        with connection.transaction():
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    except errors.DependentObjectsStillExist:
        # Somebody has given it an object since we looked.
        return False
    return True


def _claimed(claims: tuple[str, ...], *, own: bool, others: bool) -> bool:
    """Whether a role with these claims may be in use. One without any, a revision made."""
    if not claims:
        return others
    return any(is_alive(mark) and not (own and is_own(mark)) for mark in claims)
