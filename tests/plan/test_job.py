"""What a job decides by itself: the number format, the parser, whether its base only stands in."""

from __future__ import annotations

import pytest

from tests.plan.test_plan import job_of


@pytest.mark.parametrize(
    ("profile", "wanted", "used"),
    [("cpu", "auto", "fp32"), ("cuda", "auto", "bf16"), ("cpu", "bf16", "bf16"), ("cuda", "fp16", "fp16")],
)
def test_the_compute_type(profile: str, wanted: str, used: str) -> None:
    assert job_of("magic_conch", profile, f"train.compute_type={wanted}").compute_type == used


@pytest.mark.parametrize(
    ("sets", "parser"),
    [
        ((), "deepseek_r1"),
        (("template.thinking=off",), None),
        (("serve.reasoning_parser=none",), None),
        (("serve.reasoning_parser=qwen3",), "qwen3"),
    ],
)
def test_the_reasoning_parser(sets: tuple[str, ...], parser: str | None) -> None:
    assert job_of("magic_conch", "cpu", *sets).reasoning_parser == parser


def test_a_stand_in_is_the_embedded_base_alone() -> None:
    assert job_of("magic_conch", "cpu").stand_in
    assert not job_of("magic_conch", "cuda").stand_in
