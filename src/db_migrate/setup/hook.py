"""The hook of pre-commit that lints what is being committed, among those that are there."""

from __future__ import annotations

import os
import re

from db_migrate.setup.block_list import quoted, with_item
from db_migrate.setup.place import Place
from db_migrate.setup.proposal import Proposed, now, refused, text_of

FILE = ".pre-commit-config.yaml"
PURPOSE = "the hook of pre-commit, which lints the revisions that are being committed"
_HOOK = re.compile(r"""^[\s-]*id:\s*["']?db-migrate-lint\b""", re.MULTILINE)


def hook_file(place: Place) -> Proposed:
    """The configuration of pre-commit with our hook; one that has it stays as it is.

    Raises ``Refused`` (``init.hook``) where the list of repositories is written in a form that is not understood.
    """
    path = place.root / FILE
    before = now(path)
    text = "" if before is None else text_of(path, before)
    if _HOOK.search(text) and place.is_named_in(text):
        return Proposed(path, PURPOSE, before, before or b"")
    item = _item(place)
    after = with_item(text, "repos", item)
    if after is None:
        paste = "add this to `repos` by hand:\n" + "\n".join(item)
        raise refused("init.hook", path, "its `repos` is not a list with every item on lines of its own", paste)
    return Proposed(path, PURPOSE, before, after.encode())


def _item(place: Place) -> list[str]:
    """The hook, run by the project's own Python: env.py and the models are imported."""
    return [
        "- repo: local",
        "  hooks:",
        "    - id: db-migrate-lint",
        "      name: db-migrate lint",
        "      entry: db-migrate lint",
        "      language: system  # the environment of the project, whose models are run",
        "      types: [python]",
        f"      files: {quoted(_pattern(place))}",
        "      require_serial: true",
    ]


def _pattern(place: Place) -> str:
    """The regular expression of the revisions' files; with folders below where the project has them."""
    folders = [os.path.relpath(each.resolve(), place.root) for each in place.config.version_locations]
    names = [re.escape(each.replace(os.sep, "/")).replace(r"\-", "-") for each in folders if not each.startswith("..")]
    below = ".*" if place.config.recursive_version_locations else "[^/]+"
    if not names:
        return rf"(^|/)versions/{below}\.py$"
    folder = names[0] if len(names) == 1 else f"({'|'.join(names)})"
    return rf"^{folder}/{below}\.py$"
