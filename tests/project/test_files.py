"""Revision files are read without running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from db_migrate.errors import ConfigurationError
from db_migrate.project.files import read_revision, read_revisions


def write(folder: Path, text: str, name: str = "ab12_x.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_way_to_write_a_revision_id_is_read(tmp_path: Path) -> None:
    """Annotations, concatenation, parentheses, constants of the same file, f-strings and tuples all are constants."""
    found = read_revision(
        write(
            tmp_path,
            '''"""add users

Revision ID: 0002
Create Date: 2024-05-06 07:08:09.123456

"""
from typing import Sequence, Union
import app.settings  # would fail if it were imported

PREFIX = "00"
revision: str = PREFIX + "02"
down_revision: Union[str, Sequence[str], None] = ("00" "01", f"{PREFIX}00")
branch_labels, depends_on = ["users"], None
db_migrate_allow = {"drop-column:public.users.name": "copied "
                    "in 0001"}

def upgrade():
    """Nothing."""
    pass

def downgrade() -> None:
    raise NotImplementedError("never")
''',
        )
    )
    assert found.revision == "0002"
    assert found.down_revision == ("0001", "0000")
    assert found.message == "add users"
    assert found.branch_labels == ("users",)
    assert found.depends_on == ()
    assert found.created == "2024-05-06 07:08:09.123456"
    assert found.allow == {"drop-column:public.users.name": "copied in 0001"}
    assert (found.upgrade_empty, found.downgrade_empty, found.downgrade_raises) == (True, False, True)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("revision = make_id()", "graph.value", "make_id()"),
        ("revision = 'a'\ndown_revision = os.environ['X']", "graph.value", "os.environ['X']"),
        ("revision = 'a'\ndown_revision = f'{x}'", "graph.value", "x"),
        ("revision = 12", "graph.value", "revision"),
        ("revision = 'a@b'", "graph.value", "without @"),
        ("revision = 'a'\ndb_migrate_allow = ['x']", "graph.value", "dict"),
        ("revision = 'a'\ndown_revision = 5", "graph.value", "down_revision"),
        ("down_revision = 'a'", "graph.no-revision", "sets no variable revision"),
        ("revision = 'a", "graph.syntax", "not valid Python"),
        ("revision = 'a'\n\x00", "graph.syntax", "not valid Python"),
        ("revision = 'a'\nsum = " + "1 + " * 20_000 + "1", "graph.syntax", "not valid Python"),
        ("revision = 'a\\0'", "graph.value", "zero byte"),
        ("revision = 'a\\ud800'", "graph.value", "UTF-8"),
        ("revision = 'a'\ndown_revision = ('b', 'c\\ud800')", "graph.value", "UTF-8"),
    ],
)
def test_what_cannot_be_read_names_file_and_reason(tmp_path: Path, line: str, code: str, words: str) -> None:
    """A value that only running would tell, and a file that is no revision, are errors that name the file."""
    path = write(tmp_path, line, "users.py")
    with pytest.raises(ConfigurationError) as raised:
        read_revision(path)
    assert raised.value.code == code
    assert words in f"{raised.value.message} {raised.value.why}"
    assert str(path) in raised.value.where


def test_the_line_of_an_unreadable_value_is_named(tmp_path: Path) -> None:
    """The place is file and line, to jump to."""
    path = write(tmp_path, "import os\n\nrevision = os.urandom(4).hex()\n")
    with pytest.raises(ConfigurationError) as raised:
        read_revision(path)
    assert raised.value.where == f"{path}:3"


def test_a_value_that_we_do_not_need_may_be_anything(tmp_path: Path) -> None:
    """Only Alembic's variables have to be constants; the rest of the file is nobody's business."""
    path = write(tmp_path, "import app\nT = app.load()\nrevision = 'a'\nvalue = T[0]\nT.x = 1\ndef upgrade(): T()\n")
    assert read_revision(path).revision == "a"
    assert not read_revision(path).upgrade_empty


def test_what_is_only_shown_may_be_any_text(tmp_path: Path) -> None:
    """What UTF-8 cannot write is shown as an escape: the message, and the reason of an intent."""
    text = '"""half \\ud83d"""\nrevision = "a"\ndb_migrate_allow = {"x:y": "\\udcff"}\n'
    found = read_revision(write(tmp_path, text))
    assert (found.message, dict(found.allow)) == ("half \\ud83d", {"x:y": "\\udcff"})


def test_files_are_those_that_alembic_takes(tmp_path: Path) -> None:
    """Hidden editor files, ``__init__`` and other suffixes are left out; folders below only when it is asked for."""
    for name in ("b.py", "a.py", "__init__.py", ".#c.py", "notes.txt", "d.pyc"):
        write(tmp_path, f"revision = '{name[0]}'", name)
    (tmp_path / "sub" / "__pycache__").mkdir(parents=True)
    write(tmp_path / "sub", "revision = 'e'", "e.py")
    write(tmp_path / "sub" / "__pycache__", "revision = 'f'", "f.py")
    assert [each.revision for each in read_revisions([tmp_path])] == ["a", "b"]
    assert [each.revision for each in read_revisions([tmp_path], recursive=True)] == ["a", "b", "e"]
    assert [each.revision for each in read_revisions([tmp_path, tmp_path, tmp_path / "none"])] == ["a", "b"]


def test_an_old_file_without_the_variable_is_named_by_its_id(tmp_path: Path) -> None:
    """Alembic before 0.2 had the id in the file's name only."""
    assert read_revision(write(tmp_path, "down_revision = None", "1a2b3c.py")).revision == "1a2b3c"


def test_an_encoding_cookie_is_obeyed(tmp_path: Path) -> None:
    """A file in Latin-1 that says so is read as such."""
    path = tmp_path / "x.py"
    path.write_bytes('# -*- coding: latin-1 -*-\n"""gr\xfc\xdfe"""\nrevision = "a"\n'.encode("latin-1"))
    assert read_revision(path).message == "grüße"
