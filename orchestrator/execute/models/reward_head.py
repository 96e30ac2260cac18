"""A reward model as LLaMA-Factory exports it becomes a sequence classification model, which vLLM serves.

The export is a causal language model with value_head.safetensors beside it, which no server reads. Its two
tensors become score.weight and score.bias in a shard of their own, so that the weights are not written again;
config.json names the architecture and says problem_type regression, because vLLM would squash one label with
a sigmoid otherwise. The value head stays, for LLaMA-Factory (reward_model_type: full); the index hides it
from servers. vLLM reads score.bias; transformers does not, so its scores lack that constant.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.models.model_folder import INDEX, read_header

VALUE_HEAD = "value_head.safetensors"
HEAD = "score.safetensors"
NAMES = {"v_head.summary.weight": "score.weight", "v_head.summary.bias": "score.bias"}
_CAUSAL, _SCORING = "ForCausalLM", "ForSequenceClassification"
_HINT = "see logs/export.log; `conch run` exports again"


def make_scoring(export: Path) -> None:
    """Turn an export with a value head into a sequence classification model, in place.

    Raises:
        StageFailed: it has no value head, or its architecture is not that of a causal language model.
    """
    config = json.loads((export / "config.json").read_text(encoding="utf-8"))
    architecture = (config.get("architectures") or [""])[0]
    if not architecture.endswith(_CAUSAL):
        what = f"the architecture {architecture or 'without a name'} is none of a causal language model"
        raise StageFailed(Problem(what, str(export / "config.json"), "choose another base model"))
    _write_head(export)
    _write_index(export)
    config |= {
        "architectures": [architecture.removesuffix(_CAUSAL) + _SCORING],
        "problem_type": "regression",
        "id2label": {"0": "score"},
        "label2id": {"score": 0},
        # transformers scores the last token that is not padding: the end of the answer, where both are one.
        "pad_token_id": None,
    }
    (export / "config.json").write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _write_head(export: Path) -> None:
    """The value head's tensors under their new names; their bytes stay."""
    path = export / VALUE_HEAD
    if not path.is_file():
        raise StageFailed(Problem("the export has no value head, so it scores nothing", str(path), _HINT))
    header = read_header(path)
    if set(header) != set(NAMES):
        what = f"holds {', '.join(sorted(header)) or 'nothing'} instead of {', '.join(NAMES)}"
        raise StageFailed(Problem(what, str(path), _HINT))
    raw = path.read_bytes()
    values = raw[8 + struct.unpack("<Q", raw[:8])[0] :]
    renamed = json.dumps({NAMES[name]: entry for name, entry in header.items()}).encode()
    renamed += b" " * (-len(renamed) % 8)  # the format's alignment
    (export / HEAD).write_bytes(struct.pack("<Q", len(renamed)) + renamed + values)


def _write_index(export: Path) -> None:
    """Index every tensor but the value head's; one that exists gets the head's shard."""
    path, single = export / INDEX, export / "model.safetensors"
    if path.is_file():
        index = json.loads(path.read_text(encoding="utf-8"))
    else:
        shard = export / "model-00001-of-00001.safetensors"
        single.rename(shard)  # it would be read instead of the index
        index = {"metadata": {}, "weight_map": dict.fromkeys(read_header(shard), shard.name)}
    index["weight_map"] |= dict.fromkeys(NAMES.values(), HEAD)
    path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
