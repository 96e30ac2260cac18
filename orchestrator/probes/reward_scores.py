"""The scores of some pairs by a trained reward model and its export. Run by the train environment's Python.

    python reward_scores.py train.yaml --adapter adapter --export export \
        --ids proofs/data/training_ids.jsonl --rows 32 --max-len 4096 --out proofs/scores/rewards.jsonl

The trainer's: LLaMA-Factory's `get_train_args` and `load_model` on the run's own train.yaml with the finished
adapter and its value head, and the `predict` of its PairwiseTrainer, one pair a batch. The export's: the
folder as transformers' sequence classification model, plus score.bias, which transformers does not read.

The pairs are those of trainer_loss.py: up to --rows trained and as many held-out ones, whole and shorter than
--max-len. JSON lines:

    {"versions", "method", "compute_dtype", "weights_dtype", "max_len", "eligible": {"trained", "held_out"}}
    {"dataset", "row", "held_out", "chosen", "rejected", "export_chosen", "export_rejected"}
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokens import Row, offline, output, put, refuse, versions
from train_settings import model_settings
from trainer_loss import REJECTED, choose, fits

DIGITS = 6
SIDES = ("chosen", "rejected")
VALUE_HEAD, HEAD = "value_head.safetensors", "score.safetensors"


def main() -> None:
    """Write the file under a temporary name, and rename it."""
    arguments = parse_arguments()
    offline()
    # The libraries would go on with a random head, and say so in a line of information or a warning.
    for folder, name in ((arguments.adapter, VALUE_HEAD), (arguments.export, HEAD)):
        if not (Path(folder) / name).is_file():
            refuse(f"has no {name}: it would score at random", folder, "train or export again: conch run")
    rows, eligible = choose(Path(arguments.ids), arguments.rows, arguments.max_len)
    pairs = [*whole([row for row in rows if fits(row, arguments.max_len)])]
    with tempfile.TemporaryDirectory(prefix="conch-reward-") as scratch:
        settings = model_settings(arguments.train_yaml, scratch) | {
            "stage": "rm",
            "per_device_eval_batch_size": 1,
        }
        trained, about = by_trainer(settings, arguments.adapter, pairs)
    exported = by_export(Path(arguments.export), pairs)
    with output(arguments.out) as stream:
        put(stream, about | {"max_len": arguments.max_len, "eligible": eligible})
        for (better, _), mine, theirs in zip(pairs, trained, exported, strict=True):
            place = {key: better[key] for key in ("dataset", "row", "held_out")}
            scores = dict(zip(SIDES, mine, strict=True))
            put(
                stream,
                place | scores | {f"export_{side}": one for side, one in zip(SIDES, theirs, strict=True)},
            )


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The scores of a trained reward model and of its export.")
    add = parser.add_argument
    add("train_yaml", help="the rendered LLaMA-Factory configuration")
    add("--adapter", required=True, help="the trained adapter; with full and freeze the trained model")
    add("--export", required=True, help="the folder of the export")
    add("--ids", required=True, help="training_ids.jsonl")
    add("--rows", type=int, default=32, help="at most so many trained pairs, and so many held-out ones")
    add("--max-len", type=int, required=True, help="rows must be shorter: the server's max_model_len")
    add("--out", required=True, help="the JSON lines to write")
    return parser.parse_args()


def whole(rows: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """The (better, worse) answers of the pairs that are there with both."""
    worse = {(row["dataset"], row["row"]): row for row in rows if row["dataset"].endswith(REJECTED)}
    for row in rows:
        other = worse.get((row["dataset"] + REJECTED, row["row"]))
        if other:
            yield row, other


def by_trainer(
    settings: Row, adapter: str, pairs: Sequence[tuple[Row, Row]]
) -> tuple[list[list[float]], Row]:
    """((score of the better, of the worse) of each pair, the header's facts)."""
    from datasets import Dataset
    from llamafactory.data import PairwiseDataCollatorWithPadding, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_model, load_tokenizer
    from llamafactory.train.rm.trainer import PairwiseTrainer

    method = settings.get("finetuning_type", "lora")
    key = "adapter_name_or_path" if method == "lora" else "model_name_or_path"
    model_args, data_args, training_args, finetuning_args, _ = get_train_args(dict(settings) | {key: adapter})
    module = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    # Trainable, as in training: that decides the precision of the weights.
    model = load_model(
        module["tokenizer"], model_args, finetuning_args, is_trainable=True, add_valuehead=True
    )
    collator = PairwiseDataCollatorWithPadding(template=template, model=model, pad_to_multiple_of=8, **module)
    training_args.remove_unused_columns = False
    trainer = PairwiseTrainer(
        model=model, args=training_args, finetuning_args=finetuning_args, data_collator=collator, **module
    )
    scores = (
        trainer.predict(Dataset.from_list([features(*pair) for pair in pairs])).predictions
        if pairs
        else ([], [])
    )
    about = {
        "versions": versions("llamafactory", "transformers", "torch", "peft"),
        "method": method,
        "compute_dtype": str(model_args.compute_dtype).removeprefix("torch."),
        "weights_dtype": str(model.pretrained_model.dtype).removeprefix("torch."),
    }
    return [[round(float(one), DIGITS) for one in both] for both in zip(*scores, strict=True)], about


def features(better: Row, worse: Row) -> Row:
    """A pair as LLaMA-Factory's pairwise processor encodes it."""
    found: Row = {"images": None, "videos": None, "audios": None}
    for side, row in zip(SIDES, (better, worse), strict=True):
        ids = row["ids"]
        found |= {f"{side}_input_ids": ids, f"{side}_attention_mask": [1] * len(ids), f"{side}_labels": ids}
    return found


def by_export(folder: Path, pairs: Sequence[tuple[Row, Row]]) -> list[list[float]]:
    """(score of the better, of the worse) of each pair, by the converted folder."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification

    bias = load_file(folder / HEAD)["score.bias"].float()
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="auto")
    model.eval()
    scores = []
    with torch.no_grad():
        for pair in pairs:
            both = [model(input_ids=torch.tensor([row["ids"]])).logits[0].float() + bias for row in pair]
            scores.append([round(float(one), DIGITS) for one in both])
    return scores


if __name__ == "__main__":
    main()
