"""What LLaMA-Factory's own get_dataset makes of data sets, in one process of the train environment.

    python corpus_loader.py JOB.json OUT.jsonl

JOB: {"base": folder of a tokenizer, "scratch": folder, "sets": [{"id", "folder", "stage"}]}; each folder has
a dataset_info.json with one data set, "rows". OUT, a line each: {"id", "ids": [[…], …]} of the rows that it
keeps, or {"id", "error"}. A set may name its
"datasets" (a,b). A set of stage "v1" is a "file" that LLaMA-Factory's v1 loads: {"id", "rows"}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# Of a row of each stage: the ids that are trained.
IDS = {"sft": ("input_ids",), "pt": ("input_ids",), "kto": ("input_ids",)}
PAIR = ("chosen_input_ids", "rejected_input_ids")


def main() -> None:
    """Load every data set, one after the other."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    settings = {
        "model_name_or_path": job["base"],
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "dataset": "rows",
        "dataset_dir": job["sets"][0]["folder"],
        "template": "deepseekr1",
        "cutoff_len": 4096,
        "overwrite_cache": True,
        "preprocessing_num_workers": 1,
        "output_dir": job["scratch"],
        "report_to": "none",
        "use_cpu": True,
    }
    model_args, data_args, training_args, _, _ = get_train_args(settings)
    module = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    with Path(sys.argv[2]).open("w", encoding="utf-8") as out:
        for one in job["sets"]:
            if one["stage"] == "v1":
                out.write(json.dumps({"id": one["id"], "rows": _rows_of_v1(one["file"])}) + "\n")
                continue
            data_args.dataset_dir, data_args.packing = one["folder"], False
            data_args.dataset = one.get("datasets", "rows").split(",")
            try:
                kept = get_dataset(
                    template, model_args, data_args, training_args, stage=one["stage"], **module
                )["train_dataset"]
                told: dict[str, Any] = {"ids": _ids(kept, one["stage"])}
            except Exception as error:  # noqa: BLE001 - whatever it cannot read is what is asked
                told = {"error": f"{type(error).__name__}: {error}"}
            out.write(json.dumps({"id": one["id"], **told}) + "\n")


def _rows_of_v1(file: str) -> int:
    from llamafactory.v1.core.data_engine import DataEngine

    return len(DataEngine(file))


def _ids(kept: Any, stage: str) -> list[list[int]]:
    columns = IDS.get(stage, PAIR)
    return [[number for column in columns for number in row[column]] for row in kept]


if __name__ == "__main__":
    main()
