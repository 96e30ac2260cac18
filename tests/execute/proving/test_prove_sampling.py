"""What the running server does with a request that names no value, in its own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.vllm import defaults, sampling
from orchestrator.execute.proving.prove_sampling import prove_sampling
from orchestrator.execute.runner.task import typed
from orchestrator.recipe.sampling import ServedSampling

SETTINGS = {"export": "export", "engine": "vllm", "out": "sampling.json"}
URL = "http://127.0.0.1:8123"
# As vLLM 0.32 writes them (config/model.py, entrypoints/launchers/api_server/entry.py).
SAID = (
    "(APIServer pid=1) WARNING 11-30 21:00:20 [model.py:1901] Default vLLM sampling parameters have been "
    "overridden by the model's `generation_config.json`: `{{'repetition_penalty': 1, 'temperature': {}, "
    "'top_k': 0, 'top_p': 0.95}}`. If this is not intended, please relaunch vLLM instance with "
    "`--generation-config vllm`.\n"
)
VERSION = "(APIServer pid=1) INFO 11-30 21:00:10 [utils.py:1] vLLM API server version 0.32.0\n"
READY = f"(APIServer pid=1) INFO 11-30 21:00:29 [entry.py:140] Starting vLLM server on {URL}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "export").mkdir()
    (tmp_path / "logs").mkdir()
    text = json.dumps({"do_sample": True, "temperature": 0.6, "top_p": 0.95})
    (tmp_path / "export/generation_config.json").write_text(text, encoding="utf-8")
    monkeypatch.setenv("CONCH_SERVICE_URL", f"{URL}/v1")
    monkeypatch.setenv("CONCH_SERVICE_MODEL", "conch")
    return tmp_path


def proven(folder: Path, log: str, name: str = "server.log") -> tuple[int, dict[str, Any]]:
    (folder / "logs" / name).write_text(log, encoding="utf-8")
    code = prove_sampling(typed(prove_sampling, SETTINGS), folder)
    return code, json.loads((folder / "sampling.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["server.log", "serve.log"])
def test_the_server_has_the_exports_sampling(folder: Path, name: str) -> None:
    code, proof = proven(folder, VERSION + SAID.format("0.6") + READY, name)
    assert (code, proof["holds"], proof["detail"]) == (0, True, "")
    assert proof["covered"] == "4 values of a request that names none: temperature 0.6, top_p 0.95"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (VERSION + SAID.format("1.0") + READY, "temperature is 1, the export has 0.6"),
        (VERSION + READY, "temperature is 1, the export has 0.6; top_p is 1, the export has 0.95"),
        (VERSION + SAID.format("0.6") + VERSION + READY, "temperature is 1, the export has 0.6"),
        (VERSION + SAID.format("0.6") + READY + VERSION + SAID.format("0.9") + READY, "temperature is 0.9"),
    ],
    ids=["another", "none: vLLM's own", "that of an earlier start", "the last start counts"],
)
def test_fault_161_another_default_is_found(folder: Path, log: str, said: str) -> None:
    code, proof = proven(folder, log)
    assert (code, proof["holds"]) == (5, False)
    assert said in proof["detail"]
    assert proof["detail_zh"].startswith("temperature 是")


@pytest.mark.parametrize("log", ["", VERSION, READY.replace("8123", "8124"), SAID.format("boom(") + READY])
def test_without_the_log_of_this_server_there_is_no_proof(
    folder: Path, capsys: pytest.CaptureFixture[str], log: str
) -> None:
    (folder / "logs/server.log").write_text(log, encoding="utf-8")
    assert prove_sampling(typed(prove_sampling, SETTINGS), folder) == 0
    assert not (folder / "sampling.json").exists()
    assert f"not proven: no log of the server at {URL}" in capsys.readouterr().err


def test_the_words_for_vllm_leave_max_tokens_to_the_file() -> None:
    option, values = sampling(ServedSampling(max_tokens=9))
    assert option == "--override-generation-config"
    assert json.loads(values) == {"temperature": 0, "top_p": 1, "top_k": 0, "repetition_penalty": 1}
    assert defaults(VERSION + SAID.format("0.6") + READY, URL) == {
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 0,
        "repetition_penalty": 1,
    }
