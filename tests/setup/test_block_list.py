"""An item gets into a list of YAML that people wrote, and nothing else changes."""

from __future__ import annotations

import pytest
import yaml

from db_migrate.setup.block_list import quoted, with_item

ITEM = ["- repo: local", "  hooks:", "    - id: mine"]
ADDED = {"repo": "local", "hooks": [{"id": "mine"}]}

UNDERSTOOD = {
    "nothing": "",
    "only a comment": "# mine\n",
    "another key": "fail_fast: true\n",
    "another key without an end of line": "fail_fast: true",
    "items at the margin": "repos:\n- repo: a\n  hooks:\n  - id: x\n- repo: b  # why\n  hooks: []\n",
    "items moved right": "repos:\n    - repo: a\n      hooks:\n          - id: x\n",
    "keys after it": "ci: {skip: [x]}\nrepos:\n  - repo: a\n    hooks: []\n\n# about what follows\nexclude: ^x\n",
    "comments between": "repos: # all\n  # first\n  - repo: a\n    hooks:\n      - id: x\n  # last\n\n\n",
    "a document's mark": "---\nrepos:\n- repo: a\n  hooks: []\n",
    "a mark with a comment": "--- # x\nrepos:\n- repo: a\n",
    "text in block style": "repos:\n  - repo: a\n    note: |\n      repos:\n      # no comment\n\n      more\nx: 1\n",
    "folded lines": 'repos:\n  - repo: a\n    note: "one\n      two"\n',
    "windows": "repos:\r\n  - repo: a\r\n    hooks: []\r\nx: 1\r\n",
    "a quoted key": '"repos":\n  - repo: a\n',
    "an empty list": "repos: []  # none yet\nx: 1\n",
    "nothing after the key": "repos:\nx: 1\n",
    "a dash on its own line": "repos:\n  -\n    repo: a\nx: 1\n",
    "another script": 'repos:\n  - repo: "\u043c\u0438\u0440"  # \u4e16\n',
    "a byte order mark": "\ufeffrepos:\n  - repo: a\n",
    "a similar key": "repos_x:\n  - a\nrepos:\n  - repo: a\n",
    "an inner key of that name": "x:\n  repos:\n    - y\nrepos:\n  - repo: a\n",
}
LEFT_ALONE = {
    "flow": "repos: [{repo: a}]\n",
    "flow over lines": "repos: [\n  {repo: a},\n]\n",
    "flow below the key": "repos:\n  [{repo: a}]\n",
    "a mapping": "repos:\n  repo: a\n",
    "a scalar": "repos: x\n",
    "an anchor": "repos: &all\n  - repo: a\n",
    "an alias": "x: &all [1]\nrepos: *all\n",
    "all in flow": "{repos: []}\n",
    "two documents": "repos:\n  - repo: a\n---\nrepos: []\n",
    "an end mark": "repos:\n  - repo: a\n...\n",
    "the key twice": "repos: []\nrepos: []\n",
    "a list": "- repos:\n  - a\n",
    "no mapping": "just text\n",
    "other ends of lines": 'repos:\n  - repo: |\n      a\u2028"x": 1\n',
    "a text that keeps its last lines": "repos:\n  - repo: |+\n      a\n\n\nx: 1\n",
    "a text without its last end of line": "repos:\n  - repo: |\n      a",
    "mixed ends of lines": "repos:\r\n  - repo: a\nx: 1\r\n",
}


@pytest.mark.parametrize("text", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_the_item_is_the_last_and_all_else_stays(text: str) -> None:
    """The new text means the old one and the item, and is the old one when the item's lines are taken out."""
    after = with_item(text, "repos", ITEM)
    assert after is not None
    before = yaml.safe_load(text) or {}
    assert yaml.safe_load(after) == before | {"repos": [*(before.get("repos") or []), ADDED]}
    newline = "\r\n" if "\r\n" in text else "\n"
    assert "\n" not in after.replace(newline, "")
    lines = after.split(newline)
    place = next(number for number, line in enumerate(lines) if line.strip() == ITEM[0])
    rest = newline.join(lines[:place] + lines[place + len(ITEM) :])
    if "repos" in text and "[]  #" not in text:
        assert rest == text
    else:
        assert rest.startswith(text.split("repos:")[0])


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_other_forms_are_left_alone(text: str) -> None:
    """What is not the plain form gives nothing, rather than a guess."""
    assert with_item(text, "repos", ITEM) is None


@pytest.mark.parametrize("text", ["a", "it's", "^x/[^/]+\\.py$", "a: b # c", "\u043c"])
def test_a_scalar_in_quotes_is_itself(text: str) -> None:
    """Whatever the text has, YAML reads it back."""
    assert yaml.safe_load(f"k: {quoted(text)}") == {"k": text}
