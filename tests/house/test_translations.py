"""Every text has its translation, with the same places, and the compiled catalogues are those of the sources."""

from __future__ import annotations

import pytest
from babel.messages.catalog import Catalog
from translations.__main__ import faults, main
from translations.extract import of_module


def test_the_catalogues_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing, not up to date or puts in something else is named."""
    assert (main(["--check"]), capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize(
    ("translation", "why"),
    [("", "not translated"), ("столько: {number}", "['count'] in the text, ['number'] in the translation")],
)
def test_faults_are_found(translation: str, why: str) -> None:
    """An empty translation is one, and so is one with another place."""
    catalogue = Catalog(locale="ru")
    catalogue.add("there are {count}", translation, locations=[("plan/x.py", 0)])
    assert [why in each for each in faults(catalogue)] == [True]


def test_what_a_text_is() -> None:
    """F-strings with their places, what is counted, arguments of `said`; no docstrings, SQL, code or keys."""
    source = '''
"""A module of some words."""
def work(rows, table):
    """Do some work."""
    log.run("SELECT a FROM some WHERE b")
    op = f"{table.name} has {count(rows, 'row')} and more"
    return said("none"), other["none"], "db-migrate plan --out x", "is it so?", f"it is so{'s' if rows else ''}"
'''
    found = {each.template: each.plural for each in of_module(source, "x.py")}
    assert found == {
        "{table} has {count} and more": "",
        "row": "rows",
        "none": "",
        "is it so?": "",
        "it is so{if_rows}": "",
    }
