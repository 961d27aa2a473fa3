"""The folder of results: whole files, bounded, the least recently used go first."""

from __future__ import annotations

import os
import time
from pathlib import Path

from db_migrate.schemas.cache import Cache


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    """Reading a file keeps it; when there is no room, those go that nobody has used for the longest time."""
    cache = Cache(tmp_path / "cache", largest=300)
    first, second, third, fourth = (f"{number:064x}.catalog" for number in range(4))
    for age, name in ((30, first), (20, second), (10, third)):
        cache.put(name, b"x" * 100)
        os.utime(cache.folder / name, (time.time() - age,) * 2)
    assert cache.get(first) == b"x" * 100
    cache.put(fourth, b"y" * 100)
    assert sorted(each.name for each in cache.folder.iterdir()) == [first, third, fourth]
    assert cache.get(second) is None


def test_it_stays_about_as_large_as_it_may_be(tmp_path: Path) -> None:
    """Not every writer looks through the folder, and still it never grows to twice its size."""
    cache = Cache(tmp_path, largest=30_000)
    for number in range(1500):
        cache.put(f"{number:064x}.catalog", b"x" * 100)
        assert number % 100 or sum(each.stat().st_size for each in tmp_path.iterdir()) < 60_000


def test_leftovers_and_strangers(tmp_path: Path) -> None:
    """What a killed writer left is removed after an hour; files of others in the folder are left alone."""
    cache = Cache(tmp_path, largest=10)
    for name, age in (("new-old", 4000), ("new-young", 10), ("server", 4000)):
        (tmp_path / name).write_text("x" * 50)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cache.put("a.catalog", b"12345")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.catalog", "new-young", "server"]


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    """A cache that cannot be used is no error: everything is made anew."""
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    cache.put("a.catalog", b"1")
    assert cache.get("a.catalog") is None
