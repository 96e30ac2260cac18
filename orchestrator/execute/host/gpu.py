"""Who holds a GPU's memory, as nvidia-smi tells; nothing where there is none. Reported, never killed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

_ASKED = ["nvidia-smi", "--query-compute-apps=pid,process_name,used_memory", "--format=csv,noheader,nounits"]
_LOOKED = [
    "nvidia-smi",
    "--query-gpu=name,memory.used,memory.total,utilization.gpu",
    "--format=csv,noheader,nounits",
]
SECONDS = 10


@dataclass(frozen=True, slots=True)
class Holder:
    """A process with memory on a GPU, in MiB."""

    pid: int
    name: str
    mib: int

    def __str__(self) -> str:
        return f"{self.pid} ({self.name}, {self.mib} MiB)"


def holders() -> list[Holder]:
    """Every process with memory on a GPU, most memory first; [] where nvidia-smi does not answer.

    Inside a container other containers' processes are not seen.
    """
    found = [
        Holder(int(row[0]), row[1].rpartition("/")[2], int(row[2]) if row[2].isdigit() else 0)
        for row in _rows(_ASKED, SECONDS)
        if len(row) == 3 and row[0].isdigit()  # noqa: PLR2004  the three columns that were asked for
    ]
    return sorted(found, key=lambda one: -one.mib)


@dataclass(frozen=True, slots=True)
class Load:
    """How full and how busy a GPU is: MiB, and percent of the last second; -1 where it does not say."""

    name: str
    used_mib: int
    total_mib: int
    percent: int


def loads(seconds: float = SECONDS) -> list[Load]:
    """Every GPU of this machine, whoever uses it; [] where nvidia-smi does not answer in time."""
    return [
        Load(row[0], *(int(cell) if cell.isdigit() else -1 for cell in row[1:]))
        for row in _rows(_LOOKED, seconds)
        if len(row) == 4  # noqa: PLR2004  the four columns that were asked for
    ]


def still_held(pids: list[int]) -> list[Holder]:
    """Those of these processes that still hold memory: a stop that left some did not end."""
    return [one for one in holders() if one.pid in pids]


def _rows(argv: list[str], seconds: float) -> list[list[str]]:
    try:
        done = subprocess.run(argv, capture_output=True, timeout=seconds, check=True, encoding="utf-8")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
