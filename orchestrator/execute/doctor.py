"""What `conch doctor` examines: one finding per line, with the command that fixes it. Changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import MissingError
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.environments.minimum_versions import below_floor
from orchestrator.execute.host import gpu, machine, ports
from orchestrator.execute.host.paths import conch_home
from orchestrator.execute.models import demo_model
from orchestrator.execute.processes.confinement import confinement

GLIBC = (2, 31)  # the newest that a wheel in environments/*.txt requires (llguidance)
CUDA_DRIVER = 580  # the first driver branch that supports CUDA 13, with which the pinned torch is built
ROOM_GB = 5.0
MEMORY_GB = 6.0
SERVE_PORT = 8000


class Condition(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: a stable id, how much it matters, what was found, and how to fix it."""

    id: str
    status: Condition
    what: str
    hint: str = ""


def examine(hardware: str) -> list[Finding]:
    """Examine everything that a run on this hardware profile needs; never raise for what is missing."""
    looks: tuple[Callable[[str], Iterator[Finding]], ...] = (
        *(_python, _uv, _libraries, _glibc, _gpu, _disk, _memory),
        *(_environments, _embedded, _port, _network),
    )
    return [finding for look in looks for finding in look(hardware)]


def _python(_: str) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    fits = sys.version.startswith(uv.PYTHON + ".")
    what = (
        f"Python {version}" if fits else f"Python {version}; the environments use {uv.PYTHON}, which uv finds"
    )
    yield Finding("python", Condition.OK if fits else Condition.NOTE, what)


def _uv(_: str) -> Iterator[Finding]:
    try:
        yield Finding("uv", Condition.OK, uv.find())
    except MissingError as error:
        yield Finding("uv", Condition.MISSING, error.problems[0].what, error.problems[0].hint)


def _libraries(hardware: str) -> Iterator[Finding]:
    for name in registry.NAMES:
        missing = machine.missing_libraries(name, hardware)
        for library in machine.LIBRARIES.get((name, hardware), {}):
            gone = library in missing
            what = f"{library} is missing; the {name} environment needs it" if gone else library
            status = Condition.MISSING if gone else Condition.OK
            yield Finding(f"library:{library}", status, what, missing.get(library, ""))


def _glibc(_: str) -> Iterator[Finding]:
    found = machine.glibc()
    wanted = ".".join(str(part) for part in GLIBC)
    if found >= GLIBC:
        yield Finding("glibc", Condition.OK, f"glibc {'.'.join(str(part) for part in found)}")
        return
    seen = f"glibc {'.'.join(str(part) for part in found)}" if found else "no glibc"
    yield Finding(
        "glibc", Condition.MISSING, f"{seen}; the engines' wheels need {wanted}", "use a newer Linux"
    )


def _gpu(hardware: str) -> Iterator[Finding]:
    if hardware != "cuda":
        yield Finding("hardware", Condition.OK, f"profile {hardware}, {machine.cores()} cores")
        return
    cards = gpu.gpus()
    if not cards:
        hint = "install the NVIDIA driver, or use --hardware cpu"
        yield Finding("gpu", Condition.MISSING, "nvidia-smi lists no GPU", hint)
    for number, card in enumerate(cards):
        major = card.driver.partition(".")[0]
        old = major.isdigit() and int(major) < CUDA_DRIVER
        what = f"{card.name}, {card.memory_mib} MiB, driver {card.driver}"
        hint = f"install driver {CUDA_DRIVER} or newer: the engines are built with CUDA 13" if old else ""
        yield Finding(f"gpu:{number}", Condition.MISSING if old else Condition.OK, what, hint)


def _disk(_: str) -> Iterator[Finding]:
    home, free = conch_home(), machine.free_gb(conch_home())
    what = f"{free:.1f} GB free at {home}"
    if free >= ROOM_GB:
        yield Finding("disk", Condition.OK, what)
        return
    hint = "free space, or set CONCH_HOME to another disk"
    yield Finding(
        "disk", Condition.WARNING, f"{what}; two environments and a run take about {ROOM_GB:.0f} GB", hint
    )


def _memory(_: str) -> Iterator[Finding]:
    memory = machine.memory_gb()
    if memory >= MEMORY_GB:
        yield Finding("memory", Condition.OK, f"{memory:.1f} GB")
        return
    what = f"{memory:.1f} GB; training the embedded base takes about {MEMORY_GB:.0f} GB"
    yield Finding("memory", Condition.WARNING, what, "close other programs, or lower train.batch_size")


def _environments(hardware: str) -> Iterator[Finding]:
    for name in registry.NAMES:
        try:
            folder = registry.require(name, hardware)
        except MissingError as error:
            for problem in error.problems:
                yield Finding(f"environment:{name}", Condition.MISSING, problem.what, problem.hint)
        else:
            yield Finding(f"environment:{name}", Condition.OK, str(folder))
    for name in registry.OPTIONAL:
        folder = registry.environment_folder(name, hardware)
        if registry.is_ready(folder):
            older = "; ".join(below_floor(folder, name))
            yield Finding(
                f"environment:{name}", Condition.NOTE, f"{folder}: {older}" if older else str(folder)
            )


def _embedded(_: str) -> Iterator[Finding]:
    folder = demo_model.embedded_folder()
    if demo_model.is_ready(folder):
        yield Finding("embedded", Condition.OK, str(folder))
    else:
        yield Finding(
            "embedded",
            Condition.NOTE,
            "not created yet; the first run that uses it creates it",
            "conch pull embedded",
        )


def _port(_: str) -> Iterator[Finding]:
    try:
        ports.free_port(ports.LOOPBACK, SERVE_PORT)
    except MissingError as error:
        problem = error.problems[0]
        yield Finding("port", Condition.WARNING, problem.what, problem.hint)
    else:
        yield Finding("port", Condition.OK, f"{SERVE_PORT} is free")


def _network(_: str) -> Iterator[Finding]:
    found = confinement()
    yield Finding("network", Condition.OK if found.way else Condition.NOTE, found.sentence)
