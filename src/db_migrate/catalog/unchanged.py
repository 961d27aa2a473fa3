"""Whether a database's schema is still the one that was read: one digest of which versions of which rows there are.

PostgreSQL never changes a row of ``pg_catalog`` in place, except for planner's and vacuum's numbers that no query of
ours reads ("heap_inplace_update" in ``src/backend/access/heap/README.tuplock``). Every other change writes a new
version of the row, at another place (``ctid``) or by another transaction (``xmin``). So the same places and
transactions, in the same database of the same run of the same server, are the same schema; asking for them takes a
small part of the time that printing the schema does.
"""

from __future__ import annotations

import hashlib

from db_migrate.catalog.reader import RunText

_OLDEST = 14
"""The first major version with the hash functions that this needs (release notes of 14)."""

_TABLES = """
SELECT string_agg(c.oid::regclass::text, ' ' ORDER BY c.relname) FROM pg_class c
 WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')
   AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject')
"""
"""The catalogs that the role may read, without those that hold data."""

_ROWS = "(SELECT count(*) || ' ' || coalesce(bit_xor(hashtidextended(ctid, xmin::text::bigint)), 0) FROM {})"

_AROUND = """
SELECT jsonb_build_array(
  (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), current_user,
  extract(epoch FROM pg_postmaster_start_time()), current_setting('server_version_num'),
  (SELECT bit_xor(hashtextextended(r::text, 0)) FROM pg_roles r),
  (SELECT bit_xor(hashtextextended(m::text, 0)) FROM (SELECT umid, umuser, srvid FROM pg_user_mappings) m),
  (SELECT bit_xor(hashtextextended(s::text, 0)) FROM (SELECT oid, subdbid, subname FROM pg_subscription) s),
  (SELECT bit_xor(hashtextextended(name || ' ' || setting, 0)) FROM pg_settings)
)::text
"""
"""The database, the server's run, who may read what, what stands in catalogs that only superusers may read whole, and
the settings that decide how PostgreSQL prints things.

The time of the server's start tells copies of one server apart, which number their transactions alike.
"""


def state_of_schema(run: RunText, server_version: int) -> str | None:
    """A digest that stays the same only while the schema and the settings do that it is printed with.

    ``run`` is what ``read_catalog`` takes. None where nobody can tell: before PostgreSQL 14.
    """
    if server_version // 10000 < _OLDEST:
        return None
    tables = run(_TABLES).split()
    rows = run(f"SELECT concat_ws(';', {', '.join(_ROWS.format(table) for table in tables)})")
    return hashlib.sha256(f"{run(_AROUND)} {tables} {rows}".encode()).hexdigest()
