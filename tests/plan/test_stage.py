"""Stages are values: a plan is JSON, a command prints itself as a shell would take it, secrets masked."""

from __future__ import annotations

import json
import shlex

import pytest

from orchestrator.plan.stage import Command, Plan, RenderedFile, Runtime, Service, Stage, partial

COMMAND = Command(("{train}/bin/tool", "a b", "神奇海螺"), Runtime.TRAIN, {"X": "1 2"}, secrets=("HF_TOKEN",))


def test_a_command_prints_itself_without_its_secrets() -> None:
    assert str(COMMAND) == "X='1 2' HF_TOKEN=*** {train}/bin/tool 'a b' '神奇海螺'"
    assert shlex.split(str(COMMAND))[-2:] == ["a b", "神奇海螺"]


def test_a_plan_is_json_in_a_stable_order() -> None:
    plan = Plan("r", "h", (Stage("train", (COMMAND,), files=(RenderedFile("train.yaml", "a: 1\n"),)),))
    said = json.dumps(plan.to_json(), ensure_ascii=False)
    assert said == json.dumps(plan.to_json(), ensure_ascii=False)
    assert json.loads(said)["stages"][0]["commands"][0]["runtime"] == "train"


def test_a_plan_comes_back_from_its_json() -> None:
    service = Service("vllm", COMMAND, "r", warm=COMMAND)
    file = RenderedFile("train.yaml", "a: 1\n")
    stage = Stage("train", (COMMAND,), ("x",), (file,), ("y",), service, at_once=2)
    plan = Plan("r", "h", (stage, Stage("export")))
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    with pytest.raises((KeyError, TypeError)):
        Plan.from_json({"recipe": "r", "headline": "h", "stages": [{"name": "of another version"}]})


def test_a_plan_knows_its_stages() -> None:
    plan = Plan("r", "h", (Stage("train"), Stage("export")))
    assert plan.stage("export").name == "export"
    with pytest.raises(KeyError):
        plan.stage("expert")


def test_an_unfinished_output_bears_another_name() -> None:
    assert partial("proofs/data") == "proofs/data.partial-0"
