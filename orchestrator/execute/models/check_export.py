"""check_export: an export is complete safetensors, shaped like its base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.models.model_folder import (
    check_complete,
    read_generation,
    read_sampling,
    tensors_of,
)
from orchestrator.execute.models.reward_head import make_scoring
from orchestrator.plan.stages.export import CheckExportSettings
from orchestrator.recipe.sampling import GENERATION, generation_of

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
