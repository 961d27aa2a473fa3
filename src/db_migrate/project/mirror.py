"""A project's revisions in another folder, some of them with another text: what would be, had they been written so."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def mirror(locations: Sequence[Path], folder: Path, texts: Mapping[Path, bytes]) -> None:
    """Put all that is in the folders of revisions into ``folder``, by links; of files in ``texts`` these contents.

    Of two locations' files of one name the later has its location's number before it.
    """
    instead = {file.resolve(): content for file, content in texts.items()}
    for number, location in enumerate(locations):
        for file in _files(location):
            place = folder / file.relative_to(location)
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                place = place.with_name(f"{number}_{place.name}")
            content = instead.get(file.resolve())
            if content is None:
                place.symlink_to(file.resolve())
            else:
                place.write_bytes(content)


def _files(location: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(location, followlinks=True):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        yield from (Path(root, name) for name in sorted(names))
