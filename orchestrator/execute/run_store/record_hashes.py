"""The task `record_hashes`: hashes everything that a model was trained from; the last command of training.

Every hash is of the present bytes, never from the manifest, because a shard that was replaced after fetching
would be trusted otherwise. That costs one read of the base, about two seconds per GB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host.atomic_files import read_json, read_text, sha256_file, write_durable
from orchestrator.execute.models.model_folder import MANIFEST
from orchestrator.plan.stages.base import HashedPaths
from orchestrator.plan.stages.hashes import RecordHashesSettings
from orchestrator.proofs.hashes import ADAPTER, BASE, GENERATION, SETTINGS, TEMPLATE, ModelHashes, matters

_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


def record_hashes(settings: RecordHashesSettings, folder: Path) -> int:
    """Write the hashes.

    Raises:
        MissingError: the base, the adapter or the template does not exist.
    """
    hashes = survey(settings, folder)
    required = {BASE: settings.base, ADAPTER: settings.adapter, TEMPLATE: settings.chat_template}
    for prefix, path in required.items():
        if not any(name.startswith(prefix) for name in hashes.files):
            where = str(folder / path)
            raise MissingError(Problem("there is nothing to record", where, "run the stage again"))
    text = json.dumps(asdict(hashes), ensure_ascii=False, indent=2, sort_keys=True)
    write_durable(folder / settings.out, text + "\n")
    return 0


def survey(paths: HashedPaths, folder: Path) -> ModelHashes:
    """The present files; missing ones are left out."""
    base, adapter = folder / paths.base, folder / paths.adapter
    manifest = read_json(folder / paths.manifest) or {}
    # If the link was redirected, the folder's own manifest names the new target; a user's folder has none.
    named = read_json(base / MANIFEST) or manifest
    fetched = {name: str(value) for name, value in dict(manifest.get("files") or {}).items() if matters(name)}
    texts = {TEMPLATE: folder / paths.chat_template, SETTINGS: folder / paths.train_yaml}
    files = {
        **{BASE + path.name: path for path in _files(base)},
        **{ADAPTER + path.name: path for path in _files(adapter)},
        **{name: folder / name for name in paths.data},
        **texts,
    }
    return ModelHashes(
        base={name: str(named.get(name) or "") for name in ("name", "source", "revision")},
        fetched=fetched,
        files={name: sha256_file(path) for name, path in sorted(files.items()) if path.is_file()},
        texts={name: text for name, path in texts.items() if (text := read_text(path)) is not None},
        generation=_generation(adapter, base),
        environments=dict(paths.environments),
    )


def _files(folder: Path) -> Iterator[Path]:
    """The files that affect a model's output; checkpoints in sub-folders do not."""
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if matters(path.name) and path.is_file())


def _generation(adapter: Path, base: Path) -> dict[str, object]:
    """The generation config that an export will have.

    Full training writes its own, with the trainer's special tokens; an adapter keeps the base's. A base
    without one gets the special tokens of its config.json (transformers does that).
    """
    for folder in (adapter, base):
        found = read_json(folder / GENERATION)
        if found is not None:
            return found
    config = read_json(base / "config.json") or {}
    return {key: config[key] for key in _SPECIAL if config.get(key) is not None}
