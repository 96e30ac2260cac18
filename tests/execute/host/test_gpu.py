"""Who holds a GPU, by a stand-in for nvidia-smi."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.execute.host.gpu import Holder, Load, holders, loads, still_held


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, said: str, *, code: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{said}\nE\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_those_with_most_memory_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "11, /usr/bin/python3, 100\n12, VLLM::EngineCore, 70000\n[N/A], x, 1\n13, y, [N/A]"
    nvidia_smi(tmp_path, monkeypatch, said)
    assert holders() == [
        Holder(12, "VLLM::EngineCore", 70000),
        Holder(11, "python3", 100),
        Holder(13, "y", 0),
    ]
    assert [str(one) for one in still_held([11, 99])] == ["11 (python3, 100 MiB)"]


def test_how_full_and_busy_each_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, monkeypatch, "NVIDIA H100, 1024, 81559, 55\nNVIDIA A2, 3, 15356, [N/A]")
    assert loads() == [Load("NVIDIA H100", 1024, 81559, 55), Load("NVIDIA A2", 3, 15356, -1)]


@pytest.mark.parametrize(("said", "code"), [("", 0), ("no devices were found", 9), ("x,y", 0)])
def test_without_an_answer_nobody_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: int
) -> None:
    nvidia_smi(tmp_path, monkeypatch, said, code=code)
    assert holders() == []
    assert loads() == []


def test_without_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert holders() == []
