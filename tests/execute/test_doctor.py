"""What doctor finds: each thing that can be missing, with the command that fixes it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.execute import doctor
from orchestrator.execute.doctor import Condition, Finding
from orchestrator.execute.environments import build, registry
from orchestrator.execute.host import gpu, machine, ports
from orchestrator.execute.processes.confinement import Confinement
from tests.execute.environments.environment_world import World, fake_uv, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path, monkeypatch)
    fake_uv(world, monkeypatch)
    with socket.socket() as probe:  # whatever this machine serves on 8000 is no business of a test's
        probe.bind((ports.LOOPBACK, 0))
        monkeypatch.setattr(doctor, "SERVE_PORT", probe.getsockname()[1])
    return world


def found(hardware: str = "cpu") -> dict[str, Finding]:
    return {finding.id: finding for finding in doctor.examine(hardware)}


def test_absent_environments_are_missing_and_made_ones_are_not(world: World) -> None:
    assert found()["environment:train"].hint == "conch env sync train --hardware cpu"
    build.sync("train", "cpu", print)
    findings = found()
    assert findings["environment:train"].status is Condition.OK
    assert findings["environment:serve"].status is Condition.MISSING
    assert findings["embedded"].hint == "conch pull embedded"
    assert findings["embedded"].status is Condition.NOTE


def test_a_missing_library_and_a_missing_uv_are_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_library", lambda _: False)
    monkeypatch.setenv("CONCH_UV", "/nonexistent")
    findings = found()
    assert findings["library:libnuma.so.1"].status is Condition.MISSING
    assert "libnuma1" in findings["library:libnuma.so.1"].hint
    assert findings["uv"].status is Condition.MISSING


@pytest.mark.parametrize(
    ("version", "status"), [((2, 31), Condition.OK), ((2, 28), Condition.MISSING), ((), Condition.MISSING)]
)
def test_an_old_or_other_c_library_is_missing_a_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], status: Condition
) -> None:
    monkeypatch.setattr(machine, "glibc", lambda: version)
    assert found()["glibc"].status is status


def test_little_disk_or_memory_is_a_warning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_gb", lambda _: 0.1)
    monkeypatch.setattr(machine, "memory_gb", lambda: 1.0)
    findings = found()
    assert findings["disk"].status is findings["memory"].status is Condition.WARNING
    assert findings["disk"].what.startswith("0.1 GB free")


def test_a_taken_port_is_a_warning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        monkeypatch.setattr(doctor, "SERVE_PORT", server.getsockname()[1])
        assert found()["port"].status is Condition.WARNING
    assert found()["port"].status is Condition.OK


@pytest.mark.parametrize(("way", "status"), [("seccomp", Condition.OK), ("", Condition.NOTE)])
def test_fault_152_doctor_says_whether_engines_leave_the_network(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str, status: Condition
) -> None:
    seen = Confinement(way, "" if way else "Operation not permitted", {"DNS": "no"})
    monkeypatch.setattr(doctor, "confinement", lambda: seen)
    assert (found()["network"].status, found()["network"].what) == (status, seen.sentence)
    assert (way or "Operation not permitted") in seen.sentence


def test_on_cuda_a_gpu_and_its_driver_are_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "gpus", list)
    assert found("cuda")["gpu"].status is Condition.MISSING
    cards = [gpu.Gpu("new", "580.95.05", 80000), gpu.Gpu("old", "535.1", 80000)]
    monkeypatch.setattr(gpu, "gpus", lambda: cards)
    findings = found("cuda")
    assert findings["gpu:0"].status is Condition.OK
    assert findings["gpu:1"].status is Condition.MISSING
    assert "580" in findings["gpu:1"].hint
    assert "library:libnuma.so.1" not in findings


def test_whatever_is_missing_has_a_fix(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_library", lambda _: False)
    monkeypatch.setattr(machine, "glibc", tuple)
    monkeypatch.setattr(gpu, "gpus", list)
    for hardware in registry.PROFILES:
        missing = [finding for finding in doctor.examine(hardware) if finding.status is Condition.MISSING]
        assert missing
        assert all(finding.hint for finding in missing)
