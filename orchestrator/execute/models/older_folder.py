"""A model folder as transformers 4 reads it, beside the model itself, which does not change.

transformers 5 saves what 4 does not look for, and 4 then takes its defaults without a word: rope_theta (in
rope_parameters), dtype and the tokenizer's class. Only what a training reads is linked: safetensors, the
tokenizer and the chat template. That both versions compute the same is proven before training
(proofs/environment.py). Not covered: rope parameters that differ between layers.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from orchestrator.errors import Problem, UsageError
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.models.tokenizer_folder import CONFIG, read_object

MODEL = "config.json"
_LINKED = (".safetensors", ".json", ".jinja", ".model", ".txt")
_CLASS, _NEWER = "PreTrainedTokenizerFast", "TokenizersBackend"


def write_older(source: Path, target: Path) -> None:
    """Make the folder `target`: relative links to the files of `source`, and two files written anew.

    Raises:
        UsageError: transformers 4 has no words for the configuration.
    """
    target.mkdir(parents=True)
    written = {MODEL: older_config(source / MODEL), CONFIG: older_tokenizer(source / CONFIG)}
    for name, values in written.items():
        write_durable(target / name, json.dumps(values, ensure_ascii=False, indent=2) + "\n")
    for path in sorted(source.iterdir()):
        if path.suffix in _LINKED and path.name not in written and path.is_file():
            (target / path.name).symlink_to(os.path.relpath(source / path.name, target))


def older_config(path: Path) -> dict[str, object]:
    """config.json in the words of transformers 4."""
    config = read_object(path)
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    rope = config.get("rope_parameters")
    if isinstance(rope, dict):
        if any(isinstance(value, dict) for value in rope.values()):
            what = "its rope parameters differ between layers, for which transformers 4 has no words"
            raise UsageError(Problem(what, str(path), "choose another base, or another train.kind"))
        kept = {key: value for key, value in rope.items() if key != "rope_theta"}
        if "rope_theta" in rope:
            config["rope_theta"] = rope["rope_theta"]
        if kept.get("rope_type", "default") != "default":
            config["rope_scaling"] = kept
    return config


def older_tokenizer(path: Path) -> dict[str, object]:
    """tokenizer_config.json in the words of transformers 4."""
    config = read_object(path)
    if config.get("tokenizer_class") == _NEWER:
        config["tokenizer_class"] = _CLASS
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return config
