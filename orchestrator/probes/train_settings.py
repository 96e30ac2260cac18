"""The rendered train.yaml without what a probe must not do: evaluate, log, resume, distribute."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokens import Row, refuse

# Would need data, a cluster, or a finished output folder.
NEUTRAL = {
    "val_size": 0.0,
    "do_train": True,
    "do_eval": False,
    "do_predict": False,
    "predict_with_generate": False,
    "eval_strategy": "no",
    "load_best_model_at_end": False,
    "report_to": "none",
    "plot_loss": False,
}
DROPPED = {"eval_dataset", "deepspeed", "fsdp", "resume_from_checkpoint", "early_stopping_steps"}
# Changes no token id, so that a probe of ids runs on any machine. The dataset cache is the probe's own.
IDS_NEUTRAL = {"bf16": False, "fp16": False, "pure_bf16": False, "streaming": False, "overwrite_cache": False}
IDS_DROPPED = {"tokenized_path", "quantization_bit"}
WHOLE_TEXTS = ("train_on_prompt",)
PACKED = ("packing", "neat_packing")


def model_settings(path: str, scratch: str) -> Row:
    """Settings for a probe that loads the model and measures its loss: precision and quantization stay."""
    return read_settings(path) | {"output_dir": scratch, "stage": "sft"}


def read_settings(path: str) -> Row:
    """Settings for a probe that loads the model of the training's own stage."""
    return _without(_read(path), DROPPED) | NEUTRAL


@contextmanager
def ids_settings(path: str) -> Iterator[Row]:
    """Settings for a probe that only encodes; its dataset cache is temporary."""
    settings = _read(path)
    for key in WHOLE_TEXTS:
        if settings.get(key) and settings["stage"] != "pt":
            what = f"{key} trains whole texts, not answers after prompts: there is no prompt to compare"
            refuse(what, path, f"remove {key} from the recipe's llamafactory section")
    with tempfile.TemporaryDirectory(prefix="conch-ids-") as scratch:
        os.environ["HF_DATASETS_CACHE"] = scratch
        kept = _without(settings, DROPPED | IDS_DROPPED)
        if any(kept.get(key) for key in PACKED) and kept["stage"] == "sft":
            # Rows are put together after they are encoded, each cut one token earlier (data_args.py).
            kept = _without(kept, set(PACKED)) | {"cutoff_len": kept["cutoff_len"] - 1}
        yield kept | NEUTRAL | IDS_NEUTRAL | {"output_dir": f"{scratch}/output"}


def _read(path: str) -> Row:
    import yaml

    return dict(yaml.safe_load(Path(path).read_text(encoding="utf-8")))


def _without(settings: Row, keys: set[str]) -> Row:
    return {key: value for key, value in settings.items() if key not in keys}
