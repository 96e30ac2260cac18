"""What the running server does with a request that names no value, asked of the server itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import StageFailed
from orchestrator.execute.inference.api_key import ServiceAddress
from orchestrator.execute.proving.prove_sampling import prove_sampling, served_sampling
from orchestrator.execute.runner.task import typed
from orchestrator.recipe.sampling import ServedSampling
from tests.fakes.openai_server import FakeServer, Said, openai_server

SETTINGS = {"export": "export", "engine": "vllm", "out": "sampling.json"}
R1 = {"temperature": 0.6, "top_p": 0.95, "top_k": 0, "repetition_penalty": 1.0}


def proven(server: FakeServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, Any]]:
    monkeypatch.setenv("CONCH_SERVICE_URL", server.url)
    monkeypatch.setenv("CONCH_SERVICE_MODEL", "conch")
    code = prove_sampling(typed(prove_sampling, SETTINGS), folder)
    return code, json.loads((folder / "sampling.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "export").mkdir()
    text = json.dumps({"do_sample": True, "temperature": 0.6, "top_p": 0.95})
    (tmp_path / "export/generation_config.json").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_server_has_the_exports_sampling(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with openai_server(lambda _: Said(""), sampling=dict(R1)) as server:
        assert proven(server, folder, monkeypatch) == (0, proven(server, folder, monkeypatch)[1])
        assert server.requests == [], "nothing is generated"


def test_fault_161_a_server_with_vllms_own_default_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with openai_server(lambda _: Said(""), sampling=R1 | {"temperature": 1.0, "top_p": 1.0}) as server:
        code, proof = proven(server, folder, monkeypatch)
    assert (code, proof["holds"]) == (5, False)
    assert proof["detail"] == "temperature is 1, the export has 0.6; top_p is 1, the export has 0.95"
    assert proof["detail_zh"].startswith("temperature 是 1")


def test_a_server_that_does_not_show_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with openai_server(lambda _: Said("")) as server:
        with pytest.raises(StageFailed, match="does not show how it samples"):
            proven(server, folder, monkeypatch)
        assert served_sampling(ServiceAddress(server.url, "conch"), "vllm") is None
        assert served_sampling(ServiceAddress(server.url, "conch"), "another engine") is None
    assert served_sampling(ServiceAddress("http://127.0.0.1:9/v1", "conch"), "vllm") is None


def test_what_verify_learns_of_a_server() -> None:
    with openai_server(lambda _: Said(""), sampling=R1 | {"top_k": -1}) as server:
        found = served_sampling(ServiceAddress(server.url, "conch"), "vllm")
    assert found == ServedSampling(temperature=0.6, top_p=0.95)
