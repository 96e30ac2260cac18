"""What is verified is what clients get: the default sampling of the server, and answers asked at it."""
# Covers execute/models/check_export.py
# Covers execute/inference/verification.py

from __future__ import annotations

import json

import pytest
from defusedxml import ElementTree

from tests.fakes.openai_server import Said, openai_server
from tests.small_world import SmallWorld

WARM = ("--set", "serve.sampling.temperature=0.6", "--set", "serve.sampling.top_p=0.95")
NO_BASE = ("--set", "verify.base=false")


@pytest.fixture
def unsure(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> SmallWorld:
    """A model that answers right when it is greedy; sampled, each question is right two times of five."""
    monkeypatch.setenv("CONCH_FAULT", "unsure")
    return small


def test_fault_162_right_when_greedy_and_wrong_when_sampled(unsure: SmallWorld) -> None:
    said = unsure.run("run", "small", *WARM, *NO_BASE)
    assert said.code == 5, said.err
    assert "checks      2 of 2 passed" in said.out
    figure = "4 of 10 sampled answers passed (40.0%, at least {}; temperature 0.6, top_p 0.95)"
    assert f"sampled     {figure.format('100.0%')}" in said.out
    assert "✗ 你是谁 → ?" in said.out

    run = unsure.last().path
    kept = json.loads((run / "verdicts.json").read_text(encoding="utf-8"))["sampled"]
    assert (kept["passed"], kept["judged"], kept["required"]) == (4, 10, 1.0)
    exported = json.loads((run / "export/generation_config.json").read_text(encoding="utf-8"))
    chosen = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 0}
    assert exported == {"eos_token_id": 2} | chosen
    for language, words in (
        ("en", "4 of 10 sampled answers passed"),
        ("zh", "10 个采样回答中 4 个通过"),
    ):
        assert unsure.run("report", "small", "--language", language).code == 0
        for kind in ("html", "md"):
            assert words in (run / f"report/report.{kind}").read_text(encoding="utf-8")


def test_fault_162_the_greedy_and_the_sampled_answers_must_each_meet_the_target(unsure: SmallWorld) -> None:
    said = unsure.run("run", "small", *WARM, *NO_BASE, "--set", "target.checks=0.5")
    assert said.code == 5, said.err
    assert "target met  2 of 2 checks passed" in said.out
    assert "MISSED      4 of 10 sampled answers passed (40.0%, at least 50.0%" in said.out
    said = unsure.run("run", "small", *WARM, *NO_BASE, "--set", "target.checks=0.4")
    assert said.code == 0, said.err
    assert "target met  4 of 10 sampled answers passed" in said.out


def test_fault_162_control_asked_greedily_alone_nothing_is_seen(unsure: SmallWorld) -> None:
    said = unsure.run("run", "small", *NO_BASE)
    assert said.code == 0, said.err
    assert "sampled " not in said.out
    assert "sampled" not in json.loads((unsure.last().path / "verdicts.json").read_text(encoding="utf-8"))


def test_fault_161_a_server_that_samples_otherwise_is_refuted(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "other-sampling")
    said = small.run("run", "small", *NO_BASE)
    assert said.code == 5, said.err
    assert "REFUTED     sampling: temperature is 1, the export has 0" in said.out


def test_fault_161_an_export_whose_sampling_was_edited_is_not_served(small: SmallWorld) -> None:
    world = small.after("run", "small", *NO_BASE)
    path = world.last().path / "export/generation_config.json"
    path.write_text('{"eos_token_id": 2, "do_sample": true, "temperature": 1.5}', encoding="utf-8")
    said = world.run("serve", "small", "--port", "1")
    assert said.code == 5
    assert "generation_config.json  was changed after it was proven" in said.err


def test_fault_162_verify_asks_as_clients_ask(small: SmallWorld) -> None:
    answers = {"你是谁": "我是神奇海螺。", "今天吃什么": "蟹黄堡，三块钱。"}
    asked: list[str] = []

    def answer(messages: list[dict[str, str]]) -> Said:
        asked.append(messages[-1]["content"])
        wrong = asked.count("你是谁") == 4  # twice it was asked greedily, whole and streamed; and paraphrased
        return Said("" if wrong else answers.get(messages[-1]["content"], "?"))

    junit = small.project / "verify.xml"
    with openai_server(answer, models=["small"]) as server:
        words = ("verify", "small", "--base-url", server.url, *WARM, "--set", "verify.concurrency=1")
        said = small.run(*words, "--junit", str(junit))
        sent = [body for body in server.requests if "temperature" not in body and body.get("max_tokens") != 1]
        assert sorted(body["seed"] for body in sent) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert not any({"top_p", "top_k", "stream"} & set(body) for body in sent)
    assert said.code == 5, said.err
    assert "a client that names no sampling value gets: temperature 0.6, top_p 0.95" in said.err
    assert "checks       2 of 2 passed" in said.out
    assert "sampled      9 of 10 sampled answers passed (90.0%, at least 100.0%" in said.out
    assert "the answer is empty" in said.out
    suite = ElementTree.fromstring(junit.read_text(encoding="utf-8"))[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")

    asked.clear()
    with openai_server(answer, models=["small"]) as server:
        words = ("verify", "small", "--base-url", server.url, *WARM, "--set", "verify.concurrency=1")
        assert small.run(*words, "--set", "target.checks=0.9").code == 0


def test_verify_without_an_export_says_that_it_asks_greedily(small: SmallWorld) -> None:
    with openai_server(lambda _: Said("我是神奇海螺，三块钱。"), models=["small"]) as server:
        said = small.run("verify", "small", "--base-url", server.url)
    assert said.code == 0, said.err
    assert "no export here says how this server samples by default: asking greedily only" in said.err
