"""fetch: the base model and data files of hubs, as plain folders linked at inputs/, for engines offline."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.execute.host.atomic_files import remove, sha256_file, write_durable
from orchestrator.execute.models.fix_tokenizer import link_corrected
from orchestrator.execute.models.hub import fetch_dataset_file, fetch_model
from orchestrator.execute.models.model_folder import MANIFEST, Manifest, check_complete, hash_files
from orchestrator.execute.models.tokenizer_folder import CONFIG
from orchestrator.plan.stage import partial

EMBEDDED = "embedded"
LOCAL = "local"

Progress = Callable[[str], None]


def fetch(settings: Mapping[str, Any], folder: Path) -> int:
    """Make inputs.partial-0 with base (a link), base.json (its manifest) and data/NAME (links).

    Settings:
        base: "embedded", a hub id, or a folder when hub is "local"; revision, hub.
        tokenizer: "corrected" for a base of links with a tokenizer_config.json that is read rightly.
        datasets: [{"name", "repo", "file", "split", "revision", "hub"}], those that live on a hub; without a
            file, the repository's one data file, or that of the split.

    Raises:
        UsageError, MissingError, TimedOut: as fetch_model and use_local say.
    """
    inputs = folder / partial("inputs")
    remove(inputs)
    base, manifest = find_base(settings, _tell)
    files = {
        row["name"]: _data_file(row, str(settings.get("hardware", "auto")))
        for row in settings.get("datasets", ())
    }
    (inputs / "data").mkdir(parents=True)
    if settings.get("tokenizer") == "corrected":
        link_corrected(base, inputs / "base", lambda path, place: place.symlink_to(path))
        manifest = _with_corrected(manifest, inputs / "base" / CONFIG)
    else:
        (inputs / "base").symlink_to(base, target_is_directory=True)
    write_durable(inputs / "base.json", manifest)
    for name, path in files.items():
        (inputs / "data" / name).symlink_to(path)
    return 0


def _with_corrected(manifest: str, config: Path) -> str:
    found = Manifest(**json.loads(manifest))
    return replace(found, files={**found.files, CONFIG: sha256_file(config)}).to_json()


def find_base(settings: Mapping[str, Any], progress: Progress) -> tuple[Path, str]:
    """The base model's folder on this machine, fetched when need be, and its manifest's text."""
    base, hub, hardware = str(settings["base"]), str(settings["hub"]), str(settings.get("hardware", "auto"))
    if base == EMBEDDED:
        from orchestrator.execute.models.demo_model import ensure_embedded

        folder = ensure_embedded(progress, hardware)
    elif hub == LOCAL:
        folder = use_local(Path(base))
        return folder, Manifest(name=folder.name, source=LOCAL, files=hash_files(folder, progress)).to_json()
    else:
        folder = fetch_model(base, str(settings.get("revision") or ""), hub, progress, hardware=hardware)
    return folder, (folder / MANIFEST).read_text(encoding="utf-8")


def use_local(path: Path) -> Path:
    """A model folder of the user's, proven whole; nothing is ever written into it.

    Raises:
        MissingError: it is not there, or lacks something.
    """
    folder = path.expanduser().absolute()
    check_complete(folder)
    return folder


def _data_file(row: Mapping[str, Any], hardware: str) -> Path:
    revision = str(row.get("revision") or "")
    split = str(row.get("split") or "")
    return fetch_dataset_file(
        row["repo"], row["file"], revision, row["hub"], _tell, split=split, hardware=hardware
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
