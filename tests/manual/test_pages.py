"""The other pages of the manual, typed by readers who are where each page takes them to be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.manual.pages import ROOT, Typed, blocks, missing, typed
from tests.manual.sittings import ELSEWHERE, SITTINGS, Sitting
from tests.manual.states import Places, places

from db_migrate.config import load

__all__ = ["places"]

TUTORIAL = ROOT / "docs" / "tutorial.md"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")], key=lambda page: page.name
)


def _without_comment(text: str) -> str:
    return text.partition("  #")[0].partition("    #")[0].strip()


def commands(page: Path) -> list[Typed]:
    """The commands of a page, without the comments beside them."""
    found = typed(page)
    for each in found:
        each.text = _without_comment(each.text)
    return found


def test_every_command_of_the_manual_is_typed_or_named_with_a_reason() -> None:
    """A new command on any page belongs into a sitting, or among those that are typed elsewhere; and none too many."""
    written = Counter(
        (each.page, each.text)
        for page in PAGES
        if page != TUTORIAL and ".venv" not in page.parts
        for each in commands(page)
    )
    sat = Counter((each.page, text) for each in SITTINGS for text in each.commands)
    assert written == sat + Counter(dict.fromkeys(ELSEWHERE, 1))


def test_what_the_tutorial_types_instead_is_there() -> None:
    """The example's own page has no command that the tutorial does not type, but those that are named."""
    there = {_without_comment(each.text).removeprefix("python demo/on_database.py ") for each in typed(TUTORIAL)}
    for (_, text), why in ELSEWHERE.items():
        assert not why.startswith("the tutorial") or text in there, text


def test_settings_that_a_page_shows_are_settings(tmp_path: Path) -> None:
    """Each block of TOML is read as it stands, and something is set by it."""
    shown = [lines for page in PAGES for _, language, lines in blocks(page) if language == "toml"]
    assert len(shown) > 3
    file = tmp_path / "pyproject.toml"
    for lines in shown:
        file.write_text("\n".join(lines), encoding="utf-8")
        assert str(file) in load(cwd=tmp_path, environ={}).sources.values(), lines


@pytest.mark.parametrize("sitting", SITTINGS, ids=lambda each: f"{Path(each.page).stem}: {each.state}")
def test_a_page_does_what_it_says(sitting: Sitting, places: Places, tmp_path: Path) -> None:
    """Each command ends as the page says, and prints what the page says that it shows."""
    reader = places.reader(sitting.state, tmp_path / "shop")
    written = {each.text: each for each in commands(ROOT / sitting.page)}
    for text, said in sitting.commands.items():
        code, printed = reader.run(text)
        assert code == said.code, f"{sitting.page}: {text}\n{printed}"
        at = 0
        for each in said.prints:
            assert each in printed[at:], f"{sitting.page}: {text}: no {each!r} after character {at} of\n{printed}"
            at = printed.index(each, at) + len(each)
        if shown := written[text].shown:
            assert (written[text].code, missing(shown, printed)) == (code, None), f"{written[text].place}\n{printed}"
