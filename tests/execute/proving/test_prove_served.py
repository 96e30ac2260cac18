"""The running server's ids against those of training: every client, wrong templates, dead servers."""
# Covers proofs/requests.py

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConchError, MissingError, StageFailed, TimedOut
from orchestrator.execute.proving import prove_served as task
from orchestrator.execute.proving.probe_files import IdsFile
from orchestrator.execute.proving.prove_served import prove_served
from orchestrator.execute.runner.task import typed
from tests.execute.proving.taught_world import EMPTY, TALKS, as_trained, jinja, put, row_of, talk, write
from tests.fakes.site.letters import BOS, EOS, Letters
from tests.fakes.tokenizing_server import FAULTS, Tokenizing, tokenizing_server

SETTINGS = {
    "training_ids": "ids.jsonl",
    "conversations": "talk.jsonl",
    "prepared": "prepare.json",
    "rows": 6,
    "out": "parity.json",
}
# What DeepSeek's official template does: no thoughts in history.
OFFICIAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}<｜User｜>{{ m['content'] }}"
    "{% elif m['role'] == 'system' %}{{ m['content'] }}{% else %}"
    "<｜Assistant｜>{{ m['content'].split('</think>')[-1] }}{{ eos_token }}{% endif %}"
    "{% endfor %}<｜Assistant｜>"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, [row_of(key, mixed=False) for key in TALKS])
    return tmp_path


def judge(
    server: Tokenizing, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> tuple[int, dict[str, Any]]:
    monkeypatch.setenv("CONCH_SERVICE_URL", server.url)
    monkeypatch.setenv("CONCH_SERVICE_MODEL", "conch")
    code = prove_served(typed(prove_served, {**SETTINGS, **settings}), folder)
    return code, json.loads((folder / "parity.json").read_text(encoding="utf-8"))


def prove(
    folder: Path, monkeypatch: pytest.MonkeyPatch, template: str, **switches: Any
) -> tuple[int, dict[str, Any], Tokenizing]:
    with tokenizing_server(template, switches.pop("writes", as_trained), **switches) as server:
        return *judge(server, folder, monkeypatch), server


def test_a_right_template_holds_for_every_client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, proof, server = prove(folder, monkeypatch, jinja("deepseekr1-on-keep"))
    assert (code, proof["detail"]) == (0, "")
    numbers = proof["numbers"]
    assert numbers["requests"] == numbers["equal"] >= 50
    assert numbers["returned"] == 1
    assert proof["covered"].startswith(f"{numbers['requests']} requests for 3 rows (1 with a system prompt)")
    sent = [body for path, body in server.requests if path == "/v1/chat/completions"]
    assert {body.get("reasoning_effort") for body in sent} == {None, "none", "low", "high"}
    assert all(body.get("stream") or body["return_token_ids"] for body in sent)
    assert not any(body["temperature"] for body in sent)
    for client in ("content as a list", "a reasoning_content field", "the answer and its reasoning field"):
        assert numbers[f"client:{client}"]
    # An answer whose thought the client dropped cannot be put back: told, and not the template's doing.
    assert numbers["dropped"] == 4
    assert "4 requests of clients that lose a thought" in proof["not_covered"]


def test_the_servers_answer_is_sent_back_as_it_came(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, server = prove(folder, monkeypatch, jinja("deepseekr1-on-keep"))
    came = {"role": "assistant", "reasoning": "\n\n", "content": "海螺"}
    assert came in [body["messages"][1] for _, body in server.requests if len(body["messages"]) == 3]


def test_a_parser_that_takes_the_whole_answer_is_found_by_what_it_returned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, [row_of(key, mixed=True) for key in TALKS], thinking=None)

    def writes(messages: Sequence[dict[str, Any]]) -> str:
        return as_trained(messages).removeprefix(EMPTY)

    template = jinja("deepseekr1-mixed-keep")
    code, proof, server = prove(folder, monkeypatch, template, writes=writes)
    assert code == 5
    assert "a client that sends the server's own answer, unchanged" in proof["detail"]
    assert {"role": "assistant", "content": None, "reasoning": "海螺"} in [
        body["messages"][1] for _, body in server.requests if len(body["messages"]) == 3
    ]
    code, proof, _ = prove(folder, monkeypatch, template, writes=writes, parses=False)
    assert (code, proof["numbers"]["returned"]) == (0, 1)


def test_another_answer_is_not_sent_back_and_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, proof, _ = prove(folder, monkeypatch, jinja("deepseekr1-on-keep"), writes=lambda _: "<think>\n")
    assert (code, proof["numbers"]["returned"]) == (0, 0)
    assert "no first answer equalled the data word for word" in proof["not_covered"]


def test_with_history_stripped_the_answer_before_the_trained_one_comes_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = f"{BOS}<｜User｜>你是谁<｜Assistant｜>海螺{EOS}<｜User｜>再说<｜Assistant｜>"
    context += f"是海螺{EOS}<｜User｜>谢谢<｜Assistant｜>"
    start, ids = len(Letters().encode(context)), Letters().encode(f"{context}{EMPTY}不客气{EOS}")
    row = row_of(("mine", 1), mixed=False)
    turns = [{"turn": 2, "start": start, "end": len(ids), "cut": False}]
    write(folder, [row | {"ids": ids, "turns": turns}], mask_history=True)
    code, proof, server = prove(folder, monkeypatch, jinja("deepseekr1-on-strip"))
    assert (code, proof["detail"]) == (0, "")
    assert proof["numbers"]["returned"] == 1
    back = {"role": "assistant", "reasoning": "\n想一想\n", "content": "是海螺"}
    assert back in [body["messages"][-2] for _, body in server.requests if len(body["messages"]) > 1]


WRONG = {
    "official": (OFFICIAL, "", "empty thought before each earlier answer"),
    "newer official": (OFFICIAL + "<think>\n", "", "empty thought before each earlier answer"),
    "another default": (jinja("deepseekr1-off-keep"), "", "<think>"),
    "reads the switch": (jinja("deepseekr1-mixed-keep"), "enable_thinking: false", "begins with"),
    "knows no reasoning field": (
        jinja("deepseekr1-on-keep").replace("message['reasoning", "message['nothing"),
        "reasoning",
        "does not read the thought that the client sent",
    ),
    "refuses": (
        "{{ raise_exception('system roles are not supported') }}",
        "",
        "the server rejects this request: system roles are not supported",
    ),
}


@pytest.mark.parametrize(("template", "client", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_template_is_named(
    template: str, client: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, proof, server = prove(folder, monkeypatch, template)
    assert code == 5
    assert not proof["holds"]
    assert "a client that sends" in proof["detail"]
    assert any(said in finding["explanation"] for finding in proof["findings"])
    assert proof["hint"]
    first = proof["findings"][0]
    assert first["explanation"] in proof["detail"]
    assert client in first["client"]
    assert first["where"].startswith(("数据.jsonl:", "conch_generated:"))
    assert first["position"] >= 0
    assert first["training_text"]
    assert server.requests


def test_fault_163_content_that_begins_with_a_blank_line_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, proof, _ = prove(folder, monkeypatch, jinja("deepseekr1-on-keep"))
    assert (code, proof["numbers"]["blank"]) == (0, 0)
    assert proof["numbers"]["contents"] >= 2
    code, proof, _ = prove(folder, monkeypatch, jinja("deepseekr1-on-keep"), cleans=False)
    assert (code, proof["holds"]) == (5, False)
    assert proof["numbers"]["blank"] == proof["numbers"]["contents"]
    assert "the content of an answer begins with a blank line: '\\n\\n" in proof["detail"]
    assert "回答的 content 以空行开头" in proof["detail_zh"]
    assert any("a streamed answer" in finding["what"] for finding in proof["findings"])
    assert "let Conch start the server" in proof["hint"]


def test_fault_164_a_template_that_does_not_put_the_blank_line_back_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients send the cleaned content back, and the reasoning as it came."""
    right = jinja("deepseekr1-on-keep")
    loses = right.replace("closing = '\\n</think>\\n\\n'", "closing = '\\n</think>'")
    loses = loses.replace("content[2:] if content.startswith('\\n\\n') else content", "content")
    assert len(right) - len(loses) > 40
    code, proof, _ = prove(folder, monkeypatch, loses)
    assert code == 5
    clients = {finding["client"] for finding in proof["findings"]}
    assert "the answer without its blank line, and its reasoning field" in clients
    assert "the answer and its reasoning field" not in clients


def test_an_accepted_mismatch_ends_well_and_is_marked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tokenizing_server(OFFICIAL, as_trained) as server:
        code, proof = judge(server, folder, monkeypatch, accept_mismatch=True)
    assert (code, proof["holds"], proof["accepted"]) == (0, False, True)


def test_mixed_thinking_is_never_asked_against_what_was_trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, [row_of(key, mixed=True) for key in TALKS], thinking=None)
    code, proof, server = prove(folder, monkeypatch, jinja("deepseekr1-mixed-keep"), parses=False)
    assert (code, proof["detail"]) == (0, "")
    asked: dict[int, set[bool | None]] = {1: set(), 3: set(), 5: set()}
    for _, body in server.requests:
        if body["messages"][0]["content"] == "你是谁":
            asked[len(body["messages"])].add(body.get("chat_template_kwargs", {}).get("enable_thinking"))
    assert asked == {1: {False}, 3: {None, True}, 5: {False, None}}
    efforts = {body.get("reasoning_effort") for _, body in server.requests}
    assert efforts == {None, "none"}


DEFAULT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face."


def test_a_default_system_prompt_must_have_been_put_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"<|im_start|>system\n{DEFAULT}<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
    monkeypatch.setitem(TALKS, ("mine", 1), talk("a", "b"))
    start, ids = len(text), Letters().encode(f"{text}b<|im_end|>\n")
    turns = [{"turn": 0, "start": start, "end": len(ids), "cut": False}]
    row = row_of(("mine", 1), mixed=False) | {"ids": ids, "turns": turns}
    write(folder, [row], template="smollm2", bos_token_id=None)
    code, proof, _ = prove(folder, monkeypatch, jinja("smollm2"))
    assert (code, proof["detail"]) == (0, "")
    code, proof, _ = prove(folder, monkeypatch, jinja("chatml"))
    assert code == 5
    assert "only the trained prompt begins with a system prompt" in proof["detail"]
    code, proof, _ = prove(folder, monkeypatch, jinja("smollm2").replace("Hugging Face.", "Hugging Face"))
    assert code == 5
    assert "differ in a full stop" in proof["detail"]


def test_what_the_server_cannot_take_is_left_out_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = len(row_of(("mine", 2), mixed=False)["ids"]) + 30
    code, proof, _ = prove(folder, monkeypatch, jinja("deepseekr1-on-keep"), longest=longest)
    assert code == 0
    assert "1 rows with prompts longer than the server accepts" in proof["not_covered"]
    code, proof, _ = prove(folder, monkeypatch, jinja("deepseekr1-on-keep"), longest=10)
    assert code == 5
    assert "no request was sent" in proof["detail"]


def test_rows_are_spread_over_the_file_and_long_talks_come_first(folder: Path) -> None:
    one, other = (row_of(("mine", row), mixed=False) for row in (1, 2))
    rows = [(one if row % 5 == 3 else other) | {"row": row} for row in range(40)]
    rows += [other | {"row": 50, "dataset": "conch_held_out"}, other | {"row": 51, "uncovered": "tools"}]
    rows += [other | {"row": 52, "cut": True}, other | {"row": 53, "dataset": "conch_generated"}]
    write(folder, rows)
    chosen, left_out = task.choose(IdsFile.open(folder / "ids.jsonl"), 4, 4096)
    assert [row["row"] for row in chosen] == [3, 13, 23, 33, 53]
    assert left_out == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_ends_the_task_with_a_sentence(
    fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "TIMEOUT", 1.0)
    monkeypatch.setenv("CONCH_API_KEY", "sk-secret")
    kind = TimedOut if fault == "hang" else StageFailed
    with pytest.raises(ConchError) as caught:
        prove(folder, monkeypatch, jinja("deepseekr1-on-keep"), fault=fault)
    assert type(caught.value) is kind
    assert "sk-secret" not in str(caught.value)
    assert caught.value.problems[0].hint
    assert not (folder / "parity.json").exists()


def test_nobody_listens_or_no_service_was_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingError, match="CONCH_SERVICE_URL"):
        prove_served(typed(prove_served, SETTINGS), folder)
    with pytest.raises(MissingError, match="nothing listens"):
        judge(Tokenizing("", as_trained, url="http://127.0.0.1:9/v1"), folder, monkeypatch)


def test_the_server_of_another_run_listens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        tokenizing_server("", as_trained, names=("别的",)) as server,
        pytest.raises(MissingError, match="has no model conch; it has: 别的"),
    ):
        judge(server, folder, monkeypatch)


@pytest.mark.parametrize("name", ["ids.jsonl", "talk.jsonl", "prepare.json"])
def test_a_file_that_is_not_there(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingError, match=name):
        prove(folder, monkeypatch, jinja("deepseekr1-on-keep"))


def test_a_conversation_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder / "talk.jsonl", [{"dataset": "mine", "row": 1, "messages": TALKS["mine", 1]}])
    with pytest.raises(StageFailed, match="lacks the conversation"):
        prove(folder, monkeypatch, jinja("deepseekr1-on-keep"))
