"""Faults of a recipe file: what is refused, with which words, and where; and what YAML alone would do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from orchestrator.errors import UsageError
from orchestrator.execute.project import recipes
from orchestrator.recipe import RecipeSource, compose
from tests.recipe_world import BASE, Build, Refused
from tests.small_world import SmallWorld


def project(folder: Path, **files: str) -> Path:
    (folder / "recipes").mkdir()
    for name, text in files.items():
        (folder / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def refusal(name: str, where: Path) -> str:
    with pytest.raises(UsageError) as caught:
        recipes.read(name, project=where)
    return str(caught.value)


def test_fault_001_missing_directory_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = project(tmp_path, x=BASE)
    assert 'no recipe named "y"' in refusal("y", here)
    assert refusal("/no/such.yaml", here).startswith("/no/such.yaml  no such recipe file")
    (here / "recipes" / "folder.yaml").mkdir()
    assert refusal("folder", here) == "recipes/folder.yaml  not a file\n    → name a recipe file"

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", denied)  # a mode of 0000 does not stop root
        assert refusal("x", here) == "recipes/x.yaml  cannot read it: Permission denied"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_fault_001_a_pipe_does_not_hang(tmp_path: Path) -> None:
    here = project(tmp_path)
    os.mkfifo(here / "recipes" / "pipe.yaml")
    assert "not a file" in refusal("pipe", here)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "nothing"),
        ("# only a comment\n", "nothing"),
        ("海螺", "text"),
        ("- a", "a list"),
        ("3", "a number"),
    ],
)
def test_fault_002_the_top_level_must_be_a_mapping(refused: Refused, text: str, got: str) -> None:
    (problem,) = refused(text)
    assert problem.startswith(f"recipes/x.yaml:1:1  the top level must be a mapping, got {got}")


def test_fault_003_a_tab_is_shown_with_its_line(refused: Refused) -> None:
    (problem,) = refused("train:\n\tepochs: 1\n")
    assert problem == (
        "recipes/x.yaml:2:1  not YAML: a tab: YAML uses spaces for indentation\n"
        "    2 | \\tepochs: 1\n"
        "    → replace the tab with spaces"
    )


def test_fault_003_bad_syntax_is_shown_with_its_line(refused: Refused) -> None:
    (problem,) = refused("model: [1, 2\ndata: 海螺\n")
    assert problem.startswith("recipes/x.yaml:2:5  not YAML: did not find expected ',' or ']'")
    assert "    2 | data: 海螺" in problem


def test_fault_004_duplicate_keys_name_both_lines(refused: Refused) -> None:
    problems = refused(f"{BASE}train:\n  epochs: 1\n  seed: 2\n  epochs: 3\n")
    assert problems == [
        "recipes/x.yaml:7:3  train.epochs: duplicate key; the first one is on line 5\n    → keep one"
    ]


def test_fault_004_control_yaml_alone_keeps_the_last() -> None:
    assert yaml.safe_load("epochs: 1\nepochs: 3\n") == {"epochs": 3}


def test_fault_005_an_unknown_key_names_the_nearest(refused: Refused) -> None:
    problems = refused(f"{BASE}train: {{learing_rate: 1.0e-4}}\n")
    assert problems == [
        'recipes/x.yaml:4:9  train.learing_rate: no key named "learing_rate"; did you mean "learning_rate"?'
    ]


@pytest.mark.parametrize("written", ["1e-4", "1E-4", "1.0e-4", ".0001", "'1e-4'"])
def test_fault_006_a_float_without_a_dot_is_a_float(build: Build, written: str) -> None:
    rate = build(f"train: {{learning_rate: {written}}}").recipe.train.learning_rate
    assert rate == pytest.approx(1e-4)
    assert isinstance(yaml.safe_load(yaml.safe_dump({"rate": rate}))["rate"], float)


def test_fault_006_control_yaml_alone_makes_a_text_of_it() -> None:
    assert yaml.safe_load("learning_rate: 1e-4") == {"learning_rate": "1e-4"}


@pytest.mark.parametrize(
    ("word", "kind"), [("no", "boolean"), ("NO", "boolean"), ("1.10", "number"), ("83", "number")]
)
def test_fault_007_a_name_that_yaml_reads_as_something_else(refused: Refused, word: str, kind: str) -> None:
    (problem,) = refused(f"{BASE}serve: {{model: {word}}}")
    assert problem == (
        f"recipes/x.yaml:4:16  serve.model: must be text, but {word} without quotes is a {kind}\n"
        f'    → quote it: model: "{word}"'
    )


@pytest.mark.parametrize("word", ["22:22", "0123", "2024-01-01"])
def test_fault_007_what_yaml_1_1_would_turn_into_numbers_stays_text(build: Build, word: str) -> None:
    assert build(f"serve: {{model: {word}}}").recipe.serve.model == word


def test_fault_007_control_yaml_alone_makes_other_values_of_them() -> None:
    assert yaml.safe_load("[no, 22:22, 0123]") == [False, 1342, 83]


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("learning_rate", ".nan", "a number above 0 and at most 1"),
        ("learning_rate", ".inf", "a number above 0 and at most 1"),
        ("learning_rate", "-1", "a number above 0 and at most 1"),
        ("epochs", "0", "a number above 0 and at most 10000"),
        ("seed", "9" * 30, "a whole number from 0 to 4294967295"),
        ("batch_size", "1.5", "a whole number from 1 to 65536"),
        ("batch_size", "yes", "a whole number from 1 to 65536"),
        ("seed", "022", "a whole number from 0 to 4294967295"),
    ],
)
def test_fault_008_numbers_out_of_range(refused: Refused, key: str, value: str, wanted: str) -> None:
    (problem,) = refused(f"{BASE}train:\n  {key}: {value}\n")
    shown = '"022"' if value == "022" else value
    assert problem == f"recipes/x.yaml:5:{len(key) + 5}  train.{key}: must be {wanted}, got {shown}"


def test_fault_008_an_endless_number_is_cut(refused: Refused) -> None:
    (problem,) = refused(f"{BASE}train: {{seed: {'9' * 5000}}}")
    assert len(problem) < 200


def test_fault_010_cyclic_alias(refused: Refused) -> None:
    first, _, second = refused(f"{BASE}vllm: &a [*a]\n")
    assert first.startswith("recipes/x.yaml:4:7  recipes do not support anchors (&a)")
    assert second.startswith("recipes/x.yaml:4:11  recipes do not support aliases (*name)")


def test_fault_010_control_yaml_alone_makes_a_value_without_end() -> None:
    endless = yaml.safe_load("&a [*a]")
    assert endless[0] is endless


def test_fault_012_a_tag_builds_nothing(refused: Refused, tmp_path: Path) -> None:
    (problem,) = refused(f"{BASE}vllm: {{x: !!python/object/apply:os.system ['touch {tmp_path}/P']}}\n")
    assert problem.startswith(
        "recipes/x.yaml:4:11  recipes do not support tags (!!python/object/apply:os.system)"
    )
    assert not (tmp_path / "P").exists()


def test_fault_012_control_a_loader_that_knows_tags_runs_them(tmp_path: Path) -> None:
    yaml.unsafe_load(f"!!python/object/apply:os.mkdir ['{tmp_path}/P']")
    assert (tmp_path / "P").exists()


def test_fault_013_larger_than_a_mebibyte(tmp_path: Path) -> None:
    here = project(tmp_path, big=BASE + "#" * (1 << 20))
    assert refusal("big", here) == "recipes/big.yaml  larger than 1 MiB: not a recipe"
    (here / "recipes" / "big.yaml").write_text("海" * (1 << 20), encoding="utf-8")  # cut inside a character
    assert refusal("big", here) == "recipes/big.yaml  larger than 1 MiB: not a recipe"
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        compose([RecipeSource("recipes/x.yaml", "海" * 400_000)])


def test_fault_015_two_documents(refused: Refused) -> None:
    (problem,) = refused(f"{BASE}---\n{BASE}")
    assert problem.startswith("recipes/x.yaml:4:1  a second document (---)")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc",
        "a b",
        "-rf",
        ".",
        "",
        "a" * 300,
        "/" + "a" * 300,
        "CON",
        "海螺",
        "x\n",
        "x\0",
        "/x\0",
        "$(id)",
    ],
)
def test_fault_017_names(tmp_path: Path, name: str) -> None:
    text = refusal(name, project(tmp_path, x=BASE))
    assert text.isprintable() or text.count("\n") == 1
    assert "recipes here: x" in text or "not a file" in text


@pytest.mark.parametrize("stem", ["A", "-x", "a b", "海螺", "a" * 65])
def test_fault_017_the_name_of_a_file(tmp_path: Path, stem: str) -> None:
    here = project(tmp_path, **{stem: BASE})
    assert "cannot name a recipe" in refusal(str(here / "recipes" / f"{stem}.yaml"), here)
    assert recipes.names(here) == []


def test_fault_018_an_owned_engine_key_can_be_placed(build: Build) -> None:
    resolved = build("llamafactory:\n  output_dir: /tmp/x\nvllm: {host: 0.0.0.0}\n")
    assert resolved.where("llamafactory.output_dir") == "recipes/x.yaml:5:15"
    assert resolved.where("llamafactory.output_dir", key=True) == "recipes/x.yaml:5:3"
    assert resolved.where("vllm.host", key=True) == "recipes/x.yaml:6:8"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("llamafactory: {output_dir: /tmp/x}", "llamafactory.output_dir"),
        ("llamafactory: {trust_remote_code: true}", "llamafactory.trust_remote_code"),
        ("llamafactory: {resume_from_checkpoint: x}", "llamafactory.resume_from_checkpoint"),
        ("vllm: {host: 0.0.0.0}", "vllm.host"),
        ("vllm: {api-key: sk-1}", "vllm.api-key"),
        ("vllm: {api_key: sk-1}", "vllm.api_key"),
    ],
)
def test_fault_018_an_owned_engine_key_is_refused(small: SmallWorld, setting: str, said: str) -> None:
    base = "model: {base: ./base}"
    small.write_recipe((base, f"{base}\n{setting}"))
    plan = small.run("plan", "small")
    assert plan.code == 2
    assert "recipes/small.yaml:2:" in plan.err
    assert said in plan.err
    assert "sk-1" not in plan.err


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "{a: " * 10_000,
        "a: " + "[" * 500_000,
        "- " * 300_000,
        "? " * 10_000,
        "\n".join(" " * n + "a:" for n in range(900)),
    ],
)
def test_deep_nesting_ends_early(refused: Refused, text: str) -> None:
    assert len(refused(text)) == 1


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    here = project(tmp_path)
    for name, raw, what in (
        ("latin", b"model:\n  base: caf\xe9\n", "recipes/latin.yaml:2:12  not UTF-8 text"),
        ("utf16", BASE.encode("utf-16"), "recipes/utf16.yaml:1:1  not UTF-8 text"),
        ("bom", BASE.encode("utf-8-sig"), "recipes/bom.yaml:1:1  starts with a byte order mark"),
        ("nul", BASE.encode() + "# 海\0".encode(), "recipes/nul.yaml:4:4  the character U+0000"),
    ):
        (here / "recipes" / f"{name}.yaml").write_bytes(raw)
        assert refusal(name, here).startswith(what)
