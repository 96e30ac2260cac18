"""A judge of a comparison: whose answers it prefers, what it is not asked twice, and when it is not there."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.text.live import TerminalProgress
from orchestrator.errors import Interrupted, UsageError
from orchestrator.execute.evaluating.judge_comparison import JUDGED, judge_comparison, judge_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.recipe import Judge
from tests.fakes.openai_server import FakeServer, Said, openai_server
from tests.fakes.scoring_server import Scores, scoring_server


def row(number: int, kind: str = "split", **more: Any) -> Any:
    told = {"kind": kind, "id": f"mine:{number}", "question": f"问{number}", "reference": "好"}
    return {**told, "a": f"差的{number}", "b": f"好的{number}", **more}


def told(*rows: Any) -> Any:
    return {"a": "base", "b": "tuned", "rows": list(rows)}


def fair(messages: list[dict[str, str]]) -> Said:
    """Prefers what is said to be good, wherever it stands."""
    text = messages[-1]["content"]
    return Said(json.dumps({"reason": "对", "winner": "2" if text.find("好的") > text.find("差的") else "1"}))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(fair) as fake:
        yield fake


@pytest.fixture
def run(project: Path) -> Run:
    made = Run.create(project, "small")
    (made.path / "compare").mkdir()
    return made


def judged(run: Run, server: FakeServer, what: Any, concurrency: int = 4, **more: Any) -> Any:
    judge = Judge(base_url=server.url, model="conch", **more)
    return judge_comparison(run, what, judge, TerminalProgress(io.StringIO()), concurrency=concurrency)


def test_it_says_which_is_better_and_is_not_asked_twice(run: Run, server: FakeServer) -> None:
    rows = [row(1), row(2), row(3, "general"), row(4, "checks")]
    found = judged(run, server, told(*rows))
    assert (found["a"], found["b"], found["wins_b"], found["of"]) == ("base", "tuned", 3, 3)
    asked = len(server.requests)
    assert judged(run, server, told(*rows)) == found
    assert len(server.requests) == asked
    judged(run, server, told(*rows, row(5)))
    assert len(server.requests) == asked + 3, "whether it is there, and the new pair in both orders"
    judged(run, server, told(row(1)), criteria="短")
    assert len(server.requests) == asked + 6


def test_a_conversation_is_shown_whole(run: Run, server: FakeServer) -> None:
    before = [{"role": role, "content": text} for role, text in (("user", "蟹堡王？"), ("user", "几点开门"))]
    judged(run, server, told(row(1, messages=before)))
    assert "[user] 蟹堡王？" in server.requests[-1]["messages"][-1]["content"]


def test_what_a_judge_said_before_it_died_is_kept(run: Run, server: FakeServer) -> None:
    server.fault, server.fault_after = "die", 5
    found = judged(run, server, told(*(row(number) for number in range(8))), concurrency=1)
    assert "the server died" in found["error"]
    assert 0 < found["judged"] < 8
    assert len((run.path / JUDGED).read_text(encoding="utf-8").splitlines()) == found["judged"]
    assert judged(run, server, told(*(row(number) for number in range(8))))["judged"] == found["judged"]


def test_a_judge_that_is_not_there_is_said(run: Run, server: FakeServer) -> None:
    server.stop()
    found = judged(run, server, told(row(1)))
    assert "nothing listens" in found["error"]
    assert (found["judged"], found["rows"]) == (0, [])


def test_an_interruption_keeps_what_was_judged(run: Run, server: FakeServer) -> None:
    rows = [row(number) for number in range(8)]
    server.fault, server.fault_after = "hang", 5

    def once_it_hangs() -> None:
        while len(server.requests) < 6:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=once_it_hangs).start()
    with pytest.raises(Interrupted):
        judged(run, server, told(*rows), concurrency=1)
    assert len((run.path / JUDGED).read_text(encoding="utf-8").splitlines()) == 2
    server.fault, asked = "", len(server.requests)
    assert judged(run, server, told(*rows))["wins_b"] == 8
    assert len(server.requests) == asked + 1 + 2 * 6, "what was judged before is not asked again"


def test_the_judge_is_the_recipes_as_it_is_written_now(run: Run) -> None:
    recipe = run.project / "recipes/small.yaml"
    assert judge_of(run) is None
    manifest = {"recipe": {"judge.base_url": {"value": "http://h/v1"}, "judge.model": {"value": "m"}}}
    (run.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    was = judge_of(run)
    assert was is not None, "without a recipe file, what the run was made with"
    text = "model: {base: embedded}\ndata: {dataset: small}\ntemplate: {name: deepseekr1}\n"
    recipe.write_text(text, encoding="utf-8")
    assert judge_of(run) is None
    recipe.write_text(text + "judge: {base_url: 'http://127.0.0.1:9/v1', model: m}\n", encoding="utf-8")
    now = judge_of(run)
    assert now is not None
    assert (was.model, now.base_url) == ("m", "http://127.0.0.1:9/v1")


SMALL = "data: {dataset: small}\ntemplate: {name: deepseekr1}\nmodel: {base: embedded}\n"


def length(body: dict[str, Any]) -> float:
    """Likes long answers; the conversation is part of what it scores."""
    assert [one["role"] for one in body["messages"]] == ["user", "assistant"]
    return float(len(body["messages"][-1]["content"]))


def test_a_reward_model_scores_both_answers(run: Run) -> None:
    with scoring_server(Scores(prompt=lambda _: [], logprob=lambda *_: 0.0, reward=length)) as server:
        port = server.url.rpartition(":")[2].removesuffix("/v1")
        reward = f"train: {{kind: reward}}\nserve: {{port: {port}, model: conch}}\n"
        (run.project / "recipes/scores.yaml").write_text(SMALL + reward, encoding="utf-8")
        (run.project / "recipes/small.yaml").write_text(SMALL + "judge: {recipe: scores}\n", encoding="utf-8")
        judge = judge_of(run)
        assert judge is not None
        rows = [row(1, a="短", b="长一些"), row(2, a="长一些", b="短"), row(3, a="一样", b="长短")]
        said = TerminalProgress(io.StringIO())
        found = judge_comparison(run, told(*rows), judge, said)
        assert (found["wins_a"], found["wins_b"], found["ties"], found["error"]) == (1, 1, 1, "")
        assert found["rows"][0]["reasons"][0] == "1.000 against 3.000"
        asked = len(server.requests)
        judge_comparison(run, told(*rows), judge, said)
        assert len(server.requests) == asked, "what was judged before is not asked again"
    gone = judge_comparison(run, told(row(9)), judge, said)
    assert "127.0.0.1" in gone["error"] or "answers" in gone["error"]


def test_a_judge_that_answers_is_no_reward_model(run: Run) -> None:
    (run.project / "recipes/chats.yaml").write_text(SMALL, encoding="utf-8")
    (run.project / "recipes/small.yaml").write_text(SMALL + "judge: {recipe: chats}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"judge.recipe: chats trains no reward model \(train.kind: sft\)"):
        judge_of(run)
