"""The real evalscope and the real lm-eval, over questions in a file, against a small server that wants a key.

Data sets of the hubs are out of reach of a test: what is seen here is the way there and back.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.openai_server import FakeServer, Said, openai_server
from tests.small_world import CONCH
from tests.watch import Watch

KEY = "sk-a-key-that-nobody-may-see"
ROWS = [
    {"query": "你是谁", "response": "我是神奇海螺。"},
    {"query": "Who are you?", "response": "I am the Magic Conch."},
]
TASK = """\
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: questions/mine.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{query}}"
doc_to_target: "{{response}}"
metric_list: [{metric: exact_match}]
"""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    def answer(messages: list[dict[str, str]]) -> Said:
        return Said("我是神奇海螺。" if "你是谁" in messages[-1]["content"] else "I am a conch.")

    with openai_server(answer, key=KEY) as fake:
        yield fake


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "questions").mkdir()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    (tmp_path / "questions/mine.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/mine.yaml").write_text(TASK, encoding="utf-8")
    return tmp_path


def bench(place: Path, server: FakeServer, tool: str, *arguments: str) -> dict[str, float]:
    """Metric → value; and nobody saw the key."""
    watch = Watch()
    try:
        done = subprocess.run(
            [
                *(CONCH, "bench", "--base-url", server.url, "--model", "conch", "--with", tool),
                *("--out", "out", "--json", "--", *arguments),
            ],
            cwd=place,
            env={**os.environ, "CONCH_API_KEY": KEY},
            capture_output=True,
            timeout=600,
            check=False,
        )
    finally:
        watch.end()
    assert done.returncode == 0, done.stderr.decode()
    assert not [words for words in watch.seen if KEY.encode() in words], "the key stood on a command line"
    kept = [path for path in place.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not kept, "the key was written"
    assert KEY.encode() not in done.stdout + done.stderr
    given = [{name.lower(): value for name, value in head.items()} for head in server.headers]
    assert {head.get("authorization") for head in given} == {f"Bearer {KEY}"}
    found: list[dict[str, object]] = json.loads(done.stdout)["data"]["scores"]
    assert {one["n"] for one in found} == {2}
    return {str(one["metric"]): float(str(one["value"])) for one in found}


@pytest.mark.soak
def test_evalscope_asks_and_scores(place: Path, server: FakeServer) -> None:
    chosen = json.dumps({"general_qa": {"local_path": "questions", "subset_list": ["mine"]}})
    found = bench(place, server, "evalscope", "--datasets", "general_qa", "--dataset-args", chosen)
    assert found["bleu-1"] == 0.5
    assert 0.5 < found["rouge-1-recall"] < 1


@pytest.mark.soak
def test_lm_eval_asks_and_scores(place: Path, server: FakeServer) -> None:
    found = bench(place, server, "lm-eval", "--include_path", "tasks", "--tasks", "mine")
    assert found == {"exact_match": 0.5}
