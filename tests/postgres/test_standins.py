"""The stand-ins for pgcrypto and uuid-ossp have the real ones' signatures and, where they answer, their answers."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection, errors

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect
from db_migrate.postgres.standins import standins_used

SIGNATURES = """
SELECT p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), p.provolatile,
       p.proisstrict, p.proparallel, p.proretset
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid WHERE e.extname = %s AND p.proname NOT LIKE '%%standin%%' ORDER BY 1, 2
"""


def signatures(conninfo: ConnInfo, extension: str, version: str) -> list[tuple[object, ...]]:
    """What functions an extension makes, after making it."""
    with contextlib.closing(connect(conninfo)) as connection:
        connection.execute(f"CREATE EXTENSION \"{extension}\" VERSION '{version}'".encode())
        return connection.execute(SIGNATURES, [extension]).fetchall()


@pytest.mark.parametrize(("extension", "version"), [("pgcrypto", "1.3"), ("uuid-ossp", "1.1")])
def test_a_standin_has_the_signatures_of_the_real_one(
    database: ConnInfo, database15: ConnInfo, extension: str, version: str
) -> None:
    """Names, arguments, results, volatility, strictness and parallel safety are those of Debian's real extension."""
    real = signatures(database15, extension, version)
    assert signatures(database, extension, version) == real
    assert len(real) >= 10


def test_standins_are_reported_and_real_extensions_are_not(database: ConnInfo, database15: ConnInfo) -> None:
    """A database that uses a stand-in can be told from one that uses the real extension."""
    with contextlib.closing(connect(database)) as connection:
        assert standins_used(connection) == []
        connection.execute(
            'CREATE SCHEMA elsewhere; CREATE EXTENSION pgcrypto SCHEMA elsewhere; CREATE EXTENSION "uuid-ossp"'
        )
        assert standins_used(connection) == ["pgcrypto", "uuid-ossp"]
    with contextlib.closing(connect(database15)) as connection:
        connection.execute('CREATE EXTENSION pgcrypto; CREATE EXTENSION "uuid-ossp"')
        assert standins_used(connection) == []


@pytest.fixture(scope="module")
def standins(server: Server) -> Iterator[Connection[tuple[object, ...]]]:
    """A connection to a database that has both."""
    with scratch_database(server) as database, contextlib.closing(connect(database)) as connection:
        connection.execute('CREATE EXTENSION pgcrypto; CREATE EXTENSION "uuid-ossp"')
        yield connection


def scalar(connection: Connection[tuple[object, ...]], query: str, *values: object) -> object:
    """The one value that ``query`` gives."""
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300), algorithm=st.sampled_from(["md5", "sha1", "SHA224", "sha256", "sha384", "sha512"]))
def test_digests_are_the_real_ones(standins: Connection[tuple[object, ...]], data: bytes, algorithm: str) -> None:
    """digest() computes each algorithm as Python does, in any case of its name."""
    assert (
        scalar(standins, "SELECT digest(%s::bytea, %s)", data, algorithm)
        == hashlib.new(algorithm.lower(), data).digest()
    )


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=100), key=st.binary(max_size=200), algorithm=st.sampled_from(["md5", "sha1", "sha512"]))
def test_hmacs_are_the_real_ones(
    standins: Connection[tuple[object, ...]], data: bytes, key: bytes, algorithm: str
) -> None:
    """hmac() is right for keys shorter and longer than a block."""
    assert scalar(standins, "SELECT hmac(%s::bytea, %s::bytea, %s)", data, key, algorithm) == hmac.digest(
        key, data, algorithm
    )


NAMES = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=80)


@settings(max_examples=30, deadline=None)
@given(name=NAMES)
def test_identifiers_made_from_names_are_the_real_ones(standins: Connection[tuple[object, ...]], name: str) -> None:
    """Versions 3 and 5 are as Python computes them, letters beyond ASCII included."""
    assert scalar(standins, "SELECT uuid_generate_v3(uuid_ns_dns(), %s)", name) == uuid.uuid3(uuid.NAMESPACE_DNS, name)
    assert scalar(standins, "SELECT uuid_generate_v5(uuid_ns_url(), %s)", name) == uuid.uuid5(uuid.NAMESPACE_URL, name)


@pytest.mark.parametrize(("function", "version"), [("v1", 1), ("v1mc", 1), ("v4", 4)])
def test_random_identifiers_have_their_version(
    standins: Connection[tuple[object, ...]], function: str, version: int
) -> None:
    """Versions 1 and 4 say which they are, and no two are equal."""
    query = f"SELECT array_agg(uuid_generate_{function}()) FROM generate_series(1, 50)"
    made = scalar(standins, query)
    assert isinstance(made, list)
    assert {identifier.version for identifier in made} == {version}
    assert {identifier.variant for identifier in made} == {uuid.RFC_4122}
    assert len(set(made)) == 50


def test_version_1_tells_the_time(standins: Connection[tuple[object, ...]]) -> None:
    """The time inside a version 1 identifier is now, within a minute."""
    made = scalar(standins, "SELECT uuid_generate_v1()")
    now = scalar(standins, "SELECT extract(epoch FROM clock_timestamp())::float8")
    assert isinstance(made, uuid.UUID)
    assert isinstance(now, float)
    assert abs((made.time - 0x01B21DD213814000) / 1e7 - now) < 60


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1024])
def test_random_bytes_have_the_length_asked_for(standins: Connection[tuple[object, ...]], size: int) -> None:
    """gen_random_bytes() gives as many as were asked for."""
    made = scalar(standins, "SELECT gen_random_bytes(%s)", size)
    assert isinstance(made, bytes)
    assert len(made) == size


@pytest.mark.parametrize(
    "call", ["crypt('a', 'b')", "gen_salt('bf')", "pgp_sym_encrypt('a', 'b')", "armor('a'::bytea)"]
)
def test_what_a_standin_cannot_do_it_says(standins: Connection[tuple[object, ...]], call: str) -> None:
    """Functions that encrypt or hash passwords exist, and refuse by name."""
    with pytest.raises(errors.FeatureNotSupported, match="stand-in for pgcrypto"):
        standins.execute(f"SELECT {call}".encode())


def test_standins_work_after_moving_to_another_schema(database: ConnInfo) -> None:
    """ALTER EXTENSION SET SCHEMA moves functions that call each other, and they still find each other."""
    with contextlib.closing(connect(database)) as connection:
        connection.execute('CREATE SCHEMA s; CREATE EXTENSION pgcrypto; CREATE EXTENSION "uuid-ossp"')
        connection.execute('ALTER EXTENSION pgcrypto SET SCHEMA s; ALTER EXTENSION "uuid-ossp" SET SCHEMA s')
        connection.execute(
            "SELECT s.digest('a', 'sha1'), s.hmac('a', 'b', 'sha1'), s.uuid_generate_v5(s.uuid_ns_dns(), 'a')"
        )


def test_unknown_algorithms_are_refused(standins: Connection[tuple[object, ...]]) -> None:
    """An algorithm that is not there is an error, as with the real one."""
    with pytest.raises(errors.InvalidParameterValue, match="md4"):
        standins.execute("SELECT digest('a', 'md4')")
