"""Values become plain data and come back the same."""

from __future__ import annotations

import json as standard_json
from typing import get_args

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db_migrate import results
from db_migrate.catalog.change import Action, AttributeChange, Change
from db_migrate.catalog.objects import Kind
from db_migrate.report.builtins import Mismatch, from_builtins, to_builtins
from db_migrate.report.json import document, encode
from db_migrate.report.json_schema import RESULTS, schema_of

# What PostgreSQL stores has no NUL and no lone surrogate; numbers fit its bigint.
_TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_NUMBERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
_SECONDS = st.floats(min_value=0, max_value=1e6)


@pytest.fixture(autouse=True, scope="module")
def _strategies() -> None:
    """How Hypothesis makes the scalars of results."""
    st.register_type_strategy(str, _TEXTS)
    st.register_type_strategy(int, _NUMBERS)
    st.register_type_strategy(float, _SECONDS)
    st.register_type_strategy(tuple, _short)


def _short(kind: type) -> st.SearchStrategy[tuple[object, ...]]:
    """Tuples of any length are short: results are so deep that Hypothesis gives up on most of the others."""
    parts = get_args(kind)
    if parts[1:] == (...,):
        return st.lists(st.from_type(parts[0]), max_size=2).map(tuple)
    return st.tuples(*map(st.from_type, parts))


@pytest.mark.parametrize("verb", RESULTS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_result_fits_its_schema_and_comes_back(verb: str, data: st.DataObject) -> None:
    """What a verb prints is valid by its published schema, and reading it back gives the same value."""
    result = data.draw(st.from_type(RESULTS[verb]))
    printed = standard_json.loads(encode(document(verb, result, 0)))
    jsonschema.Draft202012Validator(schema_of(verb)).validate(printed)
    again = from_builtins(printed, RESULTS[verb])
    assert document(verb, again, 0) == document(verb, result, 0)


def test_names_that_are_pythons_are_printed_bare() -> None:
    """``from_`` and ``class_`` are printed without the underscore, keys of mappings as they are."""
    change = Change(Kind.COLUMN, "public.t.c", Action.ALTERED, attributes=(AttributeChange("type", "a", "b"),))
    printed = to_builtins({"from_": change})
    assert set(printed) == {"from_"}
    assert printed["from_"]["class"] == "drift"
    assert printed["from_"]["attributes"] == [{"name": "type", "from": "a", "to": "b"}]


def test_exit_codes_are_no_part_of_the_shape() -> None:
    """The field that steers the command line is not printed; ``ok`` says it."""
    assert "exit_code" not in to_builtins(results.TestRun(tables=(), selected=(), exit_code=1))


def test_fields_of_a_later_version_are_left_out() -> None:
    """Shapes only grow: what this version does not know is no reason to refuse."""
    data = {"name": "default", "database": "d", "server_version": "18.6", "later": 1}
    assert from_builtins(data, results.TargetSummary) == results.TargetSummary("default", "d", "18.6")


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"side": "live"}, "$.objects: is missing"),
        ({"side": 1, "objects": []}, "$.side: 1 is not str"),
        ({"side": "live", "objects": {}}, "$.objects: not a list"),
        ({"side": "live", "objects": [[]]}, "$.objects[0]: not an object"),
        (
            {"side": "s", "objects": [{"kind": "k", "object": "o", "attributes": {"a": 1.5}}]},
            "$.objects[0].attributes.a",
        ),
        ([], "$: not an object"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(data: object, where: str) -> None:
    """Reading data of another shape says where it stops fitting."""
    with pytest.raises(Mismatch) as error:
        from_builtins(data, results.Schema)
    assert str(error.value).startswith(where)


def test_a_number_is_not_taken_for_true() -> None:
    """JSON's true is no number and its 1 is no boolean."""
    with pytest.raises(Mismatch):
        from_builtins({"object": "o", "rows": True}, results.Restored)


def test_a_name_that_is_not_utf8_is_printed_with_escapes() -> None:
    """A file name with bytes that are no text does not break the document."""
    printed = to_builtins(results.PendingRevision("1", "m", "versions/\udcff.py"))
    assert msgspec.json.decode(encode(printed))["file"] == "versions/\\udcff.py"


def test_what_is_no_value_of_ours_is_a_mistake() -> None:
    """An object without a printed form is refused, not printed as its repr."""
    with pytest.raises(TypeError, match="a object has no printed form"):
        to_builtins(object())
