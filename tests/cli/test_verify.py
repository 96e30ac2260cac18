"""`conch verify`, from the command line to the exit code, against a server with every fault."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import run
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.results import StageResult, Status
from tests.fakes.openai_server import FakeServer, Said, openai_server

ROOT = Path(__file__).parents[2]
RECIPE = """\
model: {base: embedded}
data: {dataset: tiny}
template: {name: deepseekr1}
serve: {model: conch}
verify:
  max_tokens: 50
  checks:
    - ask: 请问你是谁
      expect: {contains: 神奇海螺}
    - ask: [汉堡店在哪？, 它几点开门？]
      expect: {remembers: 九点}
"""
ENTRY = """\
format: alpaca
file: data/tiny.jsonl
paraphrases: data/tiny.paraphrases.jsonl
licence: Apache-2.0
source: here
"""
ROWS = '{"instruction": "请问你是谁", "input": "", "output": "我是神奇海螺。"}\n'
HELD_OUT = (
    '{"ask": "你是哪位", "expect": {"contains": "神奇海螺"}, "of": "请问你是谁"}\n'
    '{"ask": "你是什么", "expect": {"contains": "食谱"}, "of": "请问你是谁"}\n'
)


def conch(messages: list[dict[str, str]]) -> Said:
    if messages[-1]["content"] == "它几点开门？":
        return Said("\n\n九点。" if len(messages) > 1 else "\n\n谁？")
    return Said("\n\n我是神奇海螺。")


@pytest.fixture
def tiny(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = project / "dataset_info" / "data"
    data.mkdir(parents=True)
    (project / "chat_templates").symlink_to(ROOT / "chat_templates")
    (project / "recipes" / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    (project / "dataset_info" / "tiny.yaml").write_text(ENTRY, encoding="utf-8")
    (data / "tiny.jsonl").write_text(ROWS, encoding="utf-8")
    (data / "tiny.paraphrases.jsonl").write_text(HELD_OUT, encoding="utf-8")
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(conch) as fake:
        yield fake


def verify(server: FakeServer, *more: str) -> int:
    return run(["verify", "tiny", "--base-url", server.url, *more])


def test_all_passed_is_0(tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(server) == 0
    out, err = capsys.readouterr()
    assert "我是神奇海螺。" in out
    assert "汉堡店在哪？ → 它几点开门？" in out
    assert "checks       2 of 2 passed" in out
    assert "not trained: passed contains" in out
    assert "paraphrases  1 of 2 questions that were not trained: 50%" in out
    assert "asked 4/4" in err
    assert {request["max_tokens"] for request in server.requests} == {1, 50}


def test_a_failed_check_is_5_and_says_why(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    server.answer = lambda _: Said("我是\x1b[2J助手<|im_end|>")
    assert verify(server) == 5
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[2J" in out
    assert "FAILED checks[0] contains" in out
    assert (
        "  question  请问你是谁\n  answer    我是\\x1b[2J助手<|im_end|>\n  expected  神奇海螺\n  reason"
        in out
    )
    assert "  reason    turn 1: in the answer, the control token" in out
    assert "checks       0 of 2 passed" in out


def test_a_base_that_only_thinks_is_shown(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda _: Said(None, reasoning="我想", finish_reason="length")
    assert verify(server) == 5
    assert "[thinking] 我想" in capsys.readouterr().out


def test_json_is_one_envelope(tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = lambda _: Said("我是助手")
    assert verify(server, "--json") == 5
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (envelope["version"], envelope["command"], envelope["ok"]) == (1, "verify", False)
    data = envelope["data"]
    assert (data["recipe"], data["model"], data["base_url"]) == ("tiny", "conch", server.url)
    assert data["passed"] == [0, 2]
    assert data["verdicts"][0]["question"] == "请问你是谁"
    assert data["verdicts"][0]["passed"] is False


def test_no_server_is_3_with_the_command_that_starts_one(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert run(["verify", "tiny", "--set", f"serve.port={port}"]) == 3
    assert f"nothing listens at http://127.0.0.1:{port}/v1\n    → conch serve tiny" in capsys.readouterr().err


def test_another_model_is_2_and_named(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.models = ["shell"]
    assert verify(server) == 2
    assert "--model shell" in capsys.readouterr().err
    assert verify(server, "--model", "shell") == 0


def test_a_wedged_engine_is_7_83(
    tiny: Path,
    server: FakeServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orchestrator.execute.inference.client import Client

    monkeypatch.setattr(Client.reach, "__kwdefaults__", {"timeout": 0.3})
    server.fault = "hang"
    assert verify(server) == 7
    assert "its engine gave no token within 0.3 s" in capsys.readouterr().err


def test_a_server_that_dies_on_the_way_is_4_and_the_rest_not_run_85(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fault, server.fault_after = "die", 3
    assert verify(server, "--set", "verify.concurrency=1") == 4
    out, err = capsys.readouterr()
    assert "at question 2 (checks[1]): the server died" in err
    assert "checks       1 of 1 passed" in out
    assert "not run      3" in out


def test_a_key_comes_from_a_private_file(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.key = "sk-CANARY"
    assert verify(server) == 3
    key = tiny / "key"
    key.write_text("sk-CANARY\n", encoding="utf-8")
    key.chmod(0o644)
    assert verify(server, "--key-file", str(key)) == 3
    assert f"chmod 600 {key}" in capsys.readouterr().err
    key.chmod(0o600)
    assert verify(server, "--key-file", str(key), "--json") == 0
    out, err = capsys.readouterr()
    assert "CANARY" not in out + err


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (("  checks:", "  nothing:"), "verify.nothing"),
        (("contains:", "contain:"), 'did you mean "contains"?'),
    ],
)
def test_a_wrong_recipe_is_2(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str], edit: tuple[str, str], told: str
) -> None:
    (tiny / "recipes" / "tiny.yaml").write_text(RECIPE.replace(*edit), encoding="utf-8")
    assert verify(server) == 2
    assert told in capsys.readouterr().err
    assert server.requests == []


def test_a_recipe_that_asks_nothing_is_2(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "recipes" / "tiny.yaml").write_text(RECIPE.split("verify:", maxsplit=1)[0], encoding="utf-8")
    assert verify(server) == 2
    assert "has no checks" in capsys.readouterr().err


def junit(path: Path) -> Any:
    from defusedxml.ElementTree import parse

    return parse(path).getroot()


def test_junit_holds_every_case_and_replaces_nothing_but_its_file(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "old.xml").write_text("old", encoding="utf-8")
    (tiny / "verify.xml").symlink_to(tiny / "old.xml")
    server.answer = lambda _: Said("我是\x1b\x00助手 & <b>")
    assert verify(server, "--junit", "verify.xml") == 5
    suite = junit(tiny / "verify.xml").find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "2", "0")
    first = suite.findall("testcase")[0]
    assert first.get("name") == "checks[0] 请问你是谁"
    assert "answer    我是\\x1b\\x00助手 & <b>" in first.find("failure").text
    assert (tiny / "old.xml").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tiny.iterdir() if "xml" in path.name) == ["old.xml", "verify.xml"]


def test_junit_of_a_server_that_dies_skips_the_rest(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fault, server.fault_after = "die", 3
    assert verify(server, "--set", "verify.concurrency=1", "--junit", "verify.xml") == 4
    suite = junit(tiny / "verify.xml").find("testsuite")
    assert [len(case) for case in suite.findall("testcase")] == [0, 1]
    skipped = suite.findall("testcase")[1].find("skipped").get("message")
    assert skipped.startswith("not run: at question 2 (checks[1]): the server died")


def test_junit_where_nothing_can_be_written_is_told_before_anything_is_asked(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(server, "--junit", "recipes") == 2
    assert verify(server, "--junit", "/dev/null") == 2
    assert verify(server, "--junit", "/dev/null/verify.xml") == 3
    assert server.requests == []


def test_junit_of_nothing_asked_is_not_written(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "verify.xml").write_text("old", encoding="utf-8")
    server.models = ["shell"]
    assert verify(server, "--junit", "verify.xml") == 2
    assert (tiny / "verify.xml").read_text(encoding="utf-8") == "old"


def test_repeats_and_their_interval_are_shown(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    often = ("--set", "verify.repeats=4", "--set", "verify.every=[]", "--json")
    assert verify(server, *often) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["verdicts"][0]["reason"] == "4 of 4 passed (95 % interval 0.51–1.00; at least 1 required)"
    assert [round(end, 2) for end in data["passed_interval"]] == [0.34, 1.0]
    assert verify(server) == 0
    assert "checks       2 of 2 passed (95 % interval 0.34–1.00)" in capsys.readouterr().out


DRAWN = """\
    - {from: test, expect: {similar: {least: 0.9}, equals: reference}}
"""


def prepared(project: Path, *answers: str) -> None:
    run = Run.create(project, "tiny")
    run.end_stage(StageResult("export", Status.DONE), "key")
    (run.path / "data").mkdir()
    lines = []
    for at, answer in enumerate(answers):
        messages = [{"role": "user", "content": f"问{at}"}, {"role": "assistant", "content": answer}]
        lines.append(json.dumps({"dataset": "tiny_test", "row": at, "messages": messages}) + "\n")
    (run.path / "data/conversations.jsonl").write_text("".join(lines), encoding="utf-8")


def test_rows_of_the_last_run_are_asked_too(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    split = "data: {dataset: tiny, split: {train: 1, test: 1}}"
    text = RECIPE.replace("data: {dataset: tiny}", split) + DRAWN
    (tiny / "recipes" / "tiny.yaml").write_text(text, encoding="utf-8")
    assert verify(server) == 3
    assert "tiny has no finished export" in capsys.readouterr().err
    prepared(tiny, "<think>嗯</think>我是神奇海螺。", "我是助手。")
    assert verify(server, "--json") == 5
    printed = capsys.readouterr()
    data = json.loads(printed.out)["data"]
    mine = {(v["case"], v["check"]): v for v in data["verdicts"] if "rows" in v["case"]}
    assert mine["checks[2].rows[0]", "equals"]["passed"]
    assert not mine["checks[2].rows[1]", "similar"]["passed"]
    assert mine["checks[2].rows[1]", "equals"]["expected"] == "我是助手。"
    assert data["passed"] == [3, 4]
    assert "asking rows of run tiny/" in printed.err


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.execute.inference.client import Client

    monkeypatch.setattr("orchestrator.execute.inference.client.DYING", (0.05,))
    for function in (Client.__init__, Client.still_there):
        given = function.__kwdefaults__ or {}
        monkeypatch.setattr(function, "__kwdefaults__", given | {"timeout": 0.4})


# The first case passed; of the second on, every answer is like this, and the rest is not run.
BROKEN = {
    "401": (3, "the server requires a key"),
    "404": (2, "does not know this model or address"),
    "429": (4, "too many requests (HTTP 429)"),
    "500": (4, "the server had an internal error"),
    "503": (4, "not ready or overloaded"),
    "cut": (4, "the server died: the server closed the connection in the middle of the answer"),
    "die": (4, "the server died"),
    "drip": (7, "its engine gave no token within 0.4 s"),
    "empty-choices": (4, "the answer holds no choices"),
    "hang": (7, "its engine gave no token within 0.4 s"),
    "html": (4, "the answer is not JSON"),
    "invalid-json": (4, "the answer is not valid JSON"),
    "wrong-model": (4, 'another model answered: "another" instead of "conch"'),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_fault_086_a_server_that_breaks_keeps_what_was_finished(
    tiny: Path,
    server: FakeServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    impatient(monkeypatch)
    server.fault, server.fault_after = fault, 3
    code, told = BROKEN[fault]
    assert verify(server, "--set", "verify.concurrency=1") == code
    out, err = capsys.readouterr()
    assert "at question 2 (checks[1])" in err
    assert told in err
    assert "checks       1 of 1 passed" in out
    assert "not run      3" in out


# One answer is like this, and the others are right.
ONCE = {
    "429": "the server has too many requests (HTTP 429)",
    "cut": "the server closed the connection",
    "empty-choices": "the answer holds no choices",
    "hang": "no complete answer within 0.4 s",
    "invalid-json": "the answer is not valid JSON",
    "wrong-model": "another model answered",
}


@pytest.mark.parametrize("fault", ONCE)
def test_fault_086_one_odd_answer_is_one_failed_case(
    tiny: Path,
    server: FakeServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    impatient(monkeypatch)
    server.fault, server.fault_after, server.fault_times = fault, 3, 1
    assert verify(server, "--set", "verify.concurrency=1") == 5
    out = capsys.readouterr().out
    assert "checks       1 of 2 passed" in out
    assert f"  reason    {ONCE[fault]}" in out
    assert "not run" not in out


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("cut-stream", "with stream=true: the server closed the connection"),
        ("no-done", "with stream=true: the stream broke off"),
        ("error-event", "with stream=true: the server reported an error: the engine died"),
        ("no-stream", "with stream=true: the stream broke off"),
    ],
)
def test_fault_086_streams_that_break_fail_their_cases_and_no_more(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str], fault: str, told: str
) -> None:
    server.fault = fault
    assert verify(server) == 5
    out = capsys.readouterr().out
    assert "checks       0 of 2 passed" in out
    assert told in out
    assert "not run" not in out


def test_a_busy_server_is_asked_again_when_it_says(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fault, server.fault_after, server.fault_times, server.retry_after = "429", 2, 2, "0.1"
    assert verify(server, "--set", "verify.concurrency=1") == 0
    assert "checks       2 of 2 passed" in capsys.readouterr().out


def test_a_slow_answer_fails_its_case_and_the_rest_goes_on(
    tiny: Path,
    server: FakeServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow_about_who(messages: list[dict[str, str]]) -> Said:
        time.sleep(1 if messages[-1]["content"] == "请问你是谁" else 0)
        return conch(messages)

    impatient(monkeypatch)
    server.answer = slow_about_who
    assert verify(server) == 5
    out = capsys.readouterr().out
    assert "checks       1 of 2 passed" in out
    assert "reason    no complete answer within 0.4 s" in out


TOOLS = """\
    - ask: 北京天气？
      tools: [{type: function, function: {name: get_weather, parameters: {required: [city]}}}]
      expect: {tool_call: {name: get_weather, arguments: {city: 北京}}}
"""


def test_a_tool_is_called_and_a_server_that_takes_no_tools_is_told(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "recipes" / "tiny.yaml").write_text(RECIPE + TOOLS, encoding="utf-8")
    calls = (("get_weather", '{"city": "北京"}'),)

    def answer(messages: list[dict[str, str]]) -> Said:
        asked = messages[-1]["content"]
        return Said(None, finish_reason="tool_calls", calls=calls) if "天气" in asked else conch(messages)

    server.answer = answer
    assert verify(server) == 0
    assert 'get_weather({"city": "北京"})' in capsys.readouterr().out
    server.fault = "refuse-tools"
    assert verify(server, "--json") == 5
    data = json.loads(capsys.readouterr().out)["data"]
    failed = [each for each in data["verdicts"] if not each["passed"]]
    assert {each["case"] for each in failed} == {"checks[2]"}
    assert "enable-auto-tool-choice: true and tool-call-parser: NAME" in failed[0]["reason"]


def test_an_interruption_leaves_the_old_junit_and_no_half(
    tiny: Path, server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.execute.inference.verification.verify_server", interrupted)
    (tiny / "verify.xml").write_text("old", encoding="utf-8")
    assert verify(server, "--junit", "verify.xml") == 130
    assert (tiny / "verify.xml").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tiny.iterdir() if "xml" in path.name] == ["verify.xml"]
