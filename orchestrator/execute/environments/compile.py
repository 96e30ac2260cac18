"""Compile the lockfiles: `uv pip compile` over environments/*.in, hashed and free of addresses.

The files hold no index address, host or path, so that any mirror can serve them; the hashes protect against a bad
one. The CUDA files are resolved on any Linux machine.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.hubs import embedded

PLATFORM = "x86_64-manylinux_2_31"

_MADE = (
    "# Made by `conch env compile` from {name}.in; do not edit. Python 3.11, Linux x86_64, glibc 2.31 or newer."
)
_CUDA = (
    "# Resolved on a machine without a GPU; its wheels (about 3 GB) are first installed where there is one."
)
_LINE = re.compile(r"[a-z0-9][a-z0-9._-]*==[a-z0-9.+!]+( ; [^/\\]+?)?( --hash=sha256:[0-9a-f]{64})+")

Progress = Callable[[str], None]


def compile_all(progress: Progress) -> list[Path]:
    """Resolve every lockfile anew and replace it, one after another; returns their paths."""
    engines = (*registry.NAMES, *registry.OPTIONAL)
    names = [f"{name}-{hardware}" for name in engines for hardware in registry.PROFILES]
    benches = [f"{name}-{registry.ANY}" for name in registry.BENCHES]
    return [_compile(name, progress) for name in (*names, *benches, embedded.hub.name)]


def _compile(name: str, progress: Progress) -> Path:
    progress(f"resolving {name}")
    hardware = name.rpartition("-")[2]
    file = f"{name}-overrides.txt"
    overrides = [file] if (registry.SOURCES / file).is_file() else []
    with tempfile.TemporaryDirectory(prefix="conch-compile-") as temporary:
        folder = Path(temporary)
        for source in (f"{name}.in", *overrides):
            (folder / source).write_bytes((registry.SOURCES / source).read_bytes())
        uv.run(
            _arguments(name, overrides, hardware),
            folder=folder,
            progress=lambda _: None,  # uv prints every package, as the file does
            purpose=f"resolve {name}.in",
        )
        body = (folder / "out.txt").read_text(encoding="utf-8")
    text = "\n".join([_MADE.format(name=name), *([_CUDA] if hardware == "cuda" else []), body])
    problems = mistakes(text)
    if problems:
        raise MissingError(*(Problem(problem, where=f"environments/{name}.txt") for problem in problems))
    target = registry.SOURCES / f"{name}.txt"
    write_durable(target, text)
    return target


def _arguments(name: str, overrides: Sequence[str], hardware: str) -> list[str]:
    flags = ["--no-deps"] if name == embedded.hub.name else ["--python-platform", PLATFORM]
    flags += [word for source in uv.wheel_sources(hardware) for word in ("--find-links", source)]
    flags += [word for override in overrides for word in ("--overrides", override)]
    return [
        *("pip", "compile", f"{name}.in", "--python-version", uv.PYTHON, "--generate-hashes"),
        *(*uv.no_build(hardware), "--no-header", *flags, "--output-file", "out.txt"),
    ]


def mistakes(text: str) -> list[str]:
    """The lines that are not a pinned version with its hashes: addresses, options, paths, bare names."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\s+", " ", "\n".join(lines) + "\n")
    pins = [line.strip() for line in joined.splitlines() if line.strip()]
    return [f"not a pinned and hashed package: {line[:100]}" for line in pins if not _LINE.fullmatch(line)]

