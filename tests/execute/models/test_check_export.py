"""An export is complete and shaped like its base before it takes its name; one template is left in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.models.check_export import check_export, compare_tensors
from orchestrator.plan.stages.export import CheckExportSettings
from tests.probes import tiny_models as tiny
from tests.small_world import make_base

SETTINGS = CheckExportSettings(
    export="export.partial-0",
    base="inputs/base",
    chat_template="chat_template.jinja",
    stand_in=False,
    sampling={},
)
BASE = {"model.embed_tokens.weight": (100, 8), "model.layers.0.q.weight": (8, 8), "lm_head.weight": (100, 8)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inputs").mkdir()
    make_base(tmp_path / "inputs/base")
    shutil.copytree(tmp_path / "inputs/base", tmp_path / "export.partial-0")
    (tmp_path / "chat_template.jinja").write_text("{{ proven }}", encoding="utf-8")
    return tmp_path


def test_the_proven_template_is_the_only_one_left(folder: Path) -> None:
    export = folder / "export.partial-0"
    assert check_export(SETTINGS, folder) == 0
    assert (export / "chat_template.jinja").read_text(encoding="utf-8") == "{{ proven }}"
    assert "chat_template" not in json.loads((export / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert "chat_template" in (folder / "inputs/base/tokenizer_config.json").read_text(encoding="utf-8")
    assert not (export / "README.md").exists()


def test_a_stand_in_says_so_where_people_look(folder: Path) -> None:
    check_export(replace(SETTINGS, stand_in=True), folder)
    card = (folder / "export.partial-0/README.md").read_text(encoding="utf-8")
    assert "not a DeepSeek model" in card
    assert card.startswith("---\nlicense: apache-2.0\n")


@pytest.mark.parametrize("apart", [True, False])
def test_a_head_that_was_trained_apart_is_said_to_be_one(folder: Path, *, apart: bool) -> None:
    """A larger vocabulary and additional modules leave a head that a server would drop."""
    export = folder / "export.partial-0"
    table = tiny.matrix(4, 3, "table")
    head = tiny.matrix(4, 3, "head") if apart else table
    tiny.write(export / "model.safetensors", {"model.embed_tokens.weight": table, "lm_head.weight": head})
    tiny.write(folder / "inputs/base/model.safetensors", {"model.embed_tokens.weight": table})
    config = json.loads((export / "config.json").read_text(encoding="utf-8"))
    (export / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}), encoding="utf-8")
    assert check_export(SETTINGS, folder) == 0
    said = json.loads((export / "config.json").read_text(encoding="utf-8"))["tie_word_embeddings"]
    assert said is not apart


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / "export.partial-0" / name).unlink()
    with pytest.raises(MissingError):
        check_export(SETTINGS, folder)


def test_a_tokenizer_without_a_config_is_whole(folder: Path) -> None:
    (folder / "export.partial-0/tokenizer_config.json").unlink()
    assert check_export(SETTINGS, folder) == 0


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_tokenizer_config_that_is_none_is_named(folder: Path, text: str) -> None:
    (folder / "export.partial-0/tokenizer_config.json").write_text(text, encoding="latin-1")
    with pytest.raises(StageFailed, match="tokenizer_config"):
        check_export(SETTINGS, folder)


def test_a_file_that_is_cut_short_is_named(folder: Path) -> None:
    path = folder / "export.partial-0/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MissingError, match="is truncated"):
        check_export(SETTINGS, folder)


def test_other_tensors_than_the_base_are_a_failure(folder: Path) -> None:
    path = folder / "export.partial-0/model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"w"', b'"v"'))
    with pytest.raises(StageFailed, match="the export lacks the tensor w"):
        check_export(SETTINGS, folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"lm_head.weight": None}, []),  # tied
        ({"lm_head.weight": (120, 8), "model.embed_tokens.weight": (120, 8)}, []),  # a resized vocabulary
        ({"model.layers.0.q.weight": None}, ["the export lacks the tensor model.layers.0.q.weight"]),
        (
            {"model.layers.0.q.weight": (8, 4)},
            ["model.layers.0.q.weight has shape [8, 4], the base has [8, 8]"],
        ),
        (
            {"model.embed_tokens.weight": (100, 4)},
            ["model.embed_tokens.weight has shape [100, 4], the base has [100, 8]"],
        ),
        ({"more": (1,)}, []),
    ],
)
def test_tensors_are_compared_by_name_and_shape(
    change: dict[str, tuple[int, ...] | None], said: list[str]
) -> None:
    export = {name: shape for name, shape in {**BASE, **change}.items() if shape is not None}
    assert compare_tensors(BASE, export) == said
