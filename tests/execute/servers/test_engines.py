"""A second serving engine, registered here and chosen by a recipe: served, verified, restarted, stopped.

And no file but vLLM's own speaks its language.
"""
# Covers backends/engines.py backends/serving_engine.py execute/servers/engines/

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import httpx
import pytest

from orchestrator.backends.engines import ENGINES
from orchestrator.cli import main
from orchestrator.execute.host.ports import free_port
from orchestrator.execute.servers import restarts
from orchestrator.execute.servers.engines import SERVERS, Counters, base, server_api, vllm
from orchestrator.execute.servers.liveness import Limits
from orchestrator.execute.serving import serve
from tests.fakes.tiny_engine import TINY_API, Tiny
from tests.small_world import SmallWorld

PACKAGE = Path(__file__).parents[3] / "orchestrator"
TINY = ("--set", "serve.engine=tiny")
KEY = "sk-of-this-test"


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "tiny", Tiny())
    monkeypatch.setitem(SERVERS, "tiny", TINY_API)


def served(small: SmallWorld, *words: str) -> tuple[int, str]:
    port = str(free_port("127.0.0.1", 0))
    done = small.run("serve", "small", *TINY, "--port", port, *words)
    return done.code, done.err


def test_a_second_engine_serves_is_verified_and_is_stopped(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port("127.0.0.1", 0)
    monkeypatch.setenv("CONCH_API_KEY", KEY)
    server = os.fork()
    if server == 0:
        code = 1
        try:
            code = main.run(("serve", "small", *TINY, "--port", str(port)))
        finally:
            os._exit(code)
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, trust_env=False) as client:
        deadline = time.monotonic() + 60
        while not TINY_API.is_up(client):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.get("/v1/models").status_code == 401
    verified = trained.run("verify", "small", "--base-url", f"{url}/v1")
    assert verified.code == 0, verified.out + verified.err
    stopped = trained.run("stop")
    assert (stopped.code, "small" in stopped.out) == (0, True)
    assert os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]) in (0, 143)
    assert trained.processes() == []


def test_a_second_engine_that_dies_is_started_again(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "die-after-ready")
    monkeypatch.setattr(restarts, "DELAYS", (0.1,))
    code, told = served(trained)
    assert (code, told.count("ready in"), told.count("restarting in")) == (4, 2, 1)


def test_a_second_engines_own_counters_show_that_it_hangs(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "wedge-after-ready")
    monkeypatch.setattr(serve, "LIMITS", Limits(look=0.1, stuck=0.5))
    code, told = served(trained, "--set", "serve.restart=never")
    assert code == 7
    assert "1 requests" in told
    assert trained.processes() == []


def test_what_a_second_engine_cannot_do_is_not_proven_and_said(small: SmallWorld) -> None:
    small.write_recipe(("serve: {", "serve: {engine: tiny, "))
    done = small.run("run", "small")
    assert done.code == 0, done.err
    certificate = json.loads((small.last().path / "proof.json").read_text(encoding="utf-8"))
    assert certificate["not_proven"] == ["sampling", "parity:served", "loss"]
    assert certificate["reasons"] == {
        "sampling": "tiny does not log how it samples",
        **dict.fromkeys(("parity:served", "loss"), "tiny does not show token ids"),
    }
    proven = small.run("prove", "small")
    assert "not proven here: tiny does not show token ids" in proven.out
    chat = small.run("chat", "small", "--checkpoint", "last")
    assert (chat.code, "tiny serves merged models only" in chat.err) == (3, True)
    assert small.processes() == []


def test_an_unknown_engine_is_named_with_the_nearest(small: SmallWorld) -> None:
    done = small.run("plan", "small", "--set", "serve.engine=tinyy")
    assert done.code == 2
    assert 'no engine named "tinyy"; did you mean "tiny"?' in done.err


def test_a_reasoning_parser_for_an_engine_without_any_is_refused(small: SmallWorld) -> None:
    done = small.run("plan", "small", *TINY, "--set", "serve.reasoning_parser=qwen3")
    assert (done.code, "tiny has no reasoning parsers" in done.err) == (2, True)


def test_an_engine_without_an_acting_half_is_read_as_any_openai_server() -> None:
    assert server_api("another") is base
    assert server_api("vllm") is vllm
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        assert base.counters(client) == Counters()


# vLLM's own files: its two halves, its options, the probes that call its functions, the parser that it loads.
OF_VLLM = {
    "backends/vllm.py",
    "backends/options/vllm.py",
    "backends/options/table.py",  # an example in a docstring
    "execute/servers/engines/vllm.py",
    *(
        f"probes/{name}.py"
        for name in ("engines/warm_vllm", "engines/answer_parser", "serving_ids", "stop_ids", "tokens")
    ),
}
FLAGS = (
    "served-model-name|enable-lora|max-lora|lora-modules|reasoning-parser|enforce-eager|max-model-len"
    "|gpu[-_]memory[-_]utilization|tool-call-parser|enable-auto-tool-choice|skip-tokenizer-init|max-num-seqs"
)
SPOKEN = re.compile(rf"VLLM_[A-Z]|vllm:[a-z]+_|(?:{FLAGS})", re.ASCII)


def test_no_other_file_speaks_vllms_language() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    assert files.keys() >= OF_VLLM
    found = {name: SPOKEN.findall(path.read_text(encoding="utf-8")) for name, path in files.items()}
    assert not {name: words for name, words in found.items() if words and name not in OF_VLLM}
    silent = {"probes/engines/warm_vllm.py", "probes/engines/answer_parser.py"}
    assert all(found[name] for name in OF_VLLM - silent)


def test_only_the_tables_name_an_engine() -> None:
    imports = re.compile(r"^(?:from|import) (?!orchestrator\.backends\.options)[^\n]*\bvllm\b", re.MULTILINE)
    tables = {"backends/engines.py", "execute/servers/engines/__init__.py"}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("probes/") and name not in tables:
            assert not imports.search(path.read_text(encoding="utf-8")), name
