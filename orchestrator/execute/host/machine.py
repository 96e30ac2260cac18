"""What this machine is: hardware profile, cores, memory, disk, system libraries, GPU driver.

Linux; what cannot be read counts as absent. Limits that a container sets are honoured where the kernel shows
them (cgroup v2).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# What a wheel links to and no wheel bundles: (environment, hardware) → {library: how people install it}.
LIBRARIES: dict[tuple[str, str], dict[str, str]] = {
    ("serve", "cpu"): {
        "libnuma.so.1": "apt install libnuma1 (Debian, Ubuntu) or dnf install numactl-libs (Fedora, RHEL)"
    },
}
FEW_CORES = 8
_NVIDIA = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver names it."""

    name: str
    driver: str
    memory_mib: int


def hardware() -> str:
    """The profile of this machine: "cuda" where an NVIDIA driver is loaded, else "cpu". Starts no process."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in {"", "-1"}:
        return "cpu"
    return "cuda" if any(path.exists() for path in _NVIDIA) else "cpu"


def profile(choice: str) -> str:
    """A `--hardware` choice with auto replaced by what this machine is."""
    return hardware() if choice == "auto" else choice


def bound_cores() -> str:
    """The cores that this process may use, as vLLM's CPU back end takes them to bind a thread to each: "0,1".

    "auto" where there are many: it knows of NUMA nodes and hyperthreads, and one core that it leaves idle for
    the rest of the server is no loss there. "nobind" where a container may use less than it sees.
    """
    seen = sorted(os.sched_getaffinity(0))
    if cores() < len(seen):
        return "nobind"
    return "auto" if len(seen) > FEW_CORES else ",".join(map(str, seen))


def has_library(name: str) -> bool:
    """Whether the dynamic loader finds a shared library."""
    import ctypes

    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def missing_libraries(environment: str, profile: str) -> dict[str, str]:
    """Library → how to install it, of those that an environment links to and this machine lacks."""
    wanted = LIBRARIES.get((environment, profile), {})
    return {name: hint for name, hint in wanted.items() if not has_library(name)}


def glibc() -> tuple[int, ...]:
    """The version of the C library; () where it is not glibc (wheels for manylinux do not run there)."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (ValueError, OSError):
        return ()
    return tuple(int(part) for part in version.split(".")) if name == "glibc" else ()


def cores() -> int:
    """Cores that this process may use: its affinity, cut by a container's quota; at least 1."""
    mine = len(os.sched_getaffinity(0))
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        return max(1, min(mine, int(quota) // int(period)))
    return mine


def memory_gb() -> float:
    """Memory in GB that this process may use in all, cut by a container's limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read(_CGROUP / "memory.max")
    return min(total, int(limit)) / 1e9 if limit.isdigit() else total / 1e9


def free_gb(folder: Path) -> float:
    """Free disk in GB where a folder is or will be."""
    import shutil

    place = folder.absolute()
    while not place.is_dir():
        place = place.parent
    return shutil.disk_usage(place).free / 1e9


def gpus() -> list[Gpu]:
    """The GPUs that nvidia-smi lists; [] without one, or when it does not answer within 10 s."""
    import subprocess

    argv = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=10, check=True, encoding="utf-8")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    return [Gpu(row[0], row[1], int(row[2]) if row[2].isdigit() else 0) for row in rows if len(row) == 3]  # noqa: PLR2004


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
