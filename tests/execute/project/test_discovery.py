"""What is read of the world before anything is planned, and what is wrong with it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.datasets.entry import DatasetEntry
from orchestrator.errors import ConchError, MissingError, UsageError
from orchestrator.execute.project import discovery, recipes
from orchestrator.plan.job import Context
from tests.small_world import RECIPE, SmallWorld

PARAPHRASES = "dataset_info/small.paraphrases.jsonl"


def look(world: SmallWorld) -> Context:
    return discovery.read_context(world.project, recipes.read("small", project=world.project))


def test_it_sees_templates_data_sets_locks_and_the_base(small: SmallWorld) -> None:
    seen = look(small)
    assert seen.hardware == "cpu"
    assert "deepseekr1-on-keep" in seen.templates
    assert seen.datasets["small"].sha256.startswith("sha256:")
    assert seen.paraphrases["small"][0]["ask"] == "你叫什么"
    assert set(seen.lockfiles) == {"train", "serve"}
    assert seen.base_folder == "{project}/base"
    assert look(small) == seen


def test_it_sees_when_the_data_or_the_base_changed(small: SmallWorld) -> None:
    before = look(small)
    with (small.project / "dataset_info/small.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"instruction": "a", "output": "b"}\n')
    os.utime(small.project / "base/config.json", (1, 1))
    after = look(small)
    assert after.datasets["small"].sha256 != before.datasets["small"].sha256
    assert after.base_state != before.base_state


def test_a_base_outside_the_project_is_an_absolute_path(small: SmallWorld, tmp_path: Path) -> None:
    (small.project / "base").rename(tmp_path / "models")
    for base in ("../models", str(tmp_path / "models")):
        small.write_recipe(("./base", base))
        assert look(small).base_folder == str(tmp_path / "models")


def test_a_data_set_on_a_hub_is_not_fetched_to_be_seen(small: SmallWorld) -> None:
    (small.project / "dataset_info/small.yaml").write_text(
        "format: alpaca\nlicence: x\nhub: {id: a/b, file: x.jsonl, revision: v1}\n", encoding="utf-8"
    )
    assert look(small).datasets["small"].sha256 == "huggingface:a/b@v1/x.jsonl"


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ('{"ask": "a", "expect": {"contains": "b"}}', True),
        ('{"ask": ["a", "b"], "expect": {"contains": "b"}}', True),
        ('{"ask": "a\u2028b", "expect": {"contains": "b"}}', True),
        ("", True),
        ("{", False),
        ("[]", False),
        ("null", False),
        ('{"ask": "a"}', False),
        ('{"expect": {"contains": "b"}}', False),
        ('{"ask": "a", "expect": "b"}', False),
        ('{"ask": 3, "expect": {"contains": "b"}}', False),
        ('{"ask": [], "expect": {"contains": "b"}}', False),
        ('{"ask": [1], "expect": {"contains": "b"}}', False),
        ('{"ask": "a", "expect": {"contain": "b"}}', False),
        ('{"ask": "a", "expect": {"contains": 3}}', False),
        ('{"ask": "a", "expect": {"contains": "b"}, "system": 3}', False),
    ],
)
def test_a_paraphrase_is_a_question_and_what_is_expected(small: SmallWorld, line: str, *, fine: bool) -> None:
    good = '{"ask": "a", "expect": {"contains": "b"}}'
    (small.project / PARAPHRASES).write_text(f"{good}\n{line}\n", encoding="utf-8")
    if fine:
        discovery.read_job("small", project=small.project)
        return
    with pytest.raises(UsageError) as caught:
        discovery.read_job("small", project=small.project)
    assert [problem.where for problem in caught.value.problems] == [f"{PARAPHRASES}:2"]


def test_text_that_is_no_utf_8_is_said(small: SmallWorld) -> None:
    (small.project / PARAPHRASES).write_bytes(b"\xff\xfe{}")
    with pytest.raises(UsageError, match="cannot read the paraphrases"):
        look(small)


@pytest.mark.parametrize(
    "name", ["chat_templates/deepseekr1-on-keep.jinja", "base", "dataset_info/small.jsonl"]
)
def test_what_is_gone_is_named(small: SmallWorld, name: str) -> None:
    path = small.project / name
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(MissingError) as caught:
        look(small)
    assert path.name in str(caught.value)


def test_a_file_where_a_folder_should_be_is_said(small: SmallWorld) -> None:
    (small.project / "dataset_info/small.jsonl").unlink()
    (small.project / "dataset_info/small.jsonl").mkdir()
    with pytest.raises(ConchError):
        look(small)


def test_a_folder_of_data_is_hashed_with_all_its_files(small: SmallWorld) -> None:
    folder = small.project / "dataset_info/data"
    folder.mkdir()
    (small.project / "dataset_info/small.jsonl").rename(folder / "a.jsonl")
    (small.project / "dataset_info/small.yaml").write_text("format: alpaca\nfile: data\n", encoding="utf-8")
    before = look(small).datasets["small"].sha256
    (folder / "b.jsonl").write_text("{}\n", encoding="utf-8")
    assert before.startswith("sha256:")
    assert look(small).datasets["small"].sha256 != before


def test_a_named_chat_template_takes_the_place_of_the_paired_one(small: SmallWorld) -> None:
    mine = small.project / "mine.jinja"
    mine.write_text("{{ messages }}", encoding="utf-8")
    job = discovery.read_job("small", project=small.project, chat_template=mine)
    assert job.chat_template == "{{ messages }}"
    assert job.template.name == "deepseekr1-on-keep"
    with pytest.raises(MissingError, match="no such chat template"):
        discovery.read_job("small", project=small.project, chat_template=mine.with_name("x"))


def test_the_recipe_is_the_one_that_was_written(small: SmallWorld) -> None:
    assert "./base" in RECIPE
    job = discovery.read_job("small", project=small.project, sets=["train.epochs=7"], hardware="cuda")
    assert (job.recipe.train.epochs, job.hardware, job.stand_in) == (7, "cuda", False)


@pytest.mark.parametrize("array", [True, False])
def test_the_first_row_of_a_file_says_at_plan_what_its_rows_are(tmp_path: Path, array: bool) -> None:  # noqa: FBT001
    (tmp_path / "dataset_info/data").mkdir(parents=True)
    entry = DatasetEntry("x", file="data/x.json")
    rows = '[\n{"text": "文"}\n]' if array else '\n{"text": \n{"text": "文"}\n'
    (tmp_path / entry.path).write_text(rows, encoding="utf-8")
    read = discovery._hashed(entry, tmp_path)
    assert (read.read_as, read.first_row) == ("text", 2 if array else 3)
    named = discovery._hashed(replace(entry, format="alpaca"), tmp_path)
    assert (named.read_as, named.first_row) == ("", 0)
