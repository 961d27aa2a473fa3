"""The list of claims stays what it says: their tests are there, and each can be broken as `broken` does."""

from __future__ import annotations

import ast

import pytest

from .claims import CLAIMS, ROOT, Claim


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.words)
def test_a_claim_has_a_test_and_can_be_broken(claim: Claim) -> None:
    """The test is in its file, and what is changed stands there once and is Python afterwards, where it was."""
    file, _, name = claim.test.partition("::")
    names = {each.name for each in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(each, ast.FunctionDef)}
    assert not name or name in names
    broken = claim.broken((ROOT / claim.file).read_text("utf-8"))
    if claim.file.endswith(".py"):
        ast.parse(broken)
