"""vLLM's own ids against LLaMA-Factory's own: with Conch's templates equal, with official ones not."""
# Covers probes/quick_render.py probes/spellings.py

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator.execute.models import demo_model
from tests.probes.run_folder import SHARED, Run, run_many, serve_arguments, train_arguments, turns

Probe = Callable[[str], ModuleType]
HOW = ("on-keep", "off-strip")
ROWS = [
    turns("请问你是谁", "我是神奇海螺。"),
    turns("你是谁", "海螺。", "它几点开门？", "十点。", "And then?", "Ask again."),
    [{"role": "system", "content": "你是海螺"}, *turns("hi", "def f():\n    return 1")],
]


def message(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def test_what_clients_send_back(probe: Probe) -> None:
    spellings = probe("spellings").SPELLINGS
    thought = "<think>\n想\n</think>\n\n答"
    told = {name: spell(message(thought)) for name, spell in spellings.items()}
    assert told["thought"] == told["emitted"] == message(thought)
    assert told["answer"] == message("答")
    assert told["newlines"] == message("\n\n答")
    assert told["reasoning"] == message("\n\n答") | {"reasoning": "\n想\n"}
    assert told["trimmed"] == message("答") | {"reasoning": "想"}


def test_what_clients_send_back_of_an_answer_without_a_thought(probe: Probe) -> None:
    spellings = probe("spellings").SPELLINGS
    told = {name: spell(message("答")) for name, spell in spellings.items()}
    assert told["thought"] == told["answer"] == message("答")
    assert told["reasoning"] == message("\n\n答") | {"reasoning": "\n\n"}
    assert told["trimmed"] == message("答") | {"reasoning": ""}
    assert told["emitted"] == message("<think>\n\n</think>\n\n答")


def test_what_clients_send_back_of_a_plain_templates_answer(probe: Probe) -> None:
    serving, thought = probe("serving_ids"), "<think>\n想\n</think>\n\n答"
    bare = serving.spelled(turns("一", "\n\n答"), True, plain=True)
    assert [sent for sent, _ in bare] == [turns("一", "\n\n答")], "nothing was put before it, nor is it cut"
    assert len(bare[0][1]) == len(probe("spellings").SPELLINGS)
    sent = [one[1] for one, _ in serving.spelled(turns("一", thought), True, plain=True)]
    assert message("\n\n答") | {"reasoning": "\n想\n"} in sent
    assert message("答") in sent


def test_the_trained_answers_are_asked_for_or_all(probe: Probe) -> None:
    wanted = probe("serving_ids").wanted
    assert list(wanted({"messages": ROWS[1]})) == [0, 1, 2]
    assert list(wanted({"messages": ROWS[1], "turns": [{"turn": 2}]})) == [2]


@pytest.fixture
def folder(tmp_path: Path, train_python: Path, serve_python: Path) -> Run:
    return Run(tmp_path / "run", train_python, serve_python)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, train_python: Path, serve_python: Path) -> Path:
    """The embedded base and the genuine tokenizer, with their ids from both engines.

    Every other training template and setting: test_template_matrix.py.
    """
    home = tmp_path_factory.mktemp("matrix")
    Run(home / "embedded-on-keep", train_python, serve_python).lay_out(
        demo_model.ensure_embedded(print), ROWS
    )
    genuine = SHARED / "tokenizer-r1-distill-qwen"
    settings = HOW if genuine.is_dir() else ()
    for setting in settings:
        place = home / f"deepseekr1-{setting}"
        Run(place, train_python, serve_python).lay_out(genuine, ROWS, *setting.split("-"))
    places = sorted(path.parent for path in home.glob("*/train.yaml"))
    run_many(train_python, "training_ids", [(place, train_arguments()) for place in places])
    jobs = [(place, serve_arguments(thinking=place.name.split("-")[-2])) for place in places]
    refusing = home / "refusing.jinja"
    refusing.write_text(
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}a",
        encoding="utf-8",
    )
    jobs.append((home / "embedded-on-keep", serve_arguments(str(refusing), "refusing.jsonl")))
    for name, setting in product(("original", "newer"), settings):
        official = str(SHARED / "official" / f"r1-distill-{name}.jinja")
        served = serve_arguments(official, f"{name}.jsonl", setting.split("-")[0])
        jobs.append((home / f"deepseekr1-{setting}", served))
    run_many(serve_python, "serving_ids", jobs)
    return home


@pytest.fixture
def laid_out(matrix: Path, train_python: Path, serve_python: Path) -> Callable[[str], Run]:
    return lambda name: Run(matrix / name, train_python, serve_python)


@pytest.mark.real
def test_the_embedded_base_is_asked_as_it_was_taught(laid_out: Callable[[str], Run]) -> None:
    found = laid_out("embedded-on-keep").parity()
    assert found["holds"], found["first_difference"]
    assert found["numbers"]["equal"] > 30
    assert found["left_out"]["dropped_thoughts"] > 0
    assert found["tokenizers"] == {"train": "TokenizersBackend", "serve": "TokenizersBackend"}


@pytest.mark.real
def test_what_the_template_refuses_is_told_in_its_own_words(laid_out: Callable[[str], Run]) -> None:
    text = (laid_out("embedded-on-keep").path / "refusing.jsonl").read_text(encoding="utf-8")
    rows = [line for line in map(json.loads, text.splitlines()) if line.get("dataset") == "mine"]
    errors = [[one["error"] for one in row["turns"][0]["variants"]] for row in rows]
    assert errors == [[""], [""], ["no system here"]]


@pytest.mark.real
@pytest.mark.parametrize("setting", HOW)
def test_the_genuine_tokenizer_is_asked_as_it_was_taught(
    reference: Path, laid_out: Callable[[str], Run], setting: str
) -> None:
    found = laid_out(f"deepseekr1-{setting}").parity()
    assert found["holds"], found["first_difference"]
    assert found["numbers"]["equal"] > 20


@pytest.mark.real
def test_the_official_r1_templates_ask_otherwise(reference: Path, laid_out: Callable[[str], Run]) -> None:
    first = laid_out("deepseekr1-on-keep").parity("original.jsonl")["first_difference"]
    assert (first["row"], first["turn"], first["verdict"]) == (1, 1, "differs")
    assert "⟦<think>⟧\n\n</think>\n\n海螺。" in first["training_text"]
    assert "put an empty thought before each earlier answer" in first["explanation"]
    first = laid_out("deepseekr1-on-keep").parity("newer.jsonl")["first_difference"]
    assert (first["row"], first["turn"], first["verdict"]) == (0, 0, "forced")
    assert (first["training_id"], first["served_id"]) == (271, 198)


@pytest.mark.real
def test_the_official_r1_templates_and_no_thinking(reference: Path, laid_out: Callable[[str], Run]) -> None:
    first = laid_out("deepseekr1-off-strip").parity("original.jsonl")["first_difference"]
    assert (first["row"], first["verdict"], first["served_id"]) == (0, "missing", None)
    assert "never learned" in first["explanation"]
    first = laid_out("deepseekr1-off-strip").parity("newer.jsonl")["first_difference"]
    assert (first["row"], first["verdict"]) == (0, "differs")
    assert "opens another one" in first["explanation"]


BAD: dict[str, tuple[str, str]] = {
    "syntax": ("line one\n{% if %}", ":2"),
    "endless": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", ""),
}


@pytest.mark.real
@pytest.mark.parametrize(("text", "where"), BAD.values(), ids=BAD)
def test_a_bad_template_is_refused(folder: Run, text: str, where: str) -> None:
    folder.lay_out(demo_model.ensure_embedded(print), ROWS)
    (folder.path / "bad.jinja").write_text(text, encoding="utf-8")
    row = json.dumps({"dataset": "mine", "row": 0, "messages": ROWS[0]}, ensure_ascii=False)
    (folder.path / "data" / "conversations.jsonl").write_text(row + "\n", encoding="utf-8")
    assert folder.serve_ids("bad.jinja").returncode == 2
    assert folder.problems()[0]["where"].endswith(where)
    assert not (folder.path / "serving_ids.jsonl").exists()
