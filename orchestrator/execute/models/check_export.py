"""check_export: an export is complete safetensors, shaped like its base, before it takes its name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.models.model_folder import check_complete, tensors_of

STAND_IN_NOTE = """---
license: apache-2.0
---
# A stand-in, not a DeepSeek model

This model was fine-tuned by Conch from SmolLM2-135M-Instruct, dressed in DeepSeek-R1's special tokens
and chat format so that the whole path runs on a CPU. It shows that the path works. It says nothing of how a
DeepSeek model would answer.
"""


def check_export(settings: Mapping[str, Any], folder: Path) -> int:
    """Check the export folder and put the proven chat template in it.

    Settings:
        export, base, chat_template: run-relative paths; stand_in: whether the base is the embedded one.

    Raises:
        MissingError: a file is missing or cut short.
        StageFailed: it holds other tensors than the base, or a tokenizer configuration that is none.
    """
    export, base = folder / settings["export"], folder / settings["base"]
    check_complete(export)
    problems = compare_tensors(tensors_of(base), tensors_of(export))
    if problems:
        hint = "look into logs/export.log; `conch run` exports again"
        raise StageFailed(*(Problem(what, where=str(settings["export"]), hint=hint) for what in problems[:5]))
    # LLaMA-Factory saves the base's own template, which is not the one that was trained (docs/parity.md).
    shutil.copyfile(folder / settings["chat_template"], export / "chat_template.jinja")
    _forget_template(export / "tokenizer_config.json")
    if settings["stand_in"]:
        (export / "README.md").write_text(STAND_IN_NOTE, encoding="utf-8")
    return 0


def compare_tensors(base: Mapping[str, tuple[int, ...]], export: Mapping[str, tuple[int, ...]]) -> list[str]:
    """What is missing or misshapen in an export, one sentence each; names and shapes alone.

    A tied output head may be stored on either side only, and a resized vocabulary changes the first
    dimension of the two embeddings.
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


def _forget_template(path: Path) -> None:
    """Drop a chat template that tokenizer_config.json carries beside ours, so that only one is left."""
    if not path.is_file():
        return
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        carried = config.pop("chat_template", None)
    except (ValueError, AttributeError, TypeError):
        raise StageFailed(Problem("cannot be read", where=str(path), hint="export again")) from None
    if carried is not None:
        path.write_text(json.dumps(config, ensure_ascii=False, indent=2), encoding="utf-8")
