"""The map of what tests really touch: ``.db-migrate/tests.json``, written by the pytest plugin, read by ``select``.

A record counts as long as the code is the same that was recorded: the test's and all that it reaches, piece by piece.
Classes that map tables are left out of that, as they change with every migration; only those of tables that the test
touched count. So a new column of ``invoices`` leaves the records of all other tests as they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from db_migrate.testing.mentions import Relation
from db_migrate.testing.reach import Reached

VERSION = 1
_FILE = Path(".db-migrate") / "tests.json"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What one test file touched when it was run as a whole.

    ``code`` identifies the code; ``models`` the mapped classes of the tables that were touched. ``tests`` maps each
    test's name within the file to its tables, views and functions: ``schema.name``, or ``name`` where the statement
    left the schema to the search_path.
    """

    code: str
    models: dict[str, str]
    tests: dict[str, list[list[str]]]

    @property
    def relations(self) -> frozenset[Relation]:
        """All that the file's tests touched."""
        return frozenset((schema, name) for touched in self.tests.values() for schema, name in touched)


class _Map(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    files: dict[str, Record]


def make_record(reached: Reached, tests: Mapping[str, frozenset[Relation]]) -> Record:
    """The record of a file whose code reaches that and whose tests touched these."""
    touched = {name for relations in tests.values() for _, name in relations}
    return Record(
        code=_identity(reached),
        models={name: digest for name, (table, digest) in sorted(reached.models.items()) if table in touched},
        tests={name: [list(each) for each in sorted(relations)] for name, relations in sorted(tests.items())},
    )


def is_fresh(record: Record, reached: Reached) -> bool:
    """Whether the code is still what was recorded."""
    now = {name: digest for name, (_, digest) in reached.models.items()}
    return record.code == _identity(reached) and all(now.get(name) == old for name, old in record.models.items())


def _identity(reached: Reached) -> str:
    return hashlib.sha256("\n".join(sorted(reached.code)).encode()).hexdigest()


def read_records(root: Path) -> dict[str, Record] | None:
    """The records by path of the test file; None when the project has no map, or one of another version."""
    try:
        known = msgspec.json.decode((root / _FILE).read_bytes(), type=_Map)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        return None
    return known.files if known.version == VERSION else None


def write_records(root: Path, new: Mapping[str, Record]) -> None:
    """Add records to the map. Those of files that are gone are dropped; two runs at once do not lose any."""
    file = root / _FILE
    file.parent.mkdir(exist_ok=True)
    with _locked(file.with_suffix(".lock")):
        known = {**(read_records(root) or {}), **new}
        kept = {name: record for name, record in sorted(known.items()) if (root / name).is_file()}
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(_Map(version=VERSION, files=kept)), indent=1))
        temporary.replace(file)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
