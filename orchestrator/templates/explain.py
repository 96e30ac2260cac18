"""Why a served prompt differs from the trained one, in one sentence, and the setting that fixes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.templates.causes import PAIRED, RULES, Sentence
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.sides import Difference, PromptDiff, Training, is_unreachable

__all__ = ["PAIRED", "Difference", "Training", "explain", "explain_round_trip", "is_unreachable"]

PIN = (
    "pin the {name} environment's transformers to a version that loads this tokenizer rightly (for"
    " DeepSeek-R1-Distill-Qwen 5.5.x does, 5.6.0 to 5.7.0 do not), or set"
    ' "tokenizer_class": "PreTrainedTokenizerFast" in a copy of the model\'s tokenizer_config.json'
)


def explain(difference: Difference, training: Training, pieces: tuple[Pieces, Pieces]) -> Sentence:
    """(explanation, fix) of a difference."""
    sides = PromptDiff.of(difference, training.bos, pieces)
    return next(found for rule in RULES if (found := rule(difference, training, sides)))


def explain_round_trip(train: Mapping[str, Any], serve: Mapping[str, Any]) -> Sentence:
    """(explanation, fix) when a probe's header tells of a tokenizer that does not give back its input.

    ("", "") when both tokenizers do.
    """
    for name, header in (("train", train), ("serve", serve)):
        failures = header["round_trip"]["failures"]
        if failures:
            first, version = failures[0], header["versions"].get("transformers", "?")
            harm = "trained on" if name == "train" else "asked"
            sentence = (
                f"the {name} environment's tokenizer ({header['tokenizer']}, transformers {version}) reads"
                f" {first['text']!r} as {first['decoded']!r}: the model would be {harm} something else than"
                " what was written"
            )
            return sentence, PIN.format(name=name)
    return "", ""
