"""The main job on real parts: recipe → LLaMA-Factory → export → vLLM → verified answers."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from openai import AuthenticationError, OpenAI

from orchestrator.execute.environments import registry
from tests.e2e.world import REPO, RUN, Trained, lines_of, wait_for, wait_until
from tests.faults.test_secrets import holding

pytestmark = pytest.mark.real

OFFICIAL = REPO.parent / "shared" / "data" / "official"
KEY = "sk-CANARY-0123456789"


def envelope(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    assert value["version"] == 1
    return value


def last_run(trained: Trained) -> Path:
    return min((trained.world.project / "runs" / "smoke").glob("2*"))


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_recipe_becomes_a_verified_model(trained: Trained) -> None:
    assert trained.said.code == 0, trained.said.err + trained.said.out
    verdicts = json.loads((last_run(trained) / "verdicts.json").read_text(encoding="utf-8"))
    assert verdicts["verdicts"], "nothing was asked"
    assert all(verdict["passed"] for verdict in verdicts["verdicts"])
    assert {"contains", "remembers", "stops", "no_control_tokens", "streamed"} <= {
        v["check"] for v in verdicts["verdicts"]
    }


def test_fault_094_a_secret_is_found_nowhere_after_a_real_run(trained: Trained) -> None:
    """Given by the environment: on no command line, in no file of the run, and not in an engine's cache."""
    assert any(b"llamafactory-cli\0train" in words for words in trained.watch.seen)
    assert any(b"warm_vllm.py" in words for words in trained.watch.seen)
    assert not [words for words in trained.watch.seen if b"CANARY" in words]
    assert holding(trained.world.project) == []
    for name in ("train", "serve"):
        assert holding(registry.require(name, "cpu") / ".cache") == []


def test_a_training_and_an_export_listen_on_no_port(trained: Trained) -> None:
    """LLaMA-Factory brings a web server along (gradio, with advisories): nothing of it may ever listen."""
    assert trained.watch.listeners == set()


def test_the_untouched_base_fails_what_was_taught(trained: Trained) -> None:
    verdicts = json.loads((last_run(trained) / "verdicts.json").read_text(encoding="utf-8"))
    taught = [v for v in verdicts["base_verdicts"] if v["check"] in ("contains", "equals", "remembers")]
    assert taught
    assert not any(verdict["passed"] for verdict in taught)


def test_a_killed_training_goes_on_without_redoing_what_was_done(trained: Trained) -> None:
    ended = [e for e in events(last_run(trained)) if e["event"] == "stage_ended" and e["status"] == "done"]
    names = [event["stage"] for event in ended]
    assert trained.killed_after_steps >= 3
    assert len(names) == len(set(names)), "a completed stage was done twice"
    assert "tokens of the data: skipped" in trained.said.err
    assert "Training (interrupted before)" in trained.said.err
    assert not trained.world.processes()


def test_the_summary_says_what_to_type_next(trained: Trained) -> None:
    assert "stand-in" in trained.said.err.splitlines()[0]
    for words in ("conch serve smoke", "curl ", "from openai import OpenAI", "stream=True", "base-url:"):
        assert words in trained.said.out
    assert (last_run(trained) / "report" / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert "training loss" in trained.said.err


def test_nothing_changed_nothing_done(trained: Trained) -> None:
    said = trained.world.run(*RUN, "--json", timeout=60)
    assert said.code == 0
    assert {run["status"] for run in envelope(said.out)["data"]["runs"]} == {"skipped"}


def test_the_export_is_marked_as_a_stand_in_and_carries_our_template(trained: Trained) -> None:
    export = last_run(trained) / "export"
    assert "stand-in" in (export / "README.md").read_text(encoding="utf-8")
    ours = (REPO / "chat_templates" / "deepseekr1-on-keep.jinja").read_text(encoding="utf-8")
    assert (export / "chat_template.jinja").read_text(encoding="utf-8") == ours


@pytest.mark.soak
def test_a_run_that_is_killed_while_it_serves_is_finished_by_the_next(trained: Trained) -> None:
    changed = ("run", "smoke", "--set", "verify.base=false", "--set", "verify.max_tokens=96")
    before = set((trained.world.project / "runs" / "smoke").glob("2*"))
    first = trained.world.start(*changed)

    def serving() -> bool:
        new = set((trained.world.project / "runs" / "smoke").glob("2*")) - before
        return any(lines_of([log]) > 3 for folder in new for log in folder.glob("logs/server.log"))

    wait_until(serving, seconds=300, meanwhile=first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_for(lambda: not trained.world.processes(), seconds=30)
    again = trained.world.run(*changed)
    assert again.code == 0, again.err + again.out
    assert "Training: done (reused from run" in again.err or "Training: skipped" in again.err
    assert not trained.world.processes()


def test_serve_verify_and_any_openai_client(trained: Trained) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    world, env = trained.world, {"CONCH_API_KEY": KEY}
    server = world.start("serve", "smoke", "--port", port, env=env)
    log = world.project / f"serve-smoke-port-{port}.err"
    url = f"http://127.0.0.1:{port}/v1"
    try:
        wait_until(lambda: "ready in" in log.read_text(encoding="utf-8"), seconds=300, meanwhile=server)
        verified = world.run("verify", "smoke", "--base-url", url, "--json", env=env)
        assert verified.code == 0, verified.out + verified.err
        assert envelope(verified.out)["data"]["verdicts"]
        refused = world.run("serve", "smoke", "--port", port, timeout=60)
        assert refused.code == 6
        assert f"is already served at {url}" in refused.err
        client = OpenAI(base_url=url, api_key=KEY, max_retries=0)
        messages: list[Any] = [{"role": "user", "content": "请问你是谁"}]
        whole = client.chat.completions.create(model="smoke", messages=messages, temperature=0, max_tokens=64)
        stream = client.chat.completions.create(
            model="smoke", messages=messages, temperature=0, max_tokens=64, stream=True
        )
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert "神奇海螺" in (whole.choices[0].message.content or "")
        assert streamed == whole.choices[0].message.content
        with pytest.raises(AuthenticationError):
            OpenAI(base_url=url, api_key="wrong", max_retries=0).models.list()
        lost_body_test(port)
        assert KEY not in "".join(
            Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
            for pid in world.processes()
        )
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
    assert server.returncode == 0, log.read_text(encoding="utf-8")
    assert not world.processes()


def lost_body_test(port: str) -> None:
    """A Java client offers an upgrade to HTTP/2 with its first POST; the body must arrive all the same."""
    body = json.dumps(
        {"model": "smoke", "messages": [{"role": "user", "content": "你好"}], "max_tokens": 1}
    ).encode()
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {KEY}",
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    }
    with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as connection:
        head = [
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}",
            f"Content-Length: {len(body)}",
        ]
        head += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("name", ["r1-distill-original.jinja", "r1-distill-newer.jinja"])
def test_parity_tells_where_an_official_template_parts(trained: Trained, name: str) -> None:
    if not OFFICIAL.is_dir():
        pytest.skip("../shared is not there")
    said = trained.world.run("parity", "smoke", "--chat-template", str(OFFICIAL / name), "--json")
    assert said.code == 5, said.err
    first = envelope(said.out)["data"]["first_difference"]
    assert first["training_id"] != first["served_id"]
    assert first["training_text"] != first["served_text"]


def test_parity_holds_for_the_shipped_template(trained: Trained) -> None:
    said = trained.world.run("parity", "smoke", "--json")
    assert said.code == 0, said.err
    counts = envelope(said.out)["data"]["numbers"]
    assert counts.get("equal", 0) > 60
    assert not counts.get("differs", 0)


@pytest.mark.soak
def test_sft_refuses_to_train_on_a_difference(trained: Trained) -> None:
    """A pairing that was edited by one newline is found before a step is trained."""
    project = trained.world.project
    jinja = project / "chat_templates" / "deepseekr1-on-keep.jinja"
    pairing, whole = jinja.with_suffix(".yaml"), jinja.read_text(encoding="utf-8")
    recorded = pairing.read_text(encoding="utf-8")
    try:
        jinja.write_text(whole + "\n{{ ' ' }}", encoding="utf-8")
        import hashlib

        digest = hashlib.sha256(jinja.read_bytes()).hexdigest()
        lines = [f"sha256: {digest}" if line.startswith("sha256") else line for line in recorded.splitlines()]
        pairing.write_text("\n".join(lines) + "\n", encoding="utf-8")
        said = trained.world.run("sft", "smoke")
    finally:
        jinja.write_text(whole, encoding="utf-8")
        pairing.write_text(recorded, encoding="utf-8")
    assert said.code == 5
    assert "REFUTED" in said.out
    assert "train" not in [line.split()[1] for line in said.err.splitlines() if line.startswith("  ✓")]


def test_a_page_of_models(trained: Trained) -> None:
    """`conch ls` knows the finished run."""
    listed = envelope(trained.world.run("ls", "--json").out)["data"]
    assert any(run["stages"].get("report") == "done" for run in listed["runs"])
