"""Baselines: what is known is allowed, what is gone is said, and what is no baseline is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from db_migrate.errors import UsageError
from db_migrate.rules.baseline import apply, read, write
from db_migrate.rules.finding import Allowed, Finding, Severity

FOUND = Finding("drop-column", Severity.ERROR, "0003", 1, "public.t.c", "m", "w", "f", "x.py", 7)
NAMES = ("public.t.c", 'public."a \u2028\nb"', "public.\N{SNOWMAN}")


def test_a_baseline_allows_what_it_knows_and_says_what_is_gone(tmp_path: Path) -> None:
    """By rule, object and revision; another revision's finding is new; only what was looked at can be gone."""
    file = tmp_path / "known.json"
    before = [replace(FOUND, object=name) for name in NAMES]
    file.write_text(write([*before, replace(FOUND, allowed=Allowed("r", "revision"), object="public.other")]))
    known = read(file)
    assert [each.object for each in known] == sorted(NAMES)
    now = (replace(before[0], line=9, message="other words"), before[1], replace(FOUND, revision="0004"))
    judged = apply(now, known, file, {"0003", "0004"})
    assert [each.allowed.by if each.allowed else None for each in judged] == ["baseline", "baseline", None, None]
    assert (judged[3].rule, judged[3].severity, judged[3].object) == (
        "intent-stale",
        Severity.NOTE,
        f"drop-column:{NAMES[2]}",
    )
    assert apply(now[2:], known, file, {"0004"}) == now[2:]
    written = replace(FOUND, allowed=Allowed("better", "revision"))
    assert apply([written], known, file, set())[0].allowed == written.allowed
    assert write(judged[:2], known) == write(before[:2])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "baseline.unreadable"),
        ("[]", "baseline.unreadable"),
        ('{"format": 2, "findings": []}', "baseline.unreadable"),
        ('{"format": 1, "findings": [{"rule": "a", "object": "b"}]}', "baseline.unreadable"),
        ('{"format": 1, "findings": [{"rule": "a", "object": "b", "revision": "c", "reason": " "}]}', "intent.reason"),
    ],
)
def test_what_is_no_baseline(tmp_path: Path, text: str, code: str) -> None:
    """Other JSON, another format, or an entry without a reason."""
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(UsageError) as refused:
        read(tmp_path / "b.json")
    assert refused.value.code == code
    with pytest.raises(UsageError, match="is not a baseline"):
        read(tmp_path / "gone.json")
