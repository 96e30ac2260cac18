"""Faults of an engine's settings: what could run code, read files, open ports or hold a secret."""
# Covers execute/runner/rendered.py

from __future__ import annotations

import json
import logging.config
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from orchestrator.backends.options.llamafactory import OPTIONS as LLAMAFACTORY
from orchestrator.backends.options.vllm import OPTIONS as VLLM
from orchestrator.errors import StageFailed, UsageError
from orchestrator.execute.host import atomic_files
from orchestrator.execute.host.ports import free_port
from orchestrator.execute.runner.existing_run import read_plan
from orchestrator.execute.runner.rendered import as_found, refuse_edited
from orchestrator.execute.serving import serve
from orchestrator.plan.stage import RenderedFile, Stage
from tests.execute.runner.test_loop import code, perform
from tests.small_world import SmallWorld

BASE = "model: {base: ./base}"
SECRET = "hf_CANARYCANARYCANARY"


def overlay(setting: str) -> str:
    return f"{BASE}\nhardware: {{cpu: {{{setting}}}}}"


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("vllm: {log-config-file: inputs/base/log.json}", "can run any command"),
        ("vllm: {logging-config: {pylogging_config_file: inputs/base/log.json}}", "can run any command"),
        ("vllm: {scheduler-cls: os.system}", "it runs code"),
        ("vllm: {distributed-executor-backend: a.b}", "it runs code"),
        ("vllm: {compilation-config: {backend: a.b}}", "it runs code"),
        ("vllm: {ec-transfer-config: {ec_connector_module_path: a}}", "it runs code"),
        ("vllm: {speculative-config: {method: custom_class, model: a.b}}", "it runs code"),
        ("vllm: {hf-overrides: {architectures: [A]}}", "not known beforehand"),
        ('vllm: {kv-events-config: {endpoint: "tcp://*:5557"}}', "it opens a port"),
        ("llamafactory: {deepspeed: ds.json}", "names files, and commands"),
        ("llamafactory: {ref_model: /models/other}", "files that are named there"),
        ("llamafactory: {swanlab_lark_webhook_url: 'https://x.test/k'}", "a secret does not belong"),
    ],
)
def test_fault_110_a_setting_that_could_do_harm_is_refused_in_a_recipe(
    small: SmallWorld, setting: str, why: str
) -> None:
    for text in (f"{BASE}\n{setting}", overlay(setting)):
        small.write_recipe((BASE, text))
        plan = small.run("plan", "small")
        assert plan.code == 2
        assert plan.err.startswith("recipes/small.yaml:2:"), plan.err
        assert why in plan.err
    small.write_recipe()
    passage = yaml.safe_load(setting)
    for section, options in passage.items():
        plan = small.run("plan", "small", "--set", f"{section}={json.dumps(options)}")
        assert plan.code == 2
        assert plan.err.startswith(f"--set {section}  "), plan.err
        assert why in plan.err


def test_fault_110_control_a_logging_configuration_runs_commands(tmp_path: Path) -> None:
    """What vLLM does with the file that log-config-file names."""
    ran = tmp_path / "ran"
    formatter = {"()": "subprocess.run", "args": ["touch", str(ran)]}
    logging.config.DictConfigurator({"version": 1}).configure_formatter(formatter)
    assert ran.exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("vllm: {gpu-memory-utilisation: 0.5}", 'did you mean "gpu-memory-utilization"?'),
        ("vllm: {compilation-config: {cudagraph-modes: NONE}}", "compilation-config.cudagraph_mode"),
        ("llamafactory: {neftune_noise: 5}", 'did you mean "neftune_noise_alpha"?'),
        ("llamafactory: {brand_new: 5}", "no such option of LLaMA-Factory 0.9.5"),
    ],
)
def test_fault_111_an_option_without_a_risk_is_refused(small: SmallWorld, setting: str, said: str) -> None:
    small.write_recipe((BASE, f"{BASE}\n{setting}"))
    plan = small.run("plan", "small")
    assert plan.code == 2
    assert said in plan.err
    assert "docs/engine-options.md" in plan.err


@pytest.mark.parametrize(
    "spelling",
    [
        *("log_config_file", "--log-config-file", "LOG-CONFIG-FILE", "log-config", "log-config-file=x"),
        *(
            "no-log-config-file",
            "logging_config.pylogging_config_file",
            "logging-config.pylogging-config-file",
        ),
        *("--logging-config.pylogging_config_file=x", "logging-config.pylogging_config_file+"),
    ],
)
def test_fault_112_every_spelling_of_an_option_is_that_option(spelling: str) -> None:
    (found,) = VLLM.refusals({spelling: "x.json"})
    assert "can run any command" in found.what


def test_fault_112_a_text_with_json_is_a_mapping() -> None:
    (found,) = VLLM.refusals({"compilation-config": '{"mode": 3, "backend": "a.b"}'})
    assert found.keys == ("compilation-config", "backend")


@pytest.mark.parametrize(
    "value",
    ["--log-config-file=x.json", ["--log-config-file", "x.json"], '{"a": 1}', '[{"a": 1}]', {"a": 1}, "a\0b"],
)
def test_fault_113_a_value_that_is_another_option_is_refused(value: object) -> None:
    for name in ("enforce-eager", "seed", "tool-call-parser", "lora-target-modules"):
        assert list(VLLM.refusals({name: value})), name
    if not str(value).startswith(("-", "['-")):  # no command line there
        assert list(LLAMAFACTORY.refusals({"run_name": value}))


@pytest.mark.parametrize(
    ("setting", "way"),
    [
        (f"llamafactory: {{swanlab_api_key: {SECRET}}}", "SWANLAB_API_KEY"),
        (f"llamafactory: {{hf_hub_token: {SECRET}}}", "HF_TOKEN"),
        (f"llamafactory: {{ms_hub_token: {SECRET}}}", "MODELSCOPE_API_TOKEN"),
        (f"vllm: {{api-key: [{SECRET}]}}", "CONCH_API_KEY"),
        (f"vllm: {{hf_token: {SECRET}}}", "HF_TOKEN"),
    ],
)
def test_fault_114_a_secret_is_never_shown(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch, setting: str, way: str
) -> None:
    small.write_recipe((BASE, f"{BASE}\n{setting}"))
    told = [small.run("plan", "small"), small.run("plan", "small", "--json")]
    small.write_recipe()
    ((section, passage),) = yaml.safe_load(setting).items()
    ((name, _),) = passage.items()
    told += [
        small.run("plan", "small", "--set", f"{section}.{name}={SECRET}"),
        small.run("plan", "small", "--set", f"{section}={json.dumps(passage)}"),
    ]
    monkeypatch.setenv(f"CONCH_SET_{section.upper()}", json.dumps(passage))
    told.append(small.run("plan", "small"))
    for said in told:
        assert said.code == 2
        assert way in said.err + said.out
        assert SECRET not in said.err + said.out


def test_fault_115_nothing_starts_with_a_file_that_was_edited(tmp_path: Path) -> None:
    """The first command edits the file of the second, as a person could between two stages."""
    file = RenderedFile("train.yaml", "stage: sft\n")
    edit = code("open('train.yaml', 'a').write('trust_remote_code: true\\n')")
    stage = Stage("train", commands=(edit, code("open('ran', 'w')")), files=(file,))
    with pytest.raises(UsageError, match="was edited after Conch wrote it"):
        perform(tmp_path, stage)
    (run,) = (tmp_path / "runs" / "r").iterdir()
    assert not (run / "ran").exists()


def test_fault_115_a_file_that_was_edited_behind_a_finished_stage_is_written_anew(tmp_path: Path) -> None:
    one = Stage("one", files=(RenderedFile("train.yaml", "stage: sft\n"),))
    run, _, _ = perform(tmp_path, one)
    (run.path / "train.yaml").write_text("stage: dpo\n", encoding="utf-8")
    two = Stage("two", commands=(code("assert open('train.yaml').read() == 'stage: sft\\n'"),))
    perform(tmp_path, one, two, run=run)


def test_fault_115_a_link_to_the_same_text_is_an_edit(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a: 1\n", encoding="utf-8")
    (tmp_path / "server.yaml").symlink_to("mine")
    with pytest.raises(UsageError):
        refuse_edited(tmp_path, [RenderedFile("server.yaml", "a: 1\n")])


def test_fault_115_a_server_does_not_start_again_with_an_edited_file(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.after("run", "small")
    run, starts = small.last().path, []

    def start(*_: object, **__: object) -> None:
        starts.append(1)
        config = run / "serve.yaml"
        config.write_text(config.read_text("utf-8") + "log-config-file: x.json\n", encoding="utf-8")
        raise StageFailed("it died")

    monkeypatch.setattr(serve, "start_service", start)
    (run / "serve.yaml").write_text("log-config-file: x.json\n", encoding="utf-8")
    port = str(free_port("127.0.0.1", 0))
    assert small.run("serve", "small", "--port", port).code == 4, "written anew, and started"
    monkeypatch.setattr(atomic_files, "write_durable", lambda *_, **__: None)
    said = small.run("serve", "small", "--port", port)
    assert (said.code, len(starts)) == (2, 1)
    assert "serve.yaml" in said.err
    assert "was edited after Conch wrote it" in said.err


def test_fault_115_control_an_edited_file_reaches_the_engine_without_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.execute.runner.loop.refuse_edited", lambda *_: None)
    file = RenderedFile("train.yaml", "stage: sft\n")
    edit = code("open('train.yaml', 'w').write('stage: dpo\\n')")
    reads = code("open('ran', 'w').write(open('train.yaml').read())")
    run, _, _ = perform(tmp_path, Stage("train", commands=(edit, reads), files=(file,)))
    assert (run.path / "ran").read_text(encoding="utf-8") == "stage: dpo\n"


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("server.yaml", "log-config-file: inputs/base/log.json", "can run any command"),
        ("server.yaml", "trust-remote-code: true", "Conch sets this itself"),
        ("server.yaml", "reasoning-parser-plugin: x.py", "Conch sets this itself"),
        ("server.yaml", "enforce-eager: --log-config-file=x", "another option"),
        ("server.yaml", "- a list", "no mapping any more"),
        ("train.yaml", "model_name_or_path: /tmp/other", "Conch sets this itself"),
        ("train.yaml", "resume_from_checkpoint: /tmp/pickle", "Conch sets this itself"),
        ("train.yaml", "deepspeed: x.json", "names files, and commands"),
        ("train.yaml", "!!python/object/apply:os.system [id]", "no mapping any more"),
    ],
)
def test_fault_116_a_file_edited_to_do_harm_is_not_judged(
    small: SmallWorld, name: str, line: str, said: str
) -> None:
    """`conch prove` takes these files as they are."""
    small.after("run", "small")
    path = small.last().path / name
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    for verb in ("prove", "why"):
        told = small.run(verb, "small")
        assert told.code == 2, told.err
        assert said in told.err
        assert name in told.err
    assert small.processes() == []


def test_fault_116_a_file_edited_without_harm_is_judged(small: SmallWorld) -> None:
    small.after("run", "small")
    run = small.last()
    path = run.path / "train.yaml"
    text = path.read_text(encoding="utf-8")
    assert "learning_rate" in text
    edited = text + "\n# a remark\nneftune_noise_alpha: 5\nenable_thinking: false\n"
    path.write_text(edited.replace("enable_thinking: true\n", ""), encoding="utf-8")
    plan = as_found(run.path, read_plan(run))
    (file,) = [one for one in plan.stage("train").files if one.path == "train.yaml"]
    assert file.text == path.read_text(encoding="utf-8")
    assert small.run("prove", "small", "--offline").code == 5


def test_fault_117_an_option_that_a_new_version_brings_is_closed() -> None:
    """The tables against the engines: tests/probes/test_engine_options.py."""
    older = {name: option for name, option in VLLM.options.items() if name != "seed"}
    (found,) = replace(VLLM, options=older).refusals({"seed": 3})
    assert "Conch knows no such option of vLLM 0.32.0" in found.what
