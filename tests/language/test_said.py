"""A finished sentence is said in another language: its template is found, names and quotations stay."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator, Mapping

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from hypothesis import given
from hypothesis import strategies as st

from db_migrate import language
from db_migrate.language.phrasebook import COUNTED, Phrasebook
from db_migrate.rules.judge import all_rules

TEXTS: Mapping[str | tuple[str, str], str | tuple[str, ...]] = {
    "up to date": "всё на месте",
    "{relation} is locked in {mode}: {what} wait": "{relation} заблокирована в режиме {mode}; ждут: {what}",
    "reads and writes": "чтение и запись",
    "writes": "запись",
    "{object} is dropped; {why}": "{object} удаляется; {why}",
    "nobody reads it": "никто её не читает",
    "{count} in {count2}": "{count}, всего {count2}",
    "{a} to {b}": "{a} → {b}",
    "the value of {hint} is wrong: {message}": "значение {hint} неверно: {message}",
    "{value} is not in the range {choices}": "{value} вне {choices}",
    "the braces {{}} of {name}": "скобки {{}} у {name}",
    "prose that is known": "известный текст",
    "{a} and {b} and {c} and {d} and {e} and {f} wait": "ждут {a}, {b}, {c}, {d}, {e} и {f}",
    "drops the {kind} {object}": "удаляет: {kind} {object}",
    "materialized view": "матпредставление",
    "about {amount}": "около {amount}",
    "rows of {relation} with NULL": "строк {relation} с NULL",
    ". It is told of {name} before": ". О {name} сказано раньше",
    "the settings have {listed}": "в настройках есть {listed}",
    "the settings have none": "в настройках их нет",
    "relation {oid}": "отношение {oid}",
    "k": "тыс.",
    "GB": "ГБ",
    ("row", "rows"): ("строка", "строки", "строк"),
    ("table", "tables"): ("таблица", "таблицы", "таблиц"),
}


@pytest.fixture(scope="module")
def book() -> Phrasebook:
    """A small catalogue, written and read as the real one is."""
    catalogue = Catalog(locale="ru")
    for text, said in TEXTS.items():
        catalogue.add(text, said, context=None if isinstance(text, str) else COUNTED)
    file = io.BytesIO()
    write_mo(file, catalogue)
    return Phrasebook(file.getvalue())


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        ("up to date", "всё на месте"),
        ("  up to date\n", "  всё на месте\n"),
        ("public.t is locked in SHARE: writes wait", "public.t заблокирована в режиме SHARE; ждут: запись"),
        (
            "writes is locked in SHARE: reads and writes wait",
            "writes заблокирована в режиме SHARE; ждут: чтение и запись",
        ),
        ("rows is dropped; nobody reads it", "rows удаляется; никто её не читает"),
        ("x y is dropped; z", "x y удаляется; z"),
        ("1 row", "1 строка"),
        ("1,022 rows", "1,022 строки"),
        ("22 rows of public.t", "22 строки public.t"),
        ("11 rows in 21 tables", "11 строк, всего 21 таблица"),
        ("the braces {} of {x}", "скобки {} у {x}"),
        ("up to date; nobody reads it", "всё на месте; никто её не читает"),
        ("up to date\nnobody reads it", "всё на месте\nникто её не читает"),
        ("this is not known", "this is not known"),
        ("3 to 4", "3 → 4"),
        ("the value of '-n' is wrong: 0 is not in the range 1 to 2", "значение '-n' неверно: 0 вне 1 to 2"),
        ("a b is not in the range 1 to 2", "a b вне 1 to 2"),
        # A name may have blanks where it is quoted, and a kind of several words is no part of the name.
        ('drops the materialized view "My Shop"."a b"', 'удаляет: матпредставление "My Shop"."a b"'),
        # What is said of a name beside it; and many things, and how they are declined.
        ("public.t (about 50 k rows, 2 GB)", "public.t (около 50 тыс. строк, 2 ГБ)"),
        ("1 row of public.t with NULL", "1 строка public.t с NULL"),
        ("3 rows of public.t with NULL; up to date", "3 строки public.t с NULL; всё на месте"),
        # Behind another text, and known as a whole although a template fits it with what stands after it.
        ("up to date. It is told of x before", "всё на месте. О x сказано раньше"),
        ("the settings have none; up to date", "в настройках их нет; всё на месте"),
        # Somebody else's words stay whole.
        ('relation "t" does not exist', 'relation "t" does not exist'),
        ("x; up to date; nobody reads it", "x; всё на месте; никто её не читает"),
    ],
)
def test_it_is_said(book: Phrasebook, english: str, russian: str) -> None:
    """Whole texts, texts with places, counted things with Russian's three forms, and texts put together."""
    assert book.said(english) == russian


def test_a_long_text_takes_no_time(book: Phrasebook) -> None:
    """Not even one that only lacks the end of a template with many places; with the end it is found."""
    long = " and ".join(["wait for", *["abc"] * 64])
    began = time.process_time()
    assert book.said(long) == long
    assert book.said(f"{long} wait") == f"ждут wait for, abc, abc, abc, abc и {' and '.join(['abc'] * 60)}"
    assert time.process_time() - began < 1.0


def test_code_stays_as_it_is(book: Phrasebook) -> None:
    """Of advice that is code only comments are said; prose is as everywhere."""
    code = 'op.execute("up to date")  # up to date\n    # up to date\nwrites, rows = "prose that is known"\n'
    assert book.said_beside_code(code) == code.replace("    # up to date", "    # всё на месте")
    reason = 'db_migrate_allow = {\n    "up to date": "up to date",\n}'
    assert book.said_beside_code(reason) == reason.replace(': "up to date"', ': "всё на месте"')
    assert book.said_beside_code("prose that is known") == "известный текст"


@given(st.text(), st.text(), st.text())
def test_no_text_makes_it_fail(relation: str, mode: str, other: str) -> None:
    """Whatever names are made of, a sentence keeps them."""
    language.speak("ru")
    try:
        said = language.said(f"rewrites {relation}: {mode}\n{other}")
        assert relation.strip() in said or relation in said
        language.said(other)
        language.said_beside_code(other)
    finally:
        language.speak("en")


@pytest.fixture
def russian() -> Iterator[None]:
    """The language of the product, until the test is over."""
    language.speak("ru")
    yield
    language.speak("en")


@pytest.mark.usefixtures("russian")
def test_the_product_speaks_russian() -> None:
    """What is wrong with a place's name is not hidden by a catalogue of the test's own."""
    assert language.said("up to date") != "up to date"
    assert "21 ревизия" in language.said("21 revisions pending")
    assert "public.users" in language.said("rewrites public.users: another type")
    assert language.spoken() == "ru"


@pytest.mark.usefixtures("russian")
def test_every_rule_is_said() -> None:
    """What a rule's page says is Russian, but for SQL and code."""
    english = re.compile(r"\b(?:the|is|are|of|and|or|what|that|it|which|not|a|an|by|from)\b")
    said = {
        (rule.id, field): language.said(getattr(rule, field))
        for rule in all_rules()
        for field in ("catches", "effect", "why", "instead", "versions")
    }
    quoted = "cached plan must not change result type"
    assert {key: text for key, text in said.items() if english.search(text.replace(quoted, ""))} == {}


@pytest.mark.parametrize(
    ("words", "environ", "wanted"),
    [
        (["--lang", "ru", "plan"], {"LANG": "C"}, "ru"),
        (["plan", "--lang=en"], {"LANG": "ru_RU.UTF-8"}, "en"),
        (["explain", "--", "--lang=ru"], {}, ""),
        (["plan"], {"LANG": "ru_RU.UTF-8"}, "ru"),
        (["plan"], {"LANG": "ru_RU.UTF-8", "LC_ALL": "C.UTF-8"}, "c"),
        (["plan"], {"LANG": "C", "LC_MESSAGES": "ru"}, "ru"),
        (["plan"], {"LANG": "ru_RU.UTF-8", "DB_MIGRATE_LANG": "en"}, "en"),
        (["plan", "--lang"], {}, ""),
    ],
)
def test_which_language(words: list[str], environ: dict[str, str], wanted: str) -> None:
    """The flag before the variable, that before the locale; what comes after `--` is no flag."""
    assert language.wanted(words, environ) == wanted
