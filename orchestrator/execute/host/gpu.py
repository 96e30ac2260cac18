"""GPUs, and the processes that hold their memory, as nvidia-smi reports them; none without it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

SECONDS = 10


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver names it."""

    name: str
    driver: str
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A process with memory on a GPU, in MiB."""

    pid: int
    name: str
    mib: int

    def __str__(self) -> str:
        return f"{self.pid} ({self.name}, {self.mib} MiB)"


@dataclass(frozen=True, slots=True)
class Load:
    """Memory in MiB and utilisation in percent of a GPU; -1 where it is not reported."""

    name: str
    used_mib: int
    total_mib: int
    percent: int


def gpus() -> list[Gpu]:
    """The GPUs of this machine."""
    rows = _query("--query-gpu=name,driver_version,memory.total", 3)
    return [Gpu(name, driver, int(memory) if memory.isdigit() else 0) for name, driver, memory in rows]


def holders() -> list[Holder]:
    """Every process with memory on a GPU, most memory first; not those of other containers."""
    rows = _query("--query-compute-apps=pid,process_name,used_memory", 3)
    found = [
        Holder(int(pid), name.rpartition("/")[2], int(mib) if mib.isdigit() else 0)
        for pid, name, mib in rows
        if pid.isdigit()
    ]
    return sorted(found, key=lambda one: -one.mib)


def still_held(pids: list[int]) -> list[Holder]:
    """Those of these processes that still hold memory after they were stopped."""
    return [one for one in holders() if one.pid in pids]


def loads(seconds: float = SECONDS) -> list[Load]:
    """The load of every GPU, whoever uses it."""
    rows = _query("--query-gpu=name,memory.used,memory.total,utilization.gpu", 4, seconds)
    return [Load(row[0], *(int(cell) if cell.isdigit() else -1 for cell in row[1:])) for row in rows]


def _query(query: str, columns: int, seconds: float = SECONDS) -> list[list[str]]:
    argv = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=seconds, check=True, encoding="utf-8")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == columns]
