"""Scoring by a server: which ids are sent, what comes back, and every way in which it does not."""
# Covers execute/host/jsonl.py

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConchError, MissingError, StageFailed
from orchestrator.execute.inference.logprobs import score_served
from orchestrator.plan.stages.prove_served import ScoreServedSettings
from tests.fakes.scoring_server import Scores, scoring_server

SETTINGS = ScoreServedSettings(
    training_ids="ids.jsonl", conversations="talk.jsonl", trainer="trainer.jsonl", out="served.jsonl"
)
HEADER = {"template": "deepseekr1", "thinking": None}
IDS = [1, 5, 2, 7, 8, 9, 1, 6, 2, 7, 3, 9]
FIRST = {
    "dataset": "mine",
    "row": 1,
    "held_out": False,
    "ids": IDS,
    "turns": [
        {"turn": 0, "start": 3, "end": 6, "cut": False},
        {"turn": 1, "start": 9, "end": 12, "cut": False},
    ],
}
SECOND = FIRST | {
    "row": 4,
    "held_out": True,
    "ids": [1, 5, 2, 8, 9],
    "turns": [{"turn": 0, "start": 3, "end": 5}],
}
TALK = [
    {"role": "user", "content": "你是谁"},
    {"role": "assistant", "content": "海螺"},
    {"role": "user", "content": "再说"},
    {"role": "assistant", "content": "<think>嗯</think>海螺！"},
]


def prompt(body: dict[str, Any]) -> list[int]:
    """The prompts of training: what a right template gives."""
    return IDS[:9] if len(body["messages"]) == 3 else [1, 5, 2]


def logprob(ids: list[int], at: int) -> float:
    return -ids[at] / 10 - (at > 6) * 0.5


@pytest.fixture
def server() -> Iterator[Scores]:
    with scoring_server(Scores(prompt, logprob)) as scores:
        yield scores


@pytest.fixture
def folder(tmp_path: Path, server: Scores, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONCH_SERVICE_URL", server.url)
    monkeypatch.setenv("CONCH_SERVICE_MODEL", "conch")
    other = FIRST | {"row": 2}
    put(tmp_path / "ids.jsonl", [HEADER, FIRST, other, SECOND, {"pieces": {"1": "x"}}])
    talks = [{"dataset": "mine", "row": row, "messages": talk} for row, talk in ((1, TALK), (4, TALK[:2]))]
    put(tmp_path / "talk.jsonl", talks)
    put(
        tmp_path / "trainer.jsonl",
        [{"versions": {}}, {"dataset": "mine", "row": 1}, {"dataset": "mine", "row": 4}],
    )
    return tmp_path


def put(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def served(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "served.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_rows_that_the_trainer_scored_are_scored(folder: Path, server: Scores) -> None:
    assert score_served(SETTINGS, folder) == 0
    first, second = served(folder)
    assert [(row["row"], row["held_out"]) for row in (first, second)] == [(1, False), (4, True)]
    assert [turn["weights"] for turn in first["turns"]] == [[-0.7, -0.8, -0.9], [-1.2, -0.8, -1.4]]
    assert [turn["prompt"] for turn in first["turns"]] == [turn["weights"] for turn in first["turns"]]
    assert all(turn["same_prompt"] for turn in first["turns"])
    asked = [body for path, body in server.requests if path == "/tokenize"]
    assert [message["content"] for message in asked[1]["messages"]] == ["你是谁", "海螺", "再说"]
    # Mixed thinking: the answer without a thought was trained behind an empty one.
    assert asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in asked[1]


def test_another_prompt_is_scored_with_the_answer_behind_it(folder: Path, server: Scores) -> None:
    server.prompt = lambda _: [1, 5, 2, 2, 2, 2, 2]
    score_served(SETTINGS, folder)
    turn = served(folder)[1]["turns"][0]
    assert (turn["same_prompt"], turn["prefilled"]) == (False, 0)
    assert turn["prompt"] == [-1.3, -1.4]


def test_a_prompt_that_opens_the_answer_leaves_the_rest_to_score(folder: Path, server: Scores) -> None:
    server.prompt = lambda body: [*prompt(body), 7] if len(body["messages"]) == 3 else prompt(body)
    score_served(SETTINGS, folder)
    turn = served(folder)[0]["turns"][1]
    assert (turn["same_prompt"], turn["prefilled"], turn["prompt"]) == (True, 1, [-0.8, -1.4])


def test_a_row_that_the_server_refuses_is_said(folder: Path, server: Scores) -> None:
    ids = [1] * 50
    put(folder / "ids.jsonl", [HEADER, FIRST | {"ids": ids}, SECOND, {"pieces": {}}])
    server.fault = "refuse-long"
    assert score_served(SETTINGS, folder) == 0
    assert "maximum context length" in served(folder)[0]["error"]
    assert served(folder)[1]["error"] == ""


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("401", MissingError, "requires a key"),
        ("404", MissingError, "does not know this model"),
        ("500", StageFailed, "internal error"),
        ("html", StageFailed, "is not JSON"),
        ("no-logprobs", StageFailed, "no prompt_logprobs"),
        ("no-tokenize", MissingError, "does not know this model"),
    ],
)
def test_a_server_that_does_not_answer(
    folder: Path, server: Scores, fault: str, kind: type[ConchError], said: str
) -> None:
    server.fault = fault
    with pytest.raises(kind, match=said):
        score_served(SETTINGS, folder)
    assert not (folder / "served.jsonl").exists()


def test_a_server_that_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCH_SERVICE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(StageFailed, match="nothing listens"):
        score_served(SETTINGS, folder)
    monkeypatch.delenv("CONCH_SERVICE_URL")
    with pytest.raises(MissingError, match="CONCH_SERVICE_URL"):
        score_served(SETTINGS, folder)


def test_the_key_is_sent_and_never_shown(
    folder: Path, server: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_API_KEY", "sesame")
    score_served(SETTINGS, folder)
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer sesame"}
    for fault in ("401", "403", "500", "503"):
        server.fault = fault
        with pytest.raises(ConchError) as raised:
            score_served(SETTINGS, folder)
        assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("name", ["training_ids", "conversations", "trainer"])
def test_a_file_that_is_missing_or_cut(folder: Path, name: str) -> None:
    path = folder / str(getattr(SETTINGS, name))
    path.write_text('{"dataset": "mi', encoding="utf-8")
    with pytest.raises(StageFailed, match="truncated"):
        score_served(SETTINGS, folder)
    path.unlink()
    with pytest.raises(MissingError, match="does not exist"):
        score_served(SETTINGS, folder)


TEXT = [1, 5, 2, 7, 8, 9]


@pytest.mark.parametrize("mark", [[], [3]])
@pytest.mark.parametrize(("labels", "tokens"), [(5, 4), (3, 3)])
def test_a_document_is_scored_as_ids_and_as_text(
    folder: Path, server: Scores, mark: list[int], labels: int, tokens: int
) -> None:
    """Training ends it with the end mark; a server may begin it with its own; of a long one the beginning."""
    own = TEXT[:-1]
    server.prompt = lambda body: [*(mark if body["add_special_tokens"] else []), *own]
    server.logprob = lambda ids, at: -ids[at] / 10
    server.texts["海螺的故事"] = own
    document(folder, labels)
    assert score_served(SETTINGS, folder) == 0
    (row,) = served(folder)
    (turn,) = row["turns"]
    scores = [-0.5, -0.2, -0.7, -0.8, -0.9]
    assert (turn["weights"], turn["prompt"]) == (scores[:labels], scores[:tokens])
    assert (turn["same_prompt"], turn["error"], row["marked"]) == (True, "", bool(mark))


def test_a_document_that_the_server_reads_as_other_tokens_is_said(folder: Path, server: Scores) -> None:
    server.prompt = lambda _: [1, 6, 2, 7, 8]
    document(folder, 5)
    assert score_served(SETTINGS, folder) == 0
    assert "reads the document as other tokens" in served(folder)[0]["turns"][0]["error"]


def document(folder: Path, labels: int) -> None:
    """One document in place of the rows, of which the trainer scored so many labels."""
    place = {"dataset": "stories", "row": 1, "held_out": True}
    turn = {"turn": 0, "start": 1, "end": len(TEXT), "cut": False}
    put(
        folder / "ids.jsonl",
        [HEADER | {"blocks": {}}, place | {"ids": TEXT, "turns": [turn]}, {"pieces": {}}],
    )
    put(folder / "talk.jsonl", [place | {"messages": [{"role": "document", "content": "海螺的故事"}]}])
    put(
        folder / "trainer.jsonl",
        [{"versions": {}}, place | {"turns": [{"turn": 0, "logprobs": [0.0] * labels}]}],
    )
