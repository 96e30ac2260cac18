"""What changed since training is named, with what it is; what an export does by itself is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.proofs.hashes import Exported, ModelHashes, changed_values, first_difference, prove
from orchestrator.results import in_chinese

TEMPLATE = "{{ bos_token }}\n{%- for 消息 in messages -%}\n{{ 消息 }}\n{%- endfor -%}\n"
THEN = ModelHashes(
    base={"name": "org/model", "source": "huggingface:org/model", "revision": "a" * 40},
    fetched={"model.safetensors": "sha256:w1"},
    files={
        "inputs/base/model.safetensors": "sha256:w1",
        "inputs/base/tokenizer.json": "sha256:t1",
        "inputs/base/chat_template.jinja": "sha256:c1",
        "inputs/base/generation_config.json": "sha256:g1",
        "inputs/base/config.json": "sha256:k1",
        "adapter/adapter_model.safetensors": "sha256:a1",
        "adapter/adapter_config.json": "sha256:b1",
        "data/海螺.jsonl": "sha256:d1",
        "chat_template.jinja": "sha256:j1",
        "train.yaml": "sha256:y1",
    },
    texts={"chat_template.jinja": TEMPLATE, "train.yaml": "seed: 1\n"},
    generation={"eos_token_id": [4, 2], "temperature": 0.6, "transformers_version": "5.5.4"},
    environments={"train": "sha256:e1", "serve": "sha256:s1"},
)
EXPORTED = Exported("export", TEMPLATE, "sha256:j1", {"eos_token_id": [2, 4], "temperature": 0.6})


def changed(name: str, value: str | None) -> ModelHashes:
    files = {**THEN.files, name: value or ""}
    return replace(THEN, files={key: found for key, found in files.items() if found})


def test_nothing_changed() -> None:
    proof = prove(THEN, THEN, EXPORTED)
    assert proof.holds
    assert (proof.numbers, proof.findings, proof.detail) == ({"files": 10, "changed": 0}, (), "")
    assert proof.covered.startswith("10 files of the training, 2 of them weights, hashed again; export's")


def test_fault_155_no_recorded_file_is_no_proof() -> None:
    proof = prove(replace(THEN, files={}), replace(THEN, files={}), EXPORTED)
    assert not proof.holds
    assert (proof.detail, in_chinese(proof.detail)) == (
        "no file of the training was recorded",
        "没有记录任何训练文件",
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "inputs/base/model.safetensors",
            "the base's weights: changed since training, w1 → new (another rev",
        ),
        ("inputs/base/tokenizer.json", "the base's tokenizer: changed"),
        ("inputs/base/chat_template.jinja", "the base's chat template: changed"),
        ("inputs/base/generation_config.json", "the base's generation config: changed"),
        ("inputs/base/config.json", "the base's configuration: changed"),
        ("adapter/adapter_model.safetensors", "the adapter's weights: changed"),
        ("adapter/adapter_config.json", "the adapter's configuration: changed"),
        ("data/海螺.jsonl", "the training data: changed"),
    ],
)
def test_every_file_is_named_with_what_it_is(name: str, says: str) -> None:
    proof = prove(THEN, changed(name, "sha256:new"), EXPORTED)
    assert not proof.holds
    (finding,) = proof.findings
    assert (finding["where"], finding["new"]) == (name, "sha256:new")
    assert finding["what"].startswith(says)
    assert proof.detail.startswith(f"{name}: {says}")
    assert proof.hint
    assert "is gone" in prove(THEN, changed(name, None), EXPORTED).detail


def test_a_shard_that_was_added() -> None:
    proof = prove(THEN, changed("inputs/base/model-2.safetensors", "sha256:x"), EXPORTED)
    assert proof.detail.endswith("the base's weights: the file was added since training")


def test_another_revision_of_the_base() -> None:
    now = replace(
        changed("inputs/base/model.safetensors", "sha256:w2"), base={**THEN.base, "revision": "b" * 40}
    )
    proof = prove(THEN, now, EXPORTED)
    assert "the base is another revision: " + "a" * 40 + " → " + "b" * 40 in proof.detail
    assert proof.hint == "set model.revision back, or train again"
    assert len(proof.findings) == 2


def test_a_shard_swapped_between_fetching_and_training() -> None:
    then = replace(THEN, fetched={"model.safetensors": "sha256:w0"})
    proof = prove(then, then, EXPORTED)
    assert not proof.holds
    assert "differed from the fetched file when training ended: w0 → w1" in proof.detail


@pytest.mark.parametrize(
    ("edited", "says"),
    [
        (TEMPLATE + "\n", r"line 5: '' → '\n'"),
        (TEMPLATE.replace("{{ 消息 }}", "{{ 消息 }} "), r"line 3: '{{ 消息 }}\n' → '{{ 消息 }} \n'"),
        (TEMPLATE.replace("\n", "\r\n", 1), r"line 1: '{{ bos_token }}\n' → '{{ bos_token }}\r\n'"),
    ],
)
def test_an_edited_template_shows_its_line(edited: str, says: str) -> None:
    now = replace(
        changed("chat_template.jinja", "sha256:j2"), texts={**THEN.texts, "chat_template.jinja": edited}
    )
    proof = prove(THEN, now, EXPORTED)
    assert proof.detail == f"chat_template.jinja: the chat template: changed since training, j1 → j2; {says}"
    exported = replace(EXPORTED, template=edited, template_hash="sha256:j2")
    proof = prove(THEN, THEN, exported)
    assert proof.detail.startswith(
        "export/chat_template.jinja: the export's chat template is not the proven one"
    )
    assert proof.detail.endswith(says)


def test_a_long_line_is_shown_around_the_change() -> None:
    line = "x" * 500
    assert (
        first_difference(line + "a" + line, line + "b" + line)
        == f"line 1: '{'x' * 30}a{'x' * 29}' → '{'x' * 30}b{'x' * 29}'"
    )


def test_an_export_without_template_or_generation_config() -> None:
    proof = prove(THEN, THEN, Exported("export", None, "", None))
    assert [one["where"] for one in proof.findings] == [
        "export/chat_template.jinja",
        "export/generation_config.json",
    ]


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ({"eos_token_id": 4}, {"eos_token_id": [4]}, []),
        ({"eos_token_id": [4, 2]}, {"eos_token_id": 4}, ["eos_token_id"]),
        ({"transformers_version": "4"}, {"transformers_version": "5", "_from_model_config": True}, []),
        ({"temperature": 0.6}, {"temperature": 0.6, "do_sample": True}, []),
        ({}, {"do_sample": True}, ["do_sample"]),
        ({"temperature": 0.6}, {"temperature": 0.7}, ["temperature"]),
        ({"top_p": 0.9, "do_sample": True}, {"top_p": 0.9, "do_sample": False}, ["do_sample"]),
        ({"pad_token_id": None}, {}, []),
        ({}, {"repetition_penalty": 1.3}, ["repetition_penalty"]),
        ({"use_cache": True}, {"use_cache": 1}, ["use_cache"]),
    ],
)
def test_generation_configs_are_compared_by_value(
    old: dict[str, Any], new: dict[str, Any], keys: list[str]
) -> None:
    assert [key for key, *_ in changed_values(old, new)] == keys
    proof = prove(replace(THEN, generation=old), THEN, replace(EXPORTED, generation=new))
    assert proof.holds is not bool(keys)
    if keys:
        assert keys[0] in proof.detail


def test_a_base_that_is_not_there_any_more_is_not_covered() -> None:
    files = {name: value for name, value in THEN.files.items() if not name.startswith("inputs/base/")}
    proof = prove(THEN, replace(THEN, files=files, base={"name": "", "source": "", "revision": ""}), EXPORTED)
    assert proof.holds
    assert "the base model, which no longer exists" in proof.not_covered


def test_another_environment_is_told_not_judged() -> None:
    proof = prove(THEN, replace(THEN, environments={"serve": "sha256:s2"}), EXPORTED)
    assert proof.holds
    assert [one["what"] for one in proof.findings] == ["the serve environment changed: s1 → s2"]
    assert proof.numbers["changed"] == 0


def test_many_changes_are_all_counted() -> None:
    now = replace(THEN, files=dict.fromkeys(THEN.files, "sha256:new"))
    proof = prove(THEN, now, EXPORTED)
    assert proof.numbers["changed"] == len(proof.findings) == 10
