"""The envelope, and plans read back from files."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.errors import ErrorReport, Refused, UsageError
from db_migrate.report.json import document, encode, error_document, read_plan
from db_migrate.results import RunResult, Stamp, TargetSummary, Verify

from .values import a_plan

ERROR = ErrorReport(
    "lock.budget", "no lock", "a session holds it", "public.t", "nothing was done", ("db-migrate apply",)
)


def test_the_envelope_of_a_result() -> None:
    """A result is printed with the head that every document has, and no error."""
    verify = Verify(target=TargetSummary("default", "mesh", "18.6"), warnings=("w",), problems=())
    assert document("verify", verify, 0) == {
        "schema_version": 1,
        "verb": "verify",
        "ok": True,
        "target": {
            "name": "default",
            "database": "mesh",
            "server_version": "18.6",
            "server_id": "",
            "schema": "",
            "database_id": "",
        },
        "warnings": ["w"],
        "problems": [],
        "targets": [],
    }


@pytest.mark.parametrize("code", [1, 3, 4, 70])
def test_ok_is_true_exactly_for_exit_code_zero(code: int) -> None:
    """``ok`` follows the exit code."""
    stamp = Stamp(from_=(), to=("1",), differences=())
    assert document("stamp", stamp, 0)["ok"] is True
    assert document("stamp", stamp, code)["ok"] is False


def test_a_run_that_stopped_keeps_its_fields_beside_the_error() -> None:
    """An apply that ends 4, 5 or 6 still says what it did."""
    run = RunResult(
        run="r",
        state="stopped",
        from_=("1",),
        to=("2",),
        steps=(),
        kept=(),
        restored=(),
        verify=None,
        error=ERROR,
        exit_code=6,
    )
    printed = document("apply", run, 6)
    assert printed["error"]["code"] == "lock.budget"
    assert printed["error"]["next"] == ["db-migrate apply"]
    assert (printed["from"], printed["to"], printed["state"]) == (["1"], ["2"], "stopped")


def test_an_error_without_a_result() -> None:
    """A verb that ends before it has a result prints the head and the error."""
    printed = error_document("plan", ERROR)
    assert list(printed) == ["schema_version", "verb", "ok", "target", "warnings", "error"]
    assert printed["ok"] is False
    assert printed["target"] is None


def test_an_error_with_what_is_known() -> None:
    """What a refused verb knows of its result is printed beside the error."""
    stamp = Stamp(from_=("1",), to=("1",), differences=(Change(Kind.INDEX, "public.ix", Action.DROPPED),))
    printed = error_document("stamp", ERROR, stamp)
    assert list(printed) == [
        *("schema_version", "verb", "ok", "target", "warnings"),
        "from",
        "to",
        "differences",
        "error",
    ]
    assert (printed["ok"], printed["from"], len(printed["differences"])) == (False, ["1"], 1)
    assert printed["error"]["code"] == "lock.budget"


def test_a_plan_is_the_same_after_a_file() -> None:
    """What `plan --out` writes is read back as the same plan, hash and all."""
    plan = a_plan()
    assert read_plan(encode(document("plan", plan, 1)), "plan.json") == plan


def resealed(made: dict[str, object]) -> str:
    """A document with the seal that it would have if we had written it."""
    sealed = json.dumps({**made, "seal": ""}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    seal = hashlib.sha256(sealed.replace(',"seal":""', "").encode()).hexdigest()
    return encode({**made, "seal": seal})


def test_every_byte_of_a_plan_counts() -> None:
    """One that is changed, left out or put in makes it another plan, or none that can be read, or no difference."""
    text = encode(document("plan", a_plan(), 1))
    assert resealed(document("plan", a_plan(), 1)) == text
    same = 0
    for place in range(0, len(text), 7):
        before, after = text[:place], text[place + 1 :]
        for other in (f"{before}~{after}", f"{before}{after}", f"{before} {text[place:]}"):
            with contextlib.suppress(ValueError):
                if json.loads(other) == json.loads(text):
                    assert read_plan(other, "plan.json") == a_plan()
                    same += 1
                    continue
            with pytest.raises((UsageError, Refused)) as error:
                read_plan(other, "plan.json")
            assert error.value.code in ("plan.unreadable", "plan.altered"), (place, other)
    assert 0 < same < len(text) / 7


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"verb": "drift"}, '"verb" is not "plan"'),
        ({"schema_version": 2, "made_by": "9.0"}, "its schema_version is 2, known is 1, made by db-migrate 9.0"),
        ({"hash": None}, "$.hash: None is not str"),
    ],
)
def test_another_document_is_no_plan(change: Mapping[str, object], why: str) -> None:
    """A file of another kind, version or shape is refused with the reason."""
    text = resealed({**document("plan", a_plan(), 0), **change})
    with pytest.raises(UsageError) as error:
        read_plan(text, "plan.json")
    assert error.value.code == "plan.unreadable"
    assert why in error.value.why


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"plan"', "\x00"])
def test_what_is_no_json_object_is_no_plan(text: str) -> None:
    """Anything but an object is refused, never an unexpected exception."""
    with pytest.raises(UsageError, match="is not a plan that can be applied"):
        read_plan(text, "plan.json")


def test_what_is_nested_too_deeply_is_no_plan() -> None:
    """A file that would take all of Python's stack is refused like any other that is none."""
    with pytest.raises(UsageError) as error:
        read_plan("[" * 100_000, "plan.json")
    assert error.value.code == "plan.unreadable"


def test_a_path_in_another_encoding_is_shown() -> None:
    """Bytes that are no UTF-8 are escapes in the document; a plan with such a path is read back as it was written."""
    assert json.loads(encode({"file": "/gr\udcfc\udcdfe.py"})) == {"file": "/gr\\udcfc\\udcdfe.py"}
    plan = replace(a_plan(), warnings=("/gr\udcfc.py",))
    assert read_plan(encode(document("plan", plan, 0)), "plan.json").warnings == ("/gr\\udcfc.py",)
