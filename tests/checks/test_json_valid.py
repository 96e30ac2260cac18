"""json_valid: one JSON value and nothing else, with the keys that are wanted."""

from __future__ import annotations

import pytest

from orchestrator.checks.json_valid import CHECK
from tests.checks.room import CASE, said, turn


@pytest.mark.parametrize("answer", ['{"名": "海螺"}', "[1]", "null", '\n\n```json\n{"a": 1}\n```'])
def test_json_passes(answer: str) -> None:
    assert CHECK.judge(CASE, True, said(answer)).passed


@pytest.mark.parametrize("answer", ["好的：{}", "{'a': 1}", '{"a": NaN}', "{", '{"a": 1} 完', "[" * 5000])
def test_anything_else_does_not(answer: str) -> None:
    assert not CHECK.judge(CASE, True, said(answer)).passed


def test_keys_are_looked_for() -> None:
    assert CHECK.judge(CASE, ["名", "价"], said('{"名": "堡", "价": 3}')).passed
    assert CHECK.judge(CASE, ["名", "价"], said('{"名": "堡"}')).reason.startswith('the object lacks "价"')
    assert not CHECK.judge(CASE, ["名"], said('["名"]')).passed
    assert not CHECK.judge(CASE, ["名"], said(turn(error="HTTP 500"))).passed


def test_arguments() -> None:
    assert CHECK.problem(True) is None
    assert CHECK.problem(["名"]) is None
    assert all(CHECK.problem(argument) for argument in (False, None, [], "名", {"名": 1}, [""]))
