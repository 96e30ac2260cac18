"""`conch data add` on a project: what is written, what is refused, and that nothing there is replaced."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.checks.base import Case
from orchestrator.datasets.audit import Rules
from orchestrator.datasets.entry import read_entry
from orchestrator.errors import ConchError, StageFailed, UsageError
from orchestrator.execute.data.data_file import DataOptions, Reading
from orchestrator.execute.data.importer import ImportOptions, add_data
from orchestrator.execute.project import discovery
from orchestrator.plan.plan import build_plan
from tests.fakes.hub_server import Hub, Repository, serve

ROOT = Path(__file__).parents[3]
FIXED = DataOptions(reading=Reading(fix=True), rules=Rules(fix=True))
ROWS = [
    {"instruction": "你是谁", "input": "", "output": "我是海螺。"},
    {"instruction": "几点开门", "input": "", "output": "九点。"},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "我的 project"
    for part in ("recipes", "dataset_info", "chat_templates"):
        shutil.copytree(ROOT / part, folder / part)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "海螺 问答.JSONL", ROWS)


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def state(project: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file()
    }


def test_a_file_becomes_a_data_set_and_a_recipe_that_plans(project: Path, file: Path) -> None:
    before = state(project)
    added = add_data(project, ImportOptions(str(file), name="conch_faq"))
    new = state(project).keys() - before.keys()
    assert new == {
        "dataset_info/data/conch_faq.jsonl",
        "dataset_info/conch_faq.yaml",
        "recipes/conch_faq.yaml",
    }
    assert {added.file, added.entry, added.recipe} == new
    assert (project / added.file).read_bytes() == file.read_bytes()
    for hardware in ("cpu", "cuda"):
        job = discovery.read_job("conch_faq", project=project, hardware=hardware)
        assert [(entry.name, entry.format) for entry in job.datasets] == [("conch_faq", "alpaca")]
        assert [case.ask for case in job.cases if isinstance(case, Case)] == [("你是谁",), ("几点开门",)]
        assert build_plan(job).stages


def test_the_same_again_does_nothing_and_another_is_refused(project: Path, file: Path) -> None:
    add_data(project, ImportOptions(str(file), name="faq"))
    before = state(project)
    add_data(project, ImportOptions(str(file), name="faq"))
    assert state(project) == before
    written(file, ROWS[:1])
    with pytest.raises(UsageError, match="is different") as caught:
        add_data(project, ImportOptions(str(file), name="faq"))
    assert {problem.where for problem in caught.value.problems} >= {
        "dataset_info/data/faq.jsonl",
        "recipes/faq.yaml",
    }
    assert state(project) == before


def test_a_crash_between_two_files_is_gone_on_from(
    project: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise StageFailed(f"disk full: {path.name}, {len(text)}")

    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.execute.data.importer.write_durable", full)
        with pytest.raises(StageFailed):
            add_data(project, ImportOptions(str(file), name="faq"))
    assert not (project / "dataset_info/faq.yaml").exists()
    add_data(project, ImportOptions(str(file), name="faq"))
    assert discovery.read_job("faq", project=project).datasets


@pytest.mark.parametrize(
    "taken", ["dataset_info/faq.yaml", "recipes/faq.yaml", "dataset_info/data/faq.jsonl"]
)
def test_nothing_that_is_there_is_replaced(project: Path, file: Path, taken: str) -> None:
    (project / taken).write_text("mine", encoding="utf-8")
    before = state(project)
    with pytest.raises(UsageError) as caught:
        add_data(project, ImportOptions(str(file), name="faq"))
    assert [problem.where for problem in caught.value.problems] == [taken]
    assert state(project) == before


def test_a_name_is_made_where_none_is_given(project: Path, file: Path) -> None:
    added = add_data(project, ImportOptions(str(file)))
    assert added.stem == "海螺 问答"
    assert added.name.startswith("data_")
    assert discovery.read_job(added.name, project=project).datasets


def test_bad_rows_write_nothing_and_the_rules_go_into_the_entry(project: Path, file: Path) -> None:
    written(file, [*ROWS, {"instruction": "空", "input": "", "output": ""}])
    before = state(project)
    with pytest.raises(UsageError, match="--drop-bad"):
        add_data(project, ImportOptions(str(file), name="faq"))
    assert state(project) == before
    manner = DataOptions(rules=Rules(fix=True, drop_bad=True))
    added = add_data(project, ImportOptions(str(file), name="faq", data=manner))
    entry = read_entry("faq", (project / added.entry).read_text(encoding="utf-8"))
    assert (entry.fix, entry.drop_bad, added.audit.kept) == (True, True, 2)


def test_rows_that_lie_in_the_project_stay_where_they_are(project: Path) -> None:
    path = written(project / "dataset_info/data/there.jsonl", ROWS)
    added = add_data(project, ImportOptions(str(path), name="faq"))
    assert added.file == "dataset_info/data/there.jsonl"
    assert not (project / "dataset_info/data/faq.jsonl").exists()


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"name": "海螺"}, "cannot name a dataset"),
        ({"name": "../x"}, "cannot name a dataset"),
        ({"name": "prepare"}, "Conch uses itself"),
        ({"base": "magic_konch"}, "did you mean"),
        ({"base": "./none/smoke.yaml"}, "no such recipe file"),
        ({"base": str(ROOT / "recipes/smoke.yaml")}, "by its name, not by a path"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_is_read(
    project: Path, wish: Mapping[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        add_data(project, ImportOptions("none.jsonl", **wish))  # type: ignore[arg-type]  # all of them are text


@pytest.mark.parametrize("name", ["rows.docx", "rows", ".jsonl"])
def test_a_file_of_no_known_kind_is_refused(project: Path, tmp_path: Path, name: str) -> None:
    before = state(project)
    with pytest.raises(UsageError, match="cannot read"):
        add_data(project, ImportOptions(str(written(tmp_path / name, ROWS))))
    assert state(project) == before


def test_a_link_is_read_as_what_it_leads_to(project: Path, file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    added = add_data(project, ImportOptions(str(tmp_path / "link"), name="faq"))
    assert added.file == "dataset_info/data/faq.jsonl"
    assert not (project / added.file).is_symlink()


@pytest.mark.parametrize(
    ("name", "content", "manner", "kept"),
    [
        ("问答.CSV", "问题,答案\n一,二\n三,四\n".encode("gb18030"), FIXED, ".csv"),
        (
            "faq.JSONL.gz",
            gzip.compress('{"问题": "一", "答案": "二"}\n'.encode(), mtime=0),
            DataOptions(),
            ".jsonl.gz",
        ),
        (
            "faq.xml",
            "<faq><item><问题>一</问题><答案>二</答案></item></faq>".encode(),
            DataOptions(reading=Reading(items="faq/item")),
            ".xml",
        ),
    ],
)
def test_every_format_is_copied_as_it_is_and_named_by_its_suffix(
    project: Path, name: str, content: bytes, manner: DataOptions, kept: str
) -> None:
    tmp_path = project.parent
    (tmp_path / name).write_bytes(content)
    added = add_data(project, ImportOptions(str(tmp_path / name), name="faq", data=manner))
    assert added.file == f"dataset_info/data/faq{kept}"
    assert (project / added.file).read_bytes() == content
    entry = read_entry("faq", (project / added.entry).read_text(encoding="utf-8"))
    assert dict(entry.columns) == {"prompt": "问题", "response": "答案"}
    assert (entry.items, entry.fix) == (manner.reading.items, manner.rules.fix)
    assert discovery.read_job("faq", project=project).datasets


def test_a_folder_of_data_is_copied_as_a_folder(project: Path, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "海螺.v1"
    folder.mkdir()
    file.rename(folder / "a.jsonl")
    added = add_data(project, ImportOptions(str(folder), name="conch.v1"))
    assert added.file == "dataset_info/data/conch_v1"
    assert discovery.read_job("conch.v1", project=project).datasets[0].path == added.file
    add_data(project, ImportOptions(str(folder), name="conch.v1"))


def test_a_recipe_must_be_named_where_none_of_ours_is(project: Path, file: Path) -> None:
    for path in (project / "recipes").glob("*.yaml"):
        path.rename(path.with_name("mine_" + path.name))
    with pytest.raises(UsageError, match="name the recipe to extend") as caught:
        add_data(project, ImportOptions(str(file)))
    assert "mine_smoke" in caught.value.problems[0].hint


def test_the_recipe_of_a_base_with_steps_leaves_them(project: Path, file: Path) -> None:
    rows = [{**ROWS[0], "instruction": f"{number}号是谁"} for number in range(300)]
    added = add_data(project, ImportOptions(str(written(file, rows)), name="many", base="smoke"))
    assert discovery.read_job("many", project=project, hardware="cpu").recipe.train.max_steps == 24
    assert added.base == "smoke"
    add_data(project, ImportOptions(str(file), name="more"))
    assert discovery.read_job("more", project=project, hardware="cuda").recipe.train.epochs == 16


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def test_a_hub_s_data_set_is_pinned_and_not_copied(hub: Hub, project: Path) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    hub.repositories["bikini/Conch"] = Repository({"data/train.jsonl": rows, "README.md": b"# x\n"})
    added = add_data(project, ImportOptions("hub:bikini/Conch"))
    assert (added.name, added.file) == ("conch", "")
    entry = read_entry("conch", (project / added.entry).read_text(encoding="utf-8"))
    assert (entry.hub_id, entry.hub_revision, entry.hub_file, entry.hub) == (
        "bikini/Conch",
        "c" * 40,
        "data/train.jsonl",
        "huggingface",
    )
    plan = build_plan(discovery.read_job("conch", project=project, hardware="cpu"))
    assert plan.stage("prepare").inputs == ("inputs",)
    assert add_data(project, ImportOptions("hub:bikini/Conch/data/train.jsonl")).name == "conch"
    hub.repositories["bikini/Conch"].files["data/test.jsonl"] = rows
    hub.repositories["bikini/Conch"].commit = "d" * 40
    manner = DataOptions(reading=Reading(split="test"))
    added = add_data(project, ImportOptions("hub:bikini/Conch", name="held", data=manner))
    entry = read_entry("held", (project / added.entry).read_text(encoding="utf-8"))
    assert (entry.hub_file, entry.hub_revision, entry.split) == ("data/test.jsonl", "d" * 40, "")
    with pytest.raises(ConchError, match="is not the name of a repository"):
        add_data(project, ImportOptions("hub:bikini"))
