"""Tokenizers that are not at hand, stood in for by one that is, with the family's own marks: proxies.

DeepSeek-R1-Distill-Qwen's genuine tokenizer has Qwen's BPE and serves for it; Llama 3's marks are added to
the same; SmolLM2's vocabulary is the embedded base's own. Without the genuine one the embedded base's
tokenizer stands in for every family. What is proven of a proxy is proven of a vocabulary with these marks,
not of the family's own merges.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.probes.run_folder import SHARED

GENUINE = SHARED / "tokenizer-r1-distill-qwen"
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
LLAMA3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>")


@dataclass(frozen=True)
class Family:
    """How a family's tokenizer is stood in for.

    Attributes:
        adds: the marks that are added where they are lacking; bos: "" for none; eos.
        embedded: whether the embedded base's vocabulary is the family's own.
    """

    adds: Sequence[str]
    bos: str
    eos: str
    embedded: bool = False


FAMILIES = {
    "deepseek": Family((), "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "qwen": Family(("<|im_start|>", "<|im_end|>"), "", "<|im_end|>"),
    "llama3": Family(LLAMA3, "<|begin_of_text|>", "<|eot_id|>"),
    "smollm2": Family((), "<|im_start|>", "<|im_end|>", embedded=True),
}
FAMILY_OF = {
    "deepseekr1": "deepseek",
    "deepseek3": "deepseek",
    "llama3": "llama3",
    "smollm2": "smollm2",
    **dict.fromkeys(("qwen", "qwen3", "qwen3_nothink", "chatml"), "qwen"),
}


def stand_ins(embedded: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Family → (its tokenizer's folder, what it is in words); proxies are built in `folder`."""
    genuine = GENUINE if GENUINE.is_dir() else embedded
    found = {}
    for name, family in FAMILIES.items():
        source = embedded if family.embedded else genuine
        if not family.embedded and not family.adds:
            label = "genuine" if source is GENUINE else "stand-in: the embedded base"
            found[name] = (source, label)
            continue
        vocabulary = "DeepSeek-R1-Distill-Qwen's" if source is GENUINE else "the embedded base's"
        found[name] = (_proxy(source, folder / f"proxy-{name}", family), f"proxy: {vocabulary} vocabulary")
    return found


def _proxy(source: Path, folder: Path, family: Family) -> Path:
    folder.mkdir()
    if (source / "config.json").is_file():
        shutil.copy(source / "config.json", folder)
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    first = 1 + max(*ids.values(), *tokenizer["model"]["vocab"].values())
    for number, mark in enumerate((mark for mark in family.adds if mark not in ids), start=first):
        ids[mark] = number
        tokenizer["added_tokens"].append({"id": number, "content": mark} | FLAGS)
    tokenizer["post_processor"] = (
        _adds_bos(family.bos, ids[family.bos]) if family.adds and family.bos else None
    )
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    names = {"bos_token": family.bos, "eos_token": family.eos, "pad_token": family.eos}
    config = {"tokenizer_class": "PreTrainedTokenizerFast"} | {k: v for k, v in names.items() if v}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _adds_bos(token: str, number: int) -> dict[str, object]:
    """The post processor of a tokenizer that puts its first token before every text, as Llama 3's does."""
    first = {"SpecialToken": {"id": token, "type_id": 0}}
    sequence = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    return {
        "type": "TemplateProcessing",
        "single": [first, sequence[0]],
        "pair": [first, sequence[0], first, sequence[1]],
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }
