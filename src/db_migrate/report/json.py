"""The one JSON document that a verb prints: an envelope around the fields of its result.

``schema_version`` is 1; fields only get added. The published schemas are made from the same types, see
:mod:`db_migrate.report.json_schema`.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from db_migrate.errors import ErrorReport, Refused, UsageError
from db_migrate.report.builtins import Mismatch, from_builtins, to_builtins
from db_migrate.results import Plan, Result
from db_migrate.texts import writable

SCHEMA_VERSION = 1


def document(verb: str, result: Result, exit_code: int) -> dict[str, Any]:
    """The envelope of a result; ``error`` is there only when the result carries one."""
    own: dict[str, Any] = to_builtins(result)
    target, warnings, error = own.pop("target"), own.pop("warnings"), own.pop("error", None)
    head = _head(verb, exit_code == 0, target, warnings)
    made = head | own | ({"error": error} if error is not None else {})
    return made | {"seal": _seal(made)} if verb == "plan" else made


def error_document(verb: str, error: ErrorReport, known: object = None) -> dict[str, Any]:
    """The envelope of a verb that ended with an error; around what is ``known`` of its result, if anything is."""
    if isinstance(known, Result):
        return document(verb, known, 70) | {"error": to_builtins(error)}
    return _head(verb, False, None, []) | {"error": to_builtins(error)}


def encode(data: object) -> str:
    """JSON text, indented by two, ending in a newline. The same data gives the same text."""
    return msgspec.json.format(_encoded(data), indent=2).decode() + "\n"


def line(data: object) -> str:
    """JSON text on one line."""
    return _encoded(data).decode() + "\n"


def _encoded(data: object, order: Literal["deterministic"] | None = None) -> bytes:
    try:
        return msgspec.json.encode(data, order=order)
    except UnicodeEncodeError:  # a path may have any bytes in it
        return msgspec.json.encode(writable(data), order=order)


def read_plan(text: str, where: str) -> Plan:
    """The plan in a file that ``plan --out`` or ``plan --json`` wrote; it may have been laid out anew, as by ``jq``.

    ``where`` names the file in errors. Raises UsageError ``plan.unreadable``, and ``Refused`` (``plan.altered``) when
    the file says anything else than what was written. Whether the plan still holds is for ``apply`` to judge, by its
    hash and fingerprints.
    """
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(where, f"it is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("verb") != "plan":
        raise _unreadable(where, 'it is not what `db-migrate plan --out FILE` writes: "verb" is not "plan"')
    if data.get("schema_version") != SCHEMA_VERSION:
        found = data.get("schema_version")
        maker = f", made by db-migrate {data.get('made_by')}" if data.get("made_by") else ""
        raise _unreadable(where, f"its schema_version is {found!r}, known is {SCHEMA_VERSION}{maker}")
    if data.get("seal") != _seal(data):
        raise Refused(
            "plan.altered",
            "the plan was changed after it was made",
            why="the file does not say what `db-migrate plan` wrote: its seal is another one",
            where=where,
            state="nothing was changed",
            next=(f"db-migrate plan --out {shlex.quote(where)}",),
        )
    try:
        return from_builtins({**data, "seal": ""}, Plan)
    except Mismatch as error:
        raise _unreadable(where, str(error)) from error


def _seal(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document without its seal: fields in the order of their names, no white space between them."""
    sealed = {name: value for name, value in document.items() if name != "seal"}
    return hashlib.sha256(_encoded(sealed, order="deterministic")).hexdigest()


def _unreadable(where: str, why: str) -> UsageError:
    return UsageError(
        "plan.unreadable",
        f"{where} is not a plan that can be applied",
        why=why,
        where=where,
        state="nothing was changed",
        next=(f"db-migrate plan --out {shlex.quote(where)}",),
    )


def _head(verb: str, ok: bool, target: object, warnings: object) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "verb": verb, "ok": ok, "target": target, "warnings": warnings}
