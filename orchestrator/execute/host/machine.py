"""This machine: hardware profile, cores, memory, disk, system libraries.

Linux. Values that cannot be read count as absent. Container limits are respected where cgroup v2 shows them.
"""

from __future__ import annotations

import os
from pathlib import Path

# Libraries that wheels link to and do not bundle: (environment, hardware) → {library: how to install it}.
LIBRARIES: dict[tuple[str, str], dict[str, str]] = {
    ("serve", "cpu"): {
        "libnuma.so.1": "apt install libnuma1 (Debian, Ubuntu) or dnf install numactl-libs (Fedora, RHEL)"
    },
}
FEW_CORES = 8
_NVIDIA = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))
_CGROUP = Path("/sys/fs/cgroup")


def hardware() -> str:
    """The profile of this machine: "cuda" with an NVIDIA driver, otherwise "cpu". Starts no process."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in {"", "-1"}:
        return "cpu"
    return "cuda" if any(path.exists() for path in _NVIDIA) else "cpu"


def profile(choice: str) -> str:
    """A `--hardware` choice with auto replaced by what this machine is."""
    return hardware() if choice == "auto" else choice


def bound_cores() -> str:
    """The cores to bind a thread to each, as a server's {cores} symbol: "0,1", "auto" or "nobind".

    "auto" with many cores: the engine knows NUMA nodes and hyperthreads, and can spare one core. "nobind" in
    a container whose quota is below the number of visible cores.
    """
    visible = sorted(os.sched_getaffinity(0))
    if cores() < len(visible):
        return "nobind"
    return "auto" if len(visible) > FEW_CORES else ",".join(map(str, visible))


def has_library(name: str) -> bool:
    """Whether the dynamic loader finds a shared library."""
    import ctypes

    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def missing_libraries(environment: str, profile: str) -> dict[str, str]:
    """Library → how to install it, for those that an environment needs and this machine lacks."""
    needed = LIBRARIES.get((environment, profile), {})
    return {name: hint for name, hint in needed.items() if not has_library(name)}


def glibc() -> tuple[int, ...]:
    """The version of glibc; () with another C library, which cannot run manylinux wheels."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (ValueError, OSError):
        return ()
    return tuple(int(part) for part in version.split(".")) if name == "glibc" else ()


def cores() -> int:
    """Cores that this process may use: its affinity, limited by a container's quota; at least 1."""
    mine = len(os.sched_getaffinity(0))
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        return max(1, min(mine, int(quota) // int(period)))
    return mine


def memory_gb() -> float:
    """Memory in GB that this process may use, limited by a container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read(_CGROUP / "memory.max")
    return min(total, int(limit)) / 1e9 if limit.isdigit() else total / 1e9


def free_gb(folder: Path) -> float:
    """Free disk space in GB where a folder is or will be."""
    import shutil

    existing = folder.absolute()
    while not existing.is_dir():
        existing = existing.parent
    return shutil.disk_usage(existing).free / 1e9


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
