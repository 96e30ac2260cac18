"""An export takes its name only when it is whole, shaped like its base, and carries the proven template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import ConchError, StageFailed
from orchestrator.execute.check_export import check_export, compare_tensors
from tests.fakes.site.fakery import TINY_SAFETENSORS

PROVEN = "{{ messages }} proven\n"
SETTINGS = {
    "export": "export.partial-0",
    "base": "inputs/base",
    "chat_template": "chat_template.jinja",
    "stand_in": True,
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a base and the export of it, as llamafactory-cli leaves it."""
    for name in ("inputs/base", "export.partial-0"):
        model = tmp_path / name
        model.mkdir(parents=True)
        (model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
        (model / "generation_config.json").write_text("{}", encoding="utf-8")
        (model / "tokenizer.json").write_text("{}", encoding="utf-8")
        (model / "tokenizer_config.json").write_text('{"chat_template": "the base\'s own"}', encoding="utf-8")
        (model / "model.safetensors").write_bytes(TINY_SAFETENSORS)
    (tmp_path / "export.partial-0/chat_template.jinja").write_text("the base's own", encoding="utf-8")
    (tmp_path / "chat_template.jinja").write_text(PROVEN, encoding="utf-8")
    return tmp_path


def test_a_whole_export_gets_the_proven_template_and_no_second_one(run: Path) -> None:
    assert check_export(SETTINGS, run) == 0
    export = run / "export.partial-0"
    assert (export / "chat_template.jinja").read_text(encoding="utf-8") == PROVEN
    assert "chat_template" not in json.loads((export / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert "stand-in" in (export / "README.md").read_text(encoding="utf-8")


def test_only_a_stand_in_is_called_one(run: Path) -> None:
    assert check_export({**SETTINGS, "stand_in": False}, run) == 0
    assert not (run / "export.partial-0/README.md").exists()


@pytest.mark.parametrize("kept", [0, 4, 20, len(TINY_SAFETENSORS) - 1])
def test_a_file_that_was_cut_short_is_refused(run: Path, kept: int) -> None:
    (run / "export.partial-0/model.safetensors").write_bytes(TINY_SAFETENSORS[:kept])
    with pytest.raises(ConchError) as refused:
        check_export(SETTINGS, run)
    assert refused.value.problems[0].mend or refused.value.problems[0].where


def test_an_export_without_weights_is_refused(run: Path) -> None:
    (run / "export.partial-0/model.safetensors").unlink()
    with pytest.raises(ConchError):
        check_export(SETTINGS, run)


def test_an_export_of_other_tensors_is_refused(run: Path) -> None:
    header = b'{"other":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    other = len(header).to_bytes(8, "little") + header + bytes(4)
    (run / "export.partial-0/model.safetensors").write_bytes(other)
    with pytest.raises(StageFailed, match="the export lacks the tensor"):
        check_export(SETTINGS, run)


BASE = {"model.embed_tokens.weight": (100, 8), "lm_head.weight": (100, 8), "model.norm.weight": (8,)}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"lm_head.weight": None}, ""),
        ({"model.embed_tokens.weight": (104, 8), "lm_head.weight": (104, 8)}, ""),
        ({"model.embed_tokens.weight": (100, 16)}, "has shape [100, 16]"),
        ({"model.norm.weight": None}, "lacks the tensor model.norm.weight"),
        ({"model.norm.weight": (9,)}, "has shape [9], the base has [8]"),
    ],
    ids=["the same", "a tied head", "a larger vocabulary", "a wider model", "one less", "misshapen"],
)
def test_tensors_are_compared_by_name_and_shape(
    changes: dict[str, tuple[int, ...] | None], problem: str
) -> None:
    export = {name: shape for name, shape in {**BASE, **changes}.items() if shape is not None}
    found = compare_tensors(BASE, export)
    assert bool(found) is bool(problem)
    assert problem in " ".join(found)
