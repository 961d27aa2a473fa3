"""The table in the manual's page about settings: keys, defaults and meanings, from the settings' own class."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from db_migrate.config import Settings
from db_migrate.report.settings import settings_listing

FILE = Path(__file__).parent / "settings.md"
BEGIN = "<!-- made by `make docs` from src/db_migrate/config/values.py -->"
END = "<!-- end of what is made -->"

_KEYS = {"rules": "rules.NAME", "allow": 'allow."RULE:OBJECT"', "drift": "drift.acknowledge", "hooks": "hooks.…"}
"""How the keys of tables are written."""

_ELSEWHERE = {"root", "file", "url", "targets", "sources"}
"""What is no key of the settings, or has a part of the page for itself."""

_FOUND = {
    "config": "found",
    "scratch_major": "the target's",
    "rules": "by rule",
    "cache_dir": "the user's cache folder",
}
"""Defaults that are no values."""


def page() -> str:
    """The whole page."""
    before, _, rest = FILE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return "\n".join([before + BEGIN, *_table(), END + after])


def _table() -> Iterator[str]:
    yield from ("| key | default | meaning |", "| --- | --- | --- |")
    meanings, defaults = _meanings(), _defaults()
    for each in fields(Settings):
        if each.name not in _ELSEWHERE:
            yield f"| `{_KEYS.get(each.name, each.name)}` | {defaults[each.name]} | {meanings[each.name]} |"


def _defaults() -> Mapping[str, str]:
    """What ``db-migrate config`` shows where nothing is set."""
    sources = {each.name: "default" for each in fields(Settings)}
    listing = settings_listing(Settings(Path(), sources=sources), redact=str)
    switches = {"true": "on", "false": "off"}
    shown = {each.key: f"`{switches.get(each.value, each.value)}`" for each in listing.settings if each.value}
    return {each.name: _FOUND.get(each.name) or shown.get(each.name, "none") for each in fields(Settings)}


def _meanings() -> Mapping[str, str]:
    """The texts that stand below the fields."""
    (shape,) = ast.parse(textwrap.dedent(inspect.getsource(Settings))).body
    assert isinstance(shape, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(shape.body, shape.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(field.target, ast.Name):
            meaning = " ".join(ast.literal_eval(text.value).split()).removesuffix(".")
            found[field.target.id] = meaning[0].lower() + meaning[1:]
    return found
