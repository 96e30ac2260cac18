"""The server asked with training's own ids: what is sent, what comes back, where its prompts part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.inference.completions import AnswerServedSettings, answer_served
from tests.fakes.answering_server import answering_server

SETTINGS = AnswerServedSettings(merged="merged.jsonl", systems={"a": ""}, max_tokens=7, out="ids.jsonl")


def ids_of(question: str) -> list[int]:
    return [1, *map(ord, f"<｜User｜>{question}<｜Assistant｜>")]


def lay(folder: Path) -> None:
    turns = [{"question": each, "prompt": ids_of(each), "ids": [], "text": ""} for each in ("你是谁", "再说")]
    rows: list[dict[str, Any]] = [{"arm": "merged"}, {"case": "a", "purpose": "with history", "turns": turns}]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "merged.jsonl").write_text(text, encoding="utf-8")


def answered(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "ids.jsonl").read_text(encoding="utf-8"))
    return found


def test_the_very_ids_are_sent_and_equal_prompts_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path)
    with answering_server(lambda asked: f"{asked}！", str) as server:
        monkeypatch.setenv("CONCH_SERVICE_URL", server.url)
        monkeypatch.setenv("CONCH_SERVICE_MODEL", "海螺")
        assert answer_served(SETTINGS, tmp_path) == 0
    row = answered(tmp_path)
    assert [turn["text"] for turn in row["turns"]] == ["你是谁！", "再说！"]
    assert (row["turns"][0]["finish"], row["turns"][0]["error"], row["parted"]) == ("stop", "", "")
    path, body = server.requests[0]
    assert path == "/v1/completions"
    assert (body["prompt"], body["max_tokens"], body["temperature"]) == (ids_of("你是谁"), 7, 0)


def test_a_prompt_of_the_servers_own_that_is_another_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path)
    with answering_server(str, str) as server:
        server.opening = "<｜User｜>\n"
        monkeypatch.setenv("CONCH_SERVICE_URL", server.url)
        monkeypatch.setenv("CONCH_SERVICE_MODEL", "海螺")
        answer_served(SETTINGS, tmp_path)
    parted = answered(tmp_path)["parted"]
    assert parted.startswith(
        f"the prompts differ from token 9 on: training {ord('你')}, served 10; around it "
    )
    assert "你是谁" in parted


def test_a_refused_prompt_is_an_answer_that_did_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path)
    with answering_server(lambda _: None, str) as server:
        monkeypatch.setenv("CONCH_SERVICE_URL", server.url)
        monkeypatch.setenv("CONCH_SERVICE_MODEL", "海螺")
        answer_served(SETTINGS, tmp_path)
    assert "HTTP 400" in answered(tmp_path)["turns"][0]["error"]


def test_without_a_service_or_the_merged_answers_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"merged\.jsonl"):
        answer_served(SETTINGS, tmp_path)
    lay(tmp_path)
    with pytest.raises(MissingError, match="no server"):
        answer_served(SETTINGS, tmp_path)
