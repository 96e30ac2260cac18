"""What this machine is: read from the kernel's files, and absent when they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.execute.host import gpu, machine


def test_the_profile_is_cuda_where_a_driver_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "version"
    monkeypatch.setattr(machine, "_NVIDIA", (driver,))
    assert machine.hardware() == machine.profile("auto") == "cpu"
    driver.touch()
    assert machine.hardware() == machine.profile("auto") == "cuda"
    assert machine.profile("cpu") == "cpu"


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_count_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    monkeypatch.setattr(machine, "_NVIDIA", (tmp_path,))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert machine.hardware() == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert machine.hardware() == "cuda"


def test_a_library_is_there_when_the_loader_finds_it() -> None:
    assert machine.has_library("libc.so.6")
    assert not machine.has_library("libnotthere.so.9")


def test_what_serving_on_a_cpu_links_to_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_library", lambda _: False)
    missing = machine.missing_libraries("serve", "cpu")
    assert "libnuma1" in missing["libnuma.so.1"]
    assert "numactl-libs" in missing["libnuma.so.1"]
    assert machine.missing_libraries("train", "cpu") == machine.missing_libraries("serve", "cuda") == {}


@pytest.mark.parametrize(
    ("quota", "expected"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", 4), ("", 4)]
)
def test_cores_are_cut_by_a_container_s_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text(quota, encoding="utf-8")
    assert machine.cores() == expected


@pytest.mark.parametrize(
    ("seen", "quota", "bound"),
    [({0, 1}, 2, "0,1"), ({5, 2, 3}, 3, "2,3,5"), (set(range(16)), 16, "auto"), ({0, 1, 2, 3}, 2, "nobind")],
)
def test_a_server_s_threads_are_bound_where_the_cores_are_few_and_ours(
    monkeypatch: pytest.MonkeyPatch, seen: set[int], quota: int, bound: str
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: seen)
    monkeypatch.setattr(machine, "cores", lambda: quota)
    assert machine.bound_cores() == bound


def test_memory_is_cut_by_a_container_s_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    whole = machine.memory_gb()
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert machine.memory_gb() == whole > 0
    (tmp_path / "memory.max").write_text("250000000\n", encoding="utf-8")
    assert machine.memory_gb() == 0.25


def test_free_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert machine.free_gb(tmp_path / "a" / "b") == pytest.approx(machine.free_gb(tmp_path), rel=0.01)


def test_the_c_library_has_a_version() -> None:
    assert machine.glibc() == () or machine.glibc() >= (2, 17)


def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")


def test_gpus_are_what_the_driver_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(tmp_path, monkeypatch, "echo 'NVIDIA H200, 580.95.05, 143771'; echo 'NVIDIA H200, 580.95.05, [N/A]'")
    assert gpu.gpus() == [
        gpu.Gpu("NVIDIA H200", "580.95.05", 143771),
        gpu.Gpu("NVIDIA H200", "580.95.05", 0),
    ]


@pytest.mark.parametrize("script", ["exit 9", "echo nonsense", "printf '\\377'"])
def test_a_driver_that_does_not_answer_lists_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    smi(tmp_path, monkeypatch, script)
    assert gpu.gpus() == []
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert gpu.gpus() == []
