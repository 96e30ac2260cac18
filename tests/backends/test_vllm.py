"""What is given to `vllm serve`: its config file, its words, its environment; and which keys are ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from orchestrator.backends import vllm
from orchestrator.errors import UsageError
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Runtime
from tests.plan.test_plan import job_of


def config(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(vllm.config(job))
    return found


def test_a_cpu_serves_eagerly_in_float32() -> None:
    found = config(job_of("magic_conch", "cpu"))
    assert found == {
        "dtype": "float32",
        "max-model-len": 2048,
        "chat-template": "chat_template.jinja",
        "reasoning-parser": "deepseek_r1",
        "enforce-eager": True,
    }
    assert vllm.environment(job_of("magic_conch", "cpu"))["VLLM_CPU_OMP_THREADS_BIND"] == "{cores}"


def test_a_gpu_compiles_and_serves_in_bfloat16() -> None:
    found = config(job_of("magic_conch", "cuda"))
    assert found["dtype"] == "bfloat16"
    assert "enforce-eager" not in found
    assert not any("CPU" in name for name in vllm.environment(job_of("magic_conch", "cuda")))


@pytest.mark.parametrize(
    ("sets", "key", "value"),
    [
        (("train.compute_type=bf16",), "dtype", "bfloat16"),
        (("serve.reasoning_parser=none",), "reasoning-parser", None),
        (("serve.reasoning_parser=mistral",), "reasoning-parser", "mistral"),
        (("template.thinking=off",), "reasoning-parser", None),
        (("serve.max_model_len=null",), "max-model-len", None),
        (("vllm={seed: 3}",), "seed", 3),
    ],
)
def test_the_recipe_decides(sets: tuple[str, ...], key: str, value: object) -> None:
    assert config(job_of("magic_conch", "cpu", *sets)).get(key) == value


@pytest.mark.parametrize("spelling", ["enforce-eager", "enforce_eager", "--enforce_eager"])
def test_a_value_of_the_passage_replaces_ours_in_any_spelling(spelling: str) -> None:
    job = job_of("magic_conch", "cpu")
    found = config(replace(job, recipe=job.recipe.model_copy(update={"vllm": {spelling: False}})))
    assert found["enforce-eager"] is False
    assert [key for key in found if "eager" in key] == ["enforce-eager"]


def test_only_the_option_is_respelled_not_what_is_inside_it() -> None:
    job = job_of("magic_conch", "cpu")
    given = {"compilation_config.cudagraph_mode": "FULL_x", "attention_config": {"use_non_causal": True}}
    found = config(replace(job, recipe=job.recipe.model_copy(update={"vllm": given})))
    assert found["compilation-config"] == {"cudagraph_mode": "FULL_x"}
    assert found["attention-config"] == {"use_non_causal": True}


def test_the_server_is_told_where_and_under_which_names() -> None:
    job = job_of("magic_conch", "cpu")
    service = vllm.service(job, name="v", folder="export", warm_during="export", config="c.yaml", host="::1")
    words = service.command.argv
    assert words[:5] == ("{serve}/bin/vllm", "serve", "export", "--config", "c.yaml")
    assert words[words.index("--host") + 1] == "::1"
    assert words[words.index("--port") + 1] == "{port}"
    at = words.index("--served-model-name")
    assert words[at + 1] == job.recipe.served_model
    assert service.model == job.recipe.served_model
    assert service.warm is not None
    assert service.command.runtime is service.warm.runtime is Runtime.SERVE
    assert service.command.env == service.warm.env
    assert not any("KEY" in name for name in service.command.env)


@pytest.mark.parametrize(("parser", "has"), [("auto", True), ("qwen3", True), ("none", False)])
def test_our_plug_in_cleans_the_content_of_every_parser(parser: str, *, has: bool) -> None:
    job = job_of("magic_conch", "cpu", f"serve.reasoning_parser={parser}")
    words = vllm.service(job, name="v", folder="e", warm_during="", config="c.yaml").command.argv
    assert ("--reasoning-parser-plugin" in words) is has


def test_tools_get_the_parser_of_the_format_that_was_trained() -> None:
    job = job_of("conch_tools", "cpu")
    assert config(job)["tool-call-parser"] == "conch_action"
    assert config(job)["enable-auto-tool-choice"] is True
    words = vllm.service(job, name="s", folder="f", warm_during="", config="c").command.argv
    assert words[words.index("--tool-parser-plugin") + 1] == "{probes}/engines/tool_parser.py"
    qwen = job_of("conch_tools", "cpu", "template={name: qwen3_nothink}")
    assert config(qwen)["tool-call-parser"] == "hermes"
    assert (
        "--tool-parser-plugin"
        not in vllm.service(qwen, name="s", folder="f", warm_during="", config="c").command.argv
    )


def test_a_tool_parser_of_another_family_is_refused() -> None:
    """Fault: the calls would come back as text."""
    with pytest.raises(UsageError, match="another format than template deepseekr1 trains") as refused:
        job_of("conch_tools", "cpu", "vllm={tool-call-parser: hermes}")
    assert "conch_action is used" in refused.value.problems[0].hint
    assert job_of("conch_tools", "cpu", "vllm={tool-call-parser: conch_action}").tools
    assert not job_of("magic_conch", "cpu", "vllm={tool-call-parser: hermes}").tools
