"""Whether this machine can run commands without network, found out by trying; and the argv that does it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from orchestrator.execute.host import gpu
from orchestrator.execute.processes import no_network
from orchestrator.results import Sentence

_LEAVE = (sys.executable, "-I", "-S", no_network.__file__)
_SECONDS = 30
_ZH = {no_network.ROOT: "网络命名空间", no_network.USER: "用户命名空间", no_network.FILTER: "seccomp"}
_DEVICES = Path("/dev")


@dataclass(frozen=True, slots=True)
class Confinement:
    """Whether commands can run without network here.

    Attributes:
        way: how (no_network.py); "" if they cannot.
        reason: why not; "" if they can.
        attempts: what was tried to get out → how it failed.
    """

    way: str = ""
    reason: str = ""
    attempts: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> Sentence:
        """What a run, its report and doctor say."""
        if not self.way:
            return Sentence(
                f"engines keep the network, because it cannot be taken from them here: {self.reason}",
                f"引擎未与网络隔离，本机做不到：{self.reason}",
            )
        return Sentence(
            f"training, export and token probes run without network ({self.way}): "
            f"{len(self.attempts)} attempts to get out failed",
            f"训练、导出与 token 探针在无网络环境中运行（{_ZH[self.way]}）："
            f"{len(self.attempts)} 次外连尝试均失败",
        )


def confined(argv: Sequence[str]) -> tuple[str, ...]:
    """The argv that runs a command without network; the same argv where that is not possible."""
    way = confinement().way
    return (*_LEAVE, way, *argv) if way else tuple(argv)


@cache
def confinement() -> Confinement:
    """Try the ways in turn, each in a process of its own, once per process."""
    reasons = []
    for way in no_network.WAYS:
        attempts, reason = _try(way)
        if not reason:
            return Confinement(way, "", attempts)
        reasons.append(f"{way}: {reason}")
    return Confinement(reason="; ".join(reasons))


def _try(way: str) -> tuple[Mapping[str, str], str]:
    """What was tried to get out, and why the way does not do; "" if it does."""
    if reason := _lost(way):
        return {}, reason
    argv = [*_LEAVE, way]
    try:
        done = subprocess.run(argv, env={}, capture_output=True, timeout=_SECONDS, check=False, text=True)
        if done.returncode:
            return {}, done.stderr.strip().rpartition("\n")[2].removeprefix("cannot leave the network: ")
        return json.loads(done.stdout), ""
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {}, str(error)


def _lost(way: str) -> str:
    """What commands need that a way would take from them; "" for nothing."""
    driver, memory = _DEVICES / "nvidiactl", _DEVICES / "nvidia-uvm"
    if way != no_network.ROOT and driver.exists() and not memory.exists():
        # The driver makes it at its first use, by a setuid program, which has no effect there.
        return "/dev/nvidia-uvm does not exist yet; nvidia-modprobe -u makes it"
    if way == no_network.FILTER and len(gpu.gpus()) > 1:
        return "training on several GPUs needs loopback, which seccomp forbids as well"
    return ""
