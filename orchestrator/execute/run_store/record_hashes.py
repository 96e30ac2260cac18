"""record_hashes: what a model was just trained from, hashed and written down; the last command of training.

Every hash is of the bytes that lie there, never the manifest's: a shard that was swapped behind its manifest
would be trusted otherwise. That costs one reading of the base, about two seconds a GB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host.atomic_files import read_json, read_text, sha256_file, write_durable
from orchestrator.execute.models.model_folder import MANIFEST
from orchestrator.proofs.hashes import ADAPTER, BASE, GENERATION, SETTINGS, TEMPLATE, ModelHashes, matters

_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


def record_hashes(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the lock.

    Args:
        settings: base (the model folder), manifest (base.json), adapter, chat_template, train_yaml, data (a
            list of files), out: paths in the folder; environments: name → hash of its lock, optional.
        folder: the run folder.

    Raises:
        MissingError: the base, the adapter, the template or the settings are not there.
    """
    lock = survey(settings, folder)
    for prefix, place in ((BASE, "base"), (ADAPTER, "adapter"), (TEMPLATE, "chat_template")):
        if not any(name.startswith(prefix) for name in lock.files):
            where = str(folder / settings[place])
            raise MissingError(Problem("there is nothing to record", where, "run the stage again"))
    text = json.dumps(asdict(lock), ensure_ascii=False, indent=2, sort_keys=True)
    write_durable(folder / settings["out"], text + "\n")
    return 0


def survey(settings: Mapping[str, Any], folder: Path) -> ModelHashes:
    """What lies there now, for the settings of record_hashes; what is missing is left out."""
    base, adapter = folder / settings["base"], folder / settings["adapter"]
    manifest = read_json(folder / settings["manifest"]) or {}
    # The folder's own manifest tells of a link that leads elsewhere now; a folder of the user's has none.
    named = read_json(base / MANIFEST) or manifest
    fetched = {name: str(value) for name, value in dict(manifest.get("files") or {}).items() if matters(name)}
    texts = {TEMPLATE: folder / settings["chat_template"], SETTINGS: folder / settings["train_yaml"]}
    places = {
        **{BASE + path.name: path for path in _files(base)},
        **{ADAPTER + path.name: path for path in _files(adapter)},
        **{name: folder / name for name in settings["data"]},
        **texts,
    }
    return ModelHashes(
        base={name: str(named.get(name) or "") for name in ("name", "source", "revision")},
        fetched=fetched,
        files={name: sha256_file(path) for name, path in sorted(places.items()) if path.is_file()},
        texts={name: text for name, path in texts.items() if (text := read_text(path)) is not None},
        generation=_generation(adapter, base),
        environments=dict(settings.get("environments") or {}),
    )


def _files(folder: Path) -> Iterator[Path]:
    """The files that decide what a model says; checkpoints below the folder are not part of it."""
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if matters(path.name) and path.is_file())


def _generation(adapter: Path, base: Path) -> dict[str, Any]:
    """The generation config that an export will have.

    Training every weight leaves one of its own, with the trainer's special tokens put in; an adapter leaves
    the base's. A base without one gets the special tokens of its config.json (transformers does that).
    """
    for folder in (adapter, base):
        found = read_json(folder / GENERATION)
        if found is not None:
            return found
    config = read_json(base / "config.json") or {}
    return {key: config[key] for key in _SPECIAL if config.get(key) is not None}
