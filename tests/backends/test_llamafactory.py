"""What is given to `llamafactory-cli`, and what its log says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends import llamafactory
from orchestrator.backends.options.llamafactory import OPTIONS
from orchestrator.backends.options.table import Risk
from orchestrator.backends.trainer_log import (
    TrainStep,
    read_examples,
    read_log_line,
    read_printed,
    read_state,
    seconds_left,
    seconds_of,
)
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Runtime
from tests.plan.test_plan import job_of


def job(*sets: str, profile: str = "cpu") -> Job:
    return job_of("magic_conch", profile, *sets)


def training(*sets: str, profile: str = "cpu") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(llamafactory.train_yaml(job(*sets, profile=profile)))
    return found


def exporting(*sets: str, profile: str = "cpu") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(llamafactory.export_yaml(job(*sets, profile=profile)))
    return found


def test_lora_trains_an_adapter_and_merges_it_into_the_base() -> None:
    train = training("train.lora_rank=8", "train.lora_target=q_proj,v_proj")
    assert (train["stage"], train["finetuning_type"], train["do_train"]) == ("sft", "lora", True)
    assert (train["lora_rank"], train["lora_alpha"], train["lora_target"]) == (8, 16, "q_proj,v_proj")
    assert train["output_dir"] == "adapter.partial-0"
    export = exporting()
    assert export["model_name_or_path"] == "inputs/base"
    assert export["adapter_name_or_path"] == "adapter"
    assert export["export_dir"] == "export.partial-0"


@pytest.mark.parametrize("method", ["full", "freeze"])
def test_other_methods_export_what_they_trained(method: str) -> None:
    train = training(f"train.method={method}")
    assert train["finetuning_type"] == method
    assert not [key for key in train if key.startswith("lora")]
    export = exporting(f"train.method={method}")
    assert export["model_name_or_path"] == "adapter"
    assert "adapter_name_or_path" not in export


@pytest.mark.parametrize(("thinking", "value"), [("on", True), ("off", False), ("mixed", None)])
@pytest.mark.parametrize(("history", "masked"), [("keep", False), ("strip", True)])
def test_the_template_decides_the_same_for_training_and_export(
    *, thinking: str, value: bool | None, history: str, masked: bool
) -> None:
    sets = f"template.thinking={thinking}", f"template.history={history}"
    for found in (training(*sets), exporting(*sets)):
        assert found["template"] == "deepseekr1"
        assert "enable_thinking" in found  # null says mixed; absent would be LLaMA-Factory's default, on
        assert found["enable_thinking"] is value
        assert found["mask_history"] is masked


@pytest.mark.parametrize(
    ("profile", "wanted", "bf16", "fp16", "dtype"),
    [
        ("cpu", "auto", False, False, "float32"),
        ("cuda", "auto", True, False, "bfloat16"),
        ("cuda", "fp16", False, True, "float16"),
        ("cuda", "fp32", False, False, "float32"),
        ("cpu", "bf16", True, False, "bfloat16"),
    ],
)
def test_compute_types(profile: str, wanted: str, dtype: str, *, bf16: bool, fp16: bool) -> None:
    found = training(f"train.compute_type={wanted}", profile=profile)
    assert (found["bf16"], found["fp16"]) == (bf16, fp16)
    assert found.get("use_cpu") is (True if profile == "cpu" else None)
    assert exporting(f"train.compute_type={wanted}", profile=profile)["infer_dtype"] == dtype


def test_a_validation_share_is_measured() -> None:
    found = training("data.validation_share=0.1", "train.save_steps=7", "train.batch_size=3")
    assert (found["eval_dataset"], found["eval_strategy"]) == ("magic_conch_validation", "steps")
    assert (found["dataset"], found["eval_steps"]) == ("magic_conch", 7)
    assert found["per_device_eval_batch_size"] == 3
    assert "val_size" not in found, "LLaMA-Factory's own split would tear groups apart"
    assert "eval_dataset" not in training("data.validation_share=0")


def test_the_loss_is_measured_on_what_was_split_off_and_what_was_given() -> None:
    assert training("data.split={train: 8, validation: 2}")["eval_dataset"] == "magic_conch_validation"
    assert training("data.validation=smoke")["eval_dataset"] == "smoke"
    assert "eval_dataset" not in training("data.split={train: 8, test: 2}", "data.validation=[]")
    assert "eval_dataset" not in training("data.test=smoke")


def test_checkpoints_are_made_unless_they_are_not_wanted() -> None:
    found = training("train.save_steps=null")
    assert (found["save_strategy"], found["save_steps"], found["save_total_limit"]) == ("steps", 0.1, 2)
    assert found["enable_jit_checkpoint"] is True
    assert training("train.method=full")["save_steps"] == 0.25
    assert training("train.save_steps=5")["save_steps"] == 5
    found = training("train.save_steps=0")
    assert found["save_strategy"] == "no"
    assert "save_steps" not in found
    assert "enable_jit_checkpoint" not in found


def test_a_training_goes_on_from_the_checkpoint_that_is_named() -> None:
    command = llamafactory.resumed(
        llamafactory.command("train", "train.yaml"), "adapter.partial-0/checkpoint-3"
    )
    assert command.argv[2:] == (
        "train.yaml",
        "resume_from_checkpoint=adapter.partial-0/checkpoint-3",
        "overwrite_output_dir=false",
    )


def test_warmup_steps_win_over_the_ratio() -> None:
    assert "warmup_ratio" not in training("train.warmup_steps=0")
    assert training("train.warmup_steps=0")["warmup_steps"] == 0
    assert training("train.warmup_ratio=0.2")["warmup_ratio"] == 0.2


def test_the_passage_is_passed_on_and_wins_over_what_has_no_name() -> None:
    found = training("llamafactory={adam_beta1: 0.8, report_to: tensorboard, run_name: 海螺}")
    assert (found["adam_beta1"], found["report_to"], found["run_name"]) == (0.8, "tensorboard", "海螺")


def test_what_the_recipe_says_is_ours_alone() -> None:
    """Each key that is rendered from the recipe's own words is refused in the raw passage."""
    free = {"dataset_dir", "preprocessing_num_workers", "save_total_limit", "report_to", "export_device"}
    free |= {"eval_strategy", "eval_steps", "per_device_eval_batch_size"}
    rendered = {*training("data.validation_share=0.1", "train.save_steps=5"), *exporting()}
    assert rendered - free <= set(OPTIONS.names(Risk.OWNED))


def test_data_sets_are_named_in_the_order_of_the_recipe() -> None:
    one = job()
    two = replace(one, datasets=(replace(one.datasets[0], name="b"), replace(one.datasets[0], name="a")))
    assert yaml.safe_load(llamafactory.train_yaml(two))["dataset"] == "b,a"


def test_the_trainer_s_own_count_is_read() -> None:
    log = "***** Running training *****\n  Num examples = 226,042\n  Num Epochs = 1\n"
    assert read_examples(log + "***** Running Evaluation *****\n  Num examples = 3\n") == 226_042
    assert read_examples("[INFO] loading\n") is None


@pytest.mark.parametrize(
    ("setting", "repacks"),
    [
        ("llamafactory={}", False),
        ("llamafactory={mix_strategy: interleave_under}", True),
        ("train.packing=on", True),
    ],
)
def test_rows_are_examples_unless_they_are_mixed_or_packed(setting: str, *, repacks: bool) -> None:
    assert llamafactory.repacks_rows(job(setting)) is repacks


def test_a_command_runs_where_llamafactory_is() -> None:
    command = llamafactory.command("train", "train.yaml")
    assert command.argv == ("{train}/bin/llamafactory-cli", "train", "train.yaml")
    assert command.runtime is Runtime.TRAIN


LINE = {"current_steps": 3, "total_steps": 10, "loss": 0.5, "lr": 1e-3, "elapsed_time": "0:00:01"}


def test_a_line_of_the_log_is_a_step() -> None:
    step = read_log_line(json.dumps({**LINE, "remaining_time": "0:00:09", "epoch": 1, "new key": {}}))
    assert step == TrainStep(3, 10, 0.5, None, 1e-3, "0:00:01", "0:00:09")
    assert read_log_line(json.dumps({"current_steps": 3, "total_steps": 10, "eval_loss": 2.0})) == TrainStep(
        3, 10, eval_loss=2.0
    )


@pytest.mark.parametrize(
    "line", ["", "{", "null", "[]", "3", '{"current_steps": 1}', '{"current_steps": null, "total_steps": 1}']
)
def test_a_foreign_line_is_none(line: str) -> None:
    assert read_log_line(line) is None


@given(st.integers(min_value=0, max_value=len(json.dumps(LINE)) - 1))
def test_a_torn_line_is_none(length: int) -> None:
    assert read_log_line(json.dumps(LINE)[:length]) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


_COUNT = st.integers() | st.sampled_from([float("inf"), "7", None, True])
_STEPS = st.fixed_dictionaries(
    {"current_steps": _COUNT, "total_steps": _COUNT},
    optional={"loss": _JSON, "eval_loss": _JSON, "lr": _JSON, "remaining_time": _JSON},
)


@given(st.text() | _JSON.map(json.dumps) | _STEPS.map(json.dumps))
def test_no_line_breaks_the_reader_and_numbers_are_numbers(line: str) -> None:
    step = read_log_line(line)
    if step is not None:
        for number in (step.loss, step.eval_loss, step.learning_rate):
            assert number is None or isinstance(number, float)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("0:00:05", 5), ("23:59:59", 86399), ("1 day, 0:00:01", 86401), ("2 days, 3:04:05", 183845)]
    + [(wrong, None) for wrong in ("", "5", "-1:00:00", "1:2:3", "a:00:00")],
)
def test_times_are_those_of_a_timedelta(time: str, seconds: int | None) -> None:
    assert seconds_of(time) == seconds


def test_a_resumed_training_is_timed_by_its_own_steps() -> None:
    step = TrainStep(step=60, total=100, elapsed="0:00:10", remaining="0:00:06")
    assert (seconds_left(step), seconds_left(step, resumed_at=50)) == (7, 40)
    assert seconds_left(step, resumed_at=60) == 6, "no step of its own yet: what the trainer says"
    assert seconds_left(TrainStep(1, 2)) is None


def test_numbers_that_are_printed_are_read_and_nothing_else() -> None:
    printed = (
        "  5%|▌| 1/20\r{'loss': '0.6931', 'rewards/margins': '0', 'kl': '7.2', 'epoch': '0.1'}\n"
        "{'loss': 'nan', 'rewards/margins': '0.5', 'epoch': '0.2'}\n"
        "{'eval_loss': '0.5', 'kl': '30', 'epoch': '0.2'}\n"
        "{'not': a dict, 'epoch': 1}\n{'loss': '0.1', 'rew"
    )
    found = read_printed(printed)
    assert (found["loss"], found["rewards/margins"], found["kl"], found["eval_kl"]) == (
        0.6931,
        0.5,
        7.2,
        30.0,
    )
    assert read_printed("no numbers {}") == {}


def test_the_state_of_a_trainer_is_series() -> None:
    history: list[dict[str, object]] = [
        {"step": 1, "loss": 0.69, "rewards/accuracies": 0.0},
        {"step": 2, "loss": float("nan"), "rewards/accuracies": 0.5, "kl": 3},
        {"step": 2, "eval_loss": 0.6, "eval_rewards/accuracies": 1.0, "kl": 9},
    ]
    found = read_state(json.dumps({"log_history": history}))
    assert found["loss"] == [(1, 0.69)]
    assert found["rewards/accuracies"] == [(1, 0.0), (2, 0.5)]
    assert (found["kl"], found["eval_kl"]) == ([(2, 3.0)], [(2, 9.0)])
    for broken in ("", "[]", '{"log_history": [1]}', '{"log_history": [{"loss": 1}]}', '{"log_history": 3}'):
        assert read_state(broken) == {}


@pytest.mark.parametrize(
    ("recipe", "metric", "higher"),
    [("conch_dpo", "eval_rewards/accuracies", True), ("conch_kto", "eval_loss", False)],
)
def test_the_best_state_is_that_of_the_kind_s_own_metric(recipe: str, metric: str, *, higher: bool) -> None:
    settings = yaml.safe_load(llamafactory.train_yaml(job_of(recipe, "cpu", "train.early_stopping=2")))
    assert settings["load_best_model_at_end"]
    assert (settings["metric_for_best_model"], settings["greater_is_better"]) == (metric, higher)
