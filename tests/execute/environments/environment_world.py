"""A world of its own for environments: tiny packages instead of engines, a fake uv for the real one."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.execute.environments import registry
from orchestrator.execute.host.atomic_files import sha256_file

# What a fake uv does, in Python: `words` are its arguments, `log` gets a line a call.
_FAKE = """#!{python}
import json, os, sys, time
from pathlib import Path
words = sys.argv[1:]
with open({log!r}, "a", encoding="utf-8") as log:
    log.write(json.dumps([os.getpid(), *words]) + "\\n")
def venv():
    programs = Path(words[-1]) / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to({python!r})
{body}
"""


@dataclass(frozen=True)
class World:
    """Where a test's environments are made from and lie, and the lines that a fake uv was called with."""

    sources: Path
    home: Path
    log: Path

    def calls(self) -> list[str]:
        """The argument lists of every call of the fake uv, oldest first."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


def make_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Requirement files without packages, and no network for anyone."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in (*registry.NAMES, *registry.OPTIONAL):
        for hardware in registry.PROFILES:
            (sources / f"{name}-{hardware}.txt").write_text("# nothing\n", encoding="utf-8")
    for name in registry.BENCHES:
        (sources / f"{name}-{registry.ANY}.txt").write_text("# nothing\n", encoding="utf-8")
    monkeypatch.setattr(registry, "SOURCES", sources)
    monkeypatch.setattr(registry, "SHIMS", dict.fromkeys(registry.SHIMS, ()))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))  # uv looks there for Pythons
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    return World(sources, Path(os.environ["CONCH_HOME"]), tmp_path / "uv.log")


def fake_uv(
    world: World, monkeypatch: pytest.MonkeyPatch, body: str = "if words[0] == 'venv': venv()"
) -> Path:
    """Put a fake uv in the real one's place."""
    program = world.log.with_name("fake-uv")
    program.write_text(_FAKE.format(python=sys.executable, log=str(world.log), body=body), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("CONCH_UV", str(program))
    return program


def package(folder: Path, name: str, version: str = "1.0") -> Path:
    """The source of a package with one module, as shims are."""
    module = folder / "src" / name
    module.mkdir(parents=True)
    (module / "__init__.py").write_text(f'"""{name}."""\n\nWHO = "{name}"\n', encoding="utf-8")
    text = f"""
[build-system]
requires = ["uv_build>=0.9"]
build-backend = "uv_build"

[project]
name = "{name}"
version = "{version}"
requires-python = ">=3.11"
scripts = {{ {name}-says = "{name}:WHO.strip" }}
"""
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def wheelhouse(folder: Path, run: Callable[..., None], *names: str) -> str:
    """Build wheels of tiny packages; returns the requirement lines, hashed."""
    lines = []
    for name in names:
        source = package(folder.with_name(f"source-{name}"), name)
        run(["build", "--wheel", "--offline", "--out-dir", str(folder), str(source)], folder=source.parent)
        wheel = next(folder.glob(f"{name}-*.whl"))
        lines.append(f"{name}==1.0 --hash={sha256_file(wheel)}")
        shutil.rmtree(source)
    return "\n".join(lines) + "\n"


def site_packages(environment: Path) -> Path:
    """Where an environment's modules lie."""
    version = sysconfig.get_python_version()
    return environment / "lib" / f"python{version}" / "site-packages"
