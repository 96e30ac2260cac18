"""check_export: an export is complete safetensors, shaped like its base."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.models.model_folder import (
    check_complete,
    read_generation,
    read_header,
    read_sampling,
    tensors_of,
)
from orchestrator.execute.models.reward_head import make_scoring
from orchestrator.plan.stages.export import CheckExportSettings
from orchestrator.recipe.sampling import GENERATION, generation_of

BLOCK = 1 << 24
STAND_IN_NOTE = """---
license: apache-2.0
---
# A stand-in, not a DeepSeek model

Conch fine-tuned this model from SmolLM2-135M-Instruct, which was given DeepSeek-R1's special tokens and chat
format so that the whole pipeline runs on a CPU. It shows that the pipeline works. It says nothing about how a
DeepSeek model would answer.
"""


def check_export(settings: CheckExportSettings, folder: Path) -> int:
    """Check the export folder, and put the proven chat template and the recipe's sampling into it."""
    export, base = folder / settings.export, folder / settings.base
    check_complete(export)
    problems = compare_tensors(tensors_of(base), tensors_of(export))
    if problems:
        hint = "see logs/export.log; `conch run` exports again"
        raise StageFailed(*(Problem(what, settings.export, hint) for what in problems[:5]))
    if settings.scores:
        make_scoring(export)
    # LLaMA-Factory saves the base's own template, not the one that was trained (docs/parity.md).
    shutil.copyfile(folder / settings.chat_template, export / "chat_template.jinja")
    _remove_template(export / "tokenizer_config.json")
    _write_sampling(export, base, settings.sampling)
    _untie(export)
    if settings.stand_in:
        (export / "README.md").write_text(STAND_IN_NOTE, encoding="utf-8")
    return 0


def compare_tensors(base: Mapping[str, tuple[int, ...]], export: Mapping[str, tuple[int, ...]]) -> list[str]:
    """How the tensors of an export differ from the base's in name or shape, one sentence each.

    A tied output head may be stored on one side only, and a resized vocabulary changes the first dimension of
    the two embeddings.
    """
    problems = []
    for name, shape in sorted(base.items()):
        head = name.endswith(("lm_head.weight", "embed_tokens.weight"))
        if name not in export:
            if not name.endswith("lm_head.weight"):
                problems.append(f"the export lacks the tensor {name}")
        elif export[name] != shape and not (head and export[name][1:] == shape[1:]):
            problems.append(f"{name} has shape {list(export[name])}, the base has {list(shape)}")
    return problems


def _write_sampling(export: Path, base: Path, given: Mapping[str, float]) -> None:
    """Write the sampling that is served: the base's own, under what the recipe sets.

    An export without the file stays so, for the proof `hashes` to refute.
    """
    if generation := read_generation(export):
        text = json.dumps(generation_of(generation, read_sampling(base, given)), ensure_ascii=False, indent=2)
        (export / GENERATION).write_text(text + "\n", encoding="utf-8")


def _untie(export: Path) -> None:
    """Say in config.json that the head is no longer the embedding table, if training made it another.

    A larger vocabulary and additional modules train both apart, LLaMA-Factory keeps the base's
    `tie_word_embeddings`, and vLLM then drops the head.
    """
    path = export / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    tables = [name for name in tensors_of(export) if name.endswith(("lm_head.weight", "embed_tokens.weight"))]
    if config.get("tie_word_embeddings") and len(tables) > 1:
        first, *others = (_digest_of(export, name) for name in tables)
        if any(other != first for other in others):
            config["tie_word_embeddings"] = False
            path.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _digest_of(export: Path, name: str) -> str:
    """The sha256 of a tensor's bytes."""
    digest = hashlib.sha256()
    for path in export.glob("*.safetensors"):
        header = read_header(path)
        if name not in header:
            continue
        # The values are the end of the file.
        first = path.stat().st_size - max(entry["data_offsets"][1] for entry in header.values())
        start, end = (first + offset for offset in header[name]["data_offsets"])
        with path.open("rb") as file:
            file.seek(start)
            for _ in range(start, end, BLOCK):
                digest.update(file.read(min(BLOCK, end - file.tell())))
    return digest.hexdigest()


def _remove_template(path: Path) -> None:
    """Remove the chat template in tokenizer_config.json, so that only chat_template.jinja is left."""
    if not path.is_file():
        return
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        removed = config.pop("chat_template", None)
    except (ValueError, AttributeError, TypeError):
        raise StageFailed(Problem("cannot read it", where=str(path), hint="export again")) from None
    if removed is not None:
        path.write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")
